"""The desired state as the frontend workers get it (message ``snapshot`` of the control channel)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clipper.registry.learning import effective_policy, learning_of
from clipper.registry.records import Application, Model, ModelVersion, RegistryState


def _no_plan(_application: str) -> Mapping[str, Any] | None:
    return None


def to_snapshot(state: RegistryState, plan_of: Callable[[str], Mapping[str, Any] | None] = _no_plan) -> dict[str, Any]:
    """Return the JSON object that `clipper.frontend` builds its route table and model runtimes from.

    Parameters
    ----------
    plan_of : callable
        Gives the plan in force for everybody of an application by its name; None: the worker makes it of the policy.
    """
    return {
        "type": "snapshot",
        "revision": state.revision,
        "applications": [_application(one, plan_of(one.name)) for one in state.applications.values()],
        "models": [_model(model) for model in state.models.values()],
    }


def _application(application: Application, plan: Mapping[str, Any] | None) -> dict[str, Any]:
    learning = learning_of(application)
    return {
        "name": application.name,
        "input_type": application.input_type,
        "dtype": application.dtype,
        "shape": None if application.shape is None else list(application.shape),
        "default_output": application.default_output_json,
        "latency_slo_us": application.latency_slo_us,
        "max_slo_us": application.max_slo_us,
        "on_miss": application.on_miss,
        "policy": effective_policy(application),
        "models": list(application.models),
        "cache": application.cache,
        "cache_ttl_us": application.cache_ttl_us,
        "learning": None if learning is None else learning.to_json(),
        "plan": None if plan is None else dict(plan),
    }


def _model(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "current_version": model.current_version,  # null: no version answers queries that name none
        "versions": [_version(version) for version in model.versions.values()],
    }


def _version(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "input_type": version.input_type,
        "controller": version.controller,
        "batch_size": version.batch_size,
        "max_batch_size": version.max_batch_size,
        "labels": list(version.labels),
        "is_deployed": version.is_deployed,
        "sample_input": version.sample_input_json or None,  # JSON text; null: the workers make zeros, if they can
    }
