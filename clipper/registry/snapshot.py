"""The desired state as the frontend workers get it (message ``snapshot`` of the control channel)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from clipper.registry.records import Application, Model, ModelVersion, RegistryState

_MAX_BLANK_ELEMENTS: Final = 65_536  # a larger sample would weigh down every snapshot


def to_snapshot(state: RegistryState) -> dict[str, Any]:
    """Return the JSON object that `clipper.frontend` builds its route table and model runtimes from."""
    return {
        "type": "snapshot",
        "revision": state.revision,
        "applications": [_application(application) for application in state.applications.values()],
        "models": [_model(model, state.applications_of(model.name)) for model in state.models.values()],
    }


def _application(application: Application) -> dict[str, Any]:
    default_policy = {"name": "majority" if len(application.models) > 1 else "static"}
    return {
        "name": application.name,
        "input_type": application.input_type,
        "dtype": application.dtype,
        "shape": None if application.shape is None else list(application.shape),
        "default_output": application.default_output_json,
        "latency_slo_us": application.latency_slo_us,
        "max_slo_us": application.max_slo_us,
        "on_miss": application.on_miss,
        "policy": default_policy if application.policy is None else dict(application.policy),
        "models": list(application.models),
        "cache": application.cache,
        "cache_ttl_us": application.cache_ttl_us,
    }


def _model(model: Model, linked: Sequence[Application]) -> dict[str, Any]:
    return {
        "name": model.name,
        "current_version": model.current_version,  # null: no version answers queries that name none
        "versions": [_version(version, linked) for version in model.versions.values()],
    }


def _version(version: ModelVersion, linked: Sequence[Application]) -> dict[str, Any]:
    sample_input = version.sample_input_json or _blank_input(version, linked)
    return {
        "version": version.version,
        "input_type": version.input_type,
        "controller": version.controller,
        "batch_size": version.batch_size,
        "max_batch_size": version.max_batch_size,
        "labels": list(version.labels),
        "is_deployed": version.is_deployed,
        "sample_input": sample_input,  # JSON text, or null
        # A made-up sample is there for the first call's costs; a model may rightly refuse it.
        "sample_must_succeed": bool(version.sample_input_json),
    }


def _blank_input(version: ModelVersion, linked: Sequence[Application]) -> str | None:
    """Return zeros in the shape that an application declares for the model, as JSON text."""
    for application in linked:
        shape = application.shape
        fits = application.input_type == version.input_type
        if fits and shape is not None and math.prod(shape) <= _MAX_BLANK_ELEMENTS:
            blank: Any = False if application.dtype == "bool" else 0
            for length in reversed(shape):
                blank = [blank] * length
            return json.dumps(blank, separators=(",", ":"))
    return None
