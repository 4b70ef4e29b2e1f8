"""Every change of the desired state as a pure function: state in, state out, or a typed error and no change."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from clipper.errors import AlreadyExistsError, ConflictError, NotFoundError
from clipper.registry import names
from clipper.registry.records import Application, Model, ModelVersion, RegistryState

# How many roll-backs in a row a model remembers.
MAX_PREVIOUS_VERSIONS: Final = 16

_Record = TypeVar("_Record")


def add_application(state: RegistryState, application: Application) -> RegistryState:
    """Register an application.

    Raises
    ------
    AlreadyExistsError
        The name is taken.
    """
    if application.name in state.applications:
        raise AlreadyExistsError(
            f"the application {application.name!r} exists already", hint="choose another name, or delete that one first"
        )
    return _with_application(state, application)


def delete_application(state: RegistryState, name: str) -> RegistryState:
    """Delete an application with its links; its models stay.

    Raises
    ------
    NotFoundError
        There is no such application.
    """
    state.application(name)
    return replace(state, applications=_without(state.applications, name))


def set_policy(
    state: RegistryState, name: str, policy: Mapping[str, Any] | None, learning: Mapping[str, Any] | None
) -> RegistryState:
    """Let an application choose among its models in another way, or learn in another.

    Raises
    ------
    NotFoundError
        There is no such application.
    """
    return _with_application(state, replace(state.application(name), policy=policy, learning=learning))


def link_model(state: RegistryState, application_name: str, model_name: str) -> RegistryState:
    """Let an application use a model, after those that are linked already.

    Raises
    ------
    NotFoundError
        There is no such application, or no such model with a current version.
    AlreadyExistsError
        They are linked already.
    ConflictError
        The model takes another input type, or serves another application with tensors of another shape.
    """
    application = state.application(application_name)
    model = state.model(model_name)
    if model.current_version is None:
        raise NotFoundError(
            f"the model {model_name!r} has no deployed version yet", hint="wait until its deployment is done"
        )
    if model_name in application.models:
        raise AlreadyExistsError(f"the model {model_name!r} is already linked to the application {application_name!r}")
    _check_input_type(application, model.versions[model.current_version])
    for other in state.applications_of(model_name):
        _check_same_tensor(application, other, model_name)
    return _with_application(state, replace(application, models=(*application.models, model_name)))


def unlink_model(state: RegistryState, application_name: str, model_name: str) -> RegistryState:
    """Undo `link_model`.

    Raises
    ------
    NotFoundError
        There is no such application, or the model is not linked to it.
    """
    application = state.application(application_name)
    if model_name not in application.models:
        linked = ", ".join(application.models) or "none"
        raise NotFoundError(
            f"the model {model_name!r} is not linked to the application {application_name!r}", hint=f"linked: {linked}"
        )
    remaining = tuple(name for name in application.models if name != model_name)
    return _with_application(state, replace(application, models=remaining))


def add_version(state: RegistryState, version: ModelVersion) -> RegistryState:
    """Add a version that is about to be deployed; `set_current_version` makes it answer queries.

    Raises
    ------
    AlreadyExistsError
        The version exists, or is being deployed by somebody else.
    ConflictError
        An application that the model is linked to has another input type; or there is no room for its sample input.
    """
    model = state.models.get(version.name, Model(version.name, {}))
    if version.version in model.versions:
        raise AlreadyExistsError(
            f"the model {version.name!r} has a version {version.version!r} already",
            hint="deploy under a new version, or delete that one first",
        )
    for application in state.applications_of(version.name):
        _check_input_type(application, version)
    _check_samples(state, version)
    return _with_model(state, replace(model, versions={**model.versions, version.version: version}))


def _check_samples(state: RegistryState, added: ModelVersion) -> None:
    """Hold the samples of all versions to a sum: every change sends them to every worker."""
    if not added.sample_input_json:
        return
    versions = [version for model in state.models.values() for version in model.versions.values()]
    held_bytes = sum(len(version.sample_input_json) for version in versions)
    if held_bytes + len(added.sample_input_json) > names.MAX_SAMPLES_BYTES:
        raise ConflictError(
            f"the sample input of {added.name}:{added.version} has {len(added.sample_input_json):,} bytes, those of "
            f"other versions {held_bytes:,}: together they may have {names.MAX_SAMPLES_BYTES:,}",
            hint="delete versions that are not needed any more, or give a smaller sample",
        )


def mark_deployed(state: RegistryState, name: str, version: str) -> RegistryState:
    """Note that every replica of the version has been ready."""
    return _with_version(state, replace(state.version(name, version), is_deployed=True))


def remove_version(state: RegistryState, name: str, version: str) -> RegistryState:
    """Remove a version; the model goes with its last one.

    Raises
    ------
    NotFoundError
        There is no such version.
    ConflictError
        It answers the queries of an application.
    """
    is_current = state.model(name).current_version == version
    state.version(name, version)
    linked = ", ".join(application.name for application in state.applications_of(name))
    if is_current and linked:
        raise ConflictError(
            f"version {version!r} is the current one of model {name!r}, which is linked to: {linked}",
            hint="make another version current, or unlink the model, first",
        )
    return withdraw_version(state, name, version)


def withdraw_version(state: RegistryState, name: str, version: str) -> RegistryState:
    """Remove a version even if it answers the queries of applications: they stay linked, and get default outputs.

    A model that is linked stays, without versions if this was its last one.

    Raises
    ------
    NotFoundError
        There is no such version.
    """
    model = state.model(name)
    state.version(name, version)
    is_current = model.current_version == version
    versions = _without(model.versions, version)
    if not versions and not state.applications_of(name):
        return replace(state, models=_without(state.models, name))
    current_version = None if is_current else model.current_version
    previous_versions = tuple(previous for previous in model.previous_versions if previous != version)
    return _with_model(
        state,
        replace(model, versions=versions, current_version=current_version, previous_versions=previous_versions),
    )


def undo_deployment(state: RegistryState, name: str, version: str) -> RegistryState:
    """Remove a version whose deployment has failed, however far it came.

    If it was made current already, the version that was current before answers again.

    Raises
    ------
    NotFoundError
        There is no such version.
    """
    model = state.model(name)
    if model.current_version == version and model.previous_versions:
        with contextlib.suppress(ConflictError):  # an application has been linked that only this version fits
            state = rollback(state, name)
    return withdraw_version(state, name, version)


def without_unused_models(state: RegistryState) -> RegistryState:
    """Forget the models that `withdraw_version` left without versions, once no application is linked to them."""
    linked = {name for application in state.applications.values() for name in application.models}
    models = {name: model for name, model in state.models.items() if model.versions or name in linked}
    return state if len(models) == len(state.models) else replace(state, models=models)


def delete_model(state: RegistryState, name: str) -> RegistryState:
    """Delete a model with all its versions.

    Raises
    ------
    NotFoundError
        There is no such model.
    ConflictError
        It is linked to an application, or one of its versions is being deployed.
    """
    model = state.model(name)
    linked = ", ".join(application.name for application in state.applications_of(name))
    if linked:
        raise ConflictError(f"the model {name!r} is linked to: {linked}", hint="unlink it first")
    deploying = ", ".join(version.version for version in model.versions.values() if not version.is_deployed)
    if deploying:
        raise ConflictError(
            f"the model {name!r} has versions that are still being deployed: {deploying}", hint="try again later"
        )
    return replace(state, models=_without(state.models, name))


def set_current_version(state: RegistryState, name: str, version: str) -> RegistryState:
    """Let a deployed version answer the queries that name none: roll forward or back.

    Raises
    ------
    NotFoundError
        There is no such version.
    ConflictError
        Its deployment is not done, or a linked application has another input type.
    """
    model = state.model(name)
    record = state.version(name, version)
    if not record.is_deployed:
        raise ConflictError(f"version {version!r} of model {name!r} is still being deployed", hint="try again later")
    for application in state.applications_of(name):
        _check_input_type(application, record)
    history = [*(previous for previous in model.previous_versions if previous != model.current_version)]
    history += [] if model.current_version is None else [model.current_version]
    previous_versions = [previous for previous in history if previous != version]
    return _with_model(
        state,
        replace(model, current_version=version, previous_versions=tuple(previous_versions[-MAX_PREVIOUS_VERSIONS:])),
    )


def rollback(state: RegistryState, name: str) -> RegistryState:
    """Let the version answer that was current before the present one; once more goes back one further.

    The version that is left is not one to go back to: `set_current_version` rolls forward to it again.

    Raises
    ------
    NotFoundError
        There is no such model.
    ConflictError
        No version was current before, or a linked application has another input type.
    """
    model = state.model(name)
    if not model.previous_versions:
        deployed = ", ".join(version.version for version in model.versions.values() if version.is_deployed) or "none"
        raise ConflictError(
            f"the model {name!r} has no earlier version to roll back to",
            hint=f"deployed versions: {deployed}; make one of them current by its name",
        )
    *older, version = model.previous_versions
    state = set_current_version(state, name, version)
    return _with_model(state, replace(state.model(name), previous_versions=tuple(older)))


def set_replicas(state: RegistryState, name: str, version: str, count: int) -> RegistryState:
    """Set how many replicas a version should have.

    Raises
    ------
    NotFoundError
        There is no such version.
    InvalidArgumentError
        The count is below one or above the limit.
    """
    return _with_version(state, replace(state.version(name, version), replicas=count))


def _check_same_tensor(application: Application, other: Application, model_name: str) -> None:
    """A batch has one dtype and shape, and holds the queries of every application that the model serves."""
    same = (other.dtype, other.shape) == (application.dtype, application.shape)
    if application.input_type == "tensor" and not same:
        raise ConflictError(
            f"the model {model_name!r} takes {other.dtype} tensors of shape {list(other.shape or ())} from the "
            f"application {other.name!r}, but {application.name!r} declares {application.dtype} tensors of shape "
            f"{list(application.shape or ())}",
            hint="declare the same dtype and shape, or deploy the model under a second name",
        )


def _check_input_type(application: Application, version: ModelVersion) -> None:
    if application.input_type != version.input_type:
        raise ConflictError(
            f"the model {version.name!r}, version {version.version!r}, takes input_type {version.input_type!r}; "
            f"the application {application.name!r} has input_type {application.input_type!r}"
        )


def _with_application(state: RegistryState, application: Application) -> RegistryState:
    return replace(state, applications={**state.applications, application.name: application})


def _with_model(state: RegistryState, model: Model) -> RegistryState:
    return replace(state, models={**state.models, model.name: model})


def _with_version(state: RegistryState, version: ModelVersion) -> RegistryState:
    model = state.model(version.name)
    return _with_model(state, replace(model, versions={**model.versions, version.version: version}))


def _without(records: Mapping[str, _Record], name: str) -> dict[str, _Record]:
    return {key: record for key, record in records.items() if key != name}
