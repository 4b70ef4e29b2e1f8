"""The desired state as the frontend workers get it (message ``snapshot`` of the control channel)."""

from __future__ import annotations

from typing import Any

from clipper.registry.records import Application, Model, ModelVersion, RegistryState


def to_snapshot(state: RegistryState) -> dict[str, Any]:
    """Return the JSON object that `clipper.frontend` builds its route table and model runtimes from."""
    return {
        "type": "snapshot",
        "revision": state.revision,
        "applications": [_application(application) for application in state.applications.values()],
        "models": [_model(model) for model in state.models.values()],
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
