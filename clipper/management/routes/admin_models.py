"""The admin calls of the original Clipper: models and containers."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from clipper.errors import NotFoundError
from clipper.management.original_json import BOOL, INPUT_TYPE, INT, STRING, STRINGS, OriginalError
from clipper.management.routes.admin import add_call, check_input_type
from clipper.management.routes.context import Context
from clipper.registry import changes, names
from clipper.registry.records import Model, ModelVersion, RegistryState
from clipper.types import ModelId

router = APIRouter(tags=["original"])
DEFAULT_BATCH_SIZE: Final = -1  # the controller finds the size
_FORBIDDEN: Final = (",", ":")
_MAX_TEXT_CHARACTERS: Final = 1024  # of container_name and model_data_path, which are only kept


@add_call(
    router, "add_model", "Register a model version whose containers are started by hand",
    model_name=STRING, model_version=STRING, labels=STRINGS, input_type=INPUT_TYPE, container_name=STRING,
    model_data_path=STRING, batch_size=INT,
)  # fmt: skip
async def add_model(context: Context, values: dict[str, Any]) -> str:
    """Register a version and make it current. Nothing is started: its containers join over RPC by themselves."""
    version = _to_version(values)

    def check(state: RegistryState) -> None:
        if version.version in state.model_versions(version.name):
            raise OriginalError(f"model with name '{version.name}' and version '{version.version}' already exists")
        _check_linked(state, version)

    await context.operations.register_external(version, check)
    return f"Successfully added model with name '{version.name}' and input type '{version.input_type}'"


def _to_version(values: dict[str, Any]) -> ModelVersion:
    """Check in the original's order: batch size, name, version, labels."""
    batch_size = values["batch_size"]
    if batch_size <= 0 and batch_size != DEFAULT_BATCH_SIZE:
        raise OriginalError(f"The batch size must be positive or DEFAULT_BATCH_SIZE, which is {DEFAULT_BATCH_SIZE}")
    _check_characters("model name", values["model_name"])
    _check_characters("model version", values["model_version"])
    for label in values["labels"]:
        _check_characters("label", label)
    for key in ("container_name", "model_data_path"):
        if len(values[key]) > _MAX_TEXT_CHARACTERS:
            raise OriginalError(f"{key} has {len(values[key])} characters; at most {_MAX_TEXT_CHARACTERS} are allowed")
    has_size = batch_size != DEFAULT_BATCH_SIZE
    return ModelVersion(
        name=names.check_model_name(values["model_name"]),
        version=names.check_version(values["model_version"]),
        input_type=check_input_type(values["input_type"]),
        container=values["container_name"],
        replicas=0,
        controller="fixed" if has_size else "aimd",
        batch_size=batch_size if has_size else 0,
        labels=names.check_labels(values["labels"]),
        is_external=True,
        data_path=values["model_data_path"],
    )


def _check_characters(what: str, value: str) -> None:
    if any(character in value for character in _FORBIDDEN):
        raise OriginalError(f"Invalid {what} supplied: {value}. Contains one of: ',', ':'")


def _check_linked(state: RegistryState, version: ModelVersion) -> None:
    for application in state.applications_of(version.name):
        if application.input_type != version.input_type:
            raise OriginalError(
                f"Model with name '{version.name}' is already linked to app '{application.name}' using input type "
                f"'{application.input_type}'. The input type you provided for a new version of the model, "
                f"'{version.input_type}', is not compatible."
            )


@add_call(router, "delete_versioned_model", "Delete a model version", model_name=STRING, model_version=STRING)
async def delete_versioned_model(context: Context, values: dict[str, Any]) -> str:
    """Delete a version with its replicas, also the current one of a linked model: that then gets default outputs."""
    name, version = values["model_name"], values["model_version"]
    try:
        await context.operations.delete_version(ModelId(name, version), remove=changes.withdraw_version)
    except NotFoundError:
        raise OriginalError(f"model with name '{name}' and version '{version}' does not exist") from None
    return f"Successfully deleted model with name '{name}' and version '{version}'"


@add_call(router, "set_model_version", "Choose the current version", model_name=STRING, model_version=STRING)
async def set_model_version(context: Context, values: dict[str, Any]) -> str:
    """Let a deployed version answer: forward or back."""
    name, version = values["model_name"], values["model_version"]

    def switch(state: RegistryState) -> RegistryState:
        model = state.models.get(name)
        if model is None:
            raise OriginalError(f"Cannot set version for nonexistent model '{name}'")
        if version not in model.versions:
            raise OriginalError(f"Cannot set non-existent version '{version}' for model with name '{name}'")
        _check_linked(state, model.versions[version])
        return changes.set_current_version(state, name, version)

    await context.operations.change(switch)
    return f"Successfully set model with name '{name}' to version '{version}'"


@add_call(router, "get_all_models", "List the model versions", verbose=BOOL)
async def get_all_models(context: Context, values: dict[str, Any]) -> list[Any]:
    """Return ``name:version`` of each, or everything about each."""
    return [
        _model(context, model, version) if values["verbose"] else str(version.model_id)
        for model in context.operations.state.models.values()
        for version in model.versions.values()
    ]


@add_call(router, "get_model", "Look at a model version", model_name=STRING, model_version=STRING)
async def get_model(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return a model version; an empty object if there is none."""
    model = context.operations.state.models.get(values["model_name"])
    if model is None or values["model_version"] not in model.versions:
        return {}
    return _model(context, model, model.versions[values["model_version"]])


def _model(context: Context, model: Model, version: ModelVersion) -> dict[str, Any]:
    own_path = str(context.config.model_dir / version.name / version.version)
    return {
        "model_name": version.name,
        "model_version": version.version,
        "input_type": version.input_type,
        "labels": list(version.labels),
        "container_name": version.container,
        "model_data_path": version.data_path if version.is_external else own_path,
        "is_current_version": model.current_version == version.version,
    }


@add_call(router, "get_all_containers", "List the containers", verbose=BOOL)
async def get_all_containers(context: Context, values: dict[str, Any]) -> list[Any]:
    """Return ``name:version:replica`` of each living container, or everything about each."""
    containers = [
        container for version in context.operations.state.all_versions() for container in _containers(context, version)
    ]
    return [
        container if values["verbose"] else f"{container['model_id']}:{container['model_replica_id']}"
        for container in containers
    ]


@add_call(router, "get_container", "Look at a container", model_name=STRING, model_version=STRING, replica_id=INT)
async def get_container(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Return a container; an empty object if there is none."""
    model = context.operations.state.models.get(values["model_name"])
    if model is None or values["model_version"] not in model.versions:
        return {}
    containers = _containers(context, model.versions[values["model_version"]])
    return next((each for each in containers if each["model_replica_id"] == values["replica_id"]), {})


def _containers(context: Context, version: ModelVersion) -> list[dict[str, Any]]:
    """Return the containers of a version; those that were started by hand are numbered behind our own."""
    table = context.fleet.table
    numbers = sorted(replica.index for replica in table.of(version.model_id))
    first = numbers[-1] + 1 if numbers else 0
    by_hand = sum(name.startswith(f"{version.model_id}:") for name, _ in table.external())
    return [
        {
            "model_id": str(version.model_id),
            "model_name": version.name,
            "model_version": version.version,
            "model_replica_id": number,
            "input_type": version.input_type,
        }
        for number in [*numbers, *range(first, first + by_hand)]
    ]
