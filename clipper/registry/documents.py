"""The documents in which a store keeps the registry: one for each application and each model.

A document says in which format it was written. An older one is read as it is, what it lacks taken from the defaults of
the records, and is written anew with the next change of its record. A newer one is refused, so that no field of it is
lost when an older Clipper writes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from clipper.errors import ClipperError, InternalError, StartError
from clipper.registry.records import Application, Model, ModelVersion, RegistryState
from clipper.state.store import Document, StoredState

# 1 (not written down): Clipper 0.1 before versions had resources and descriptions, and models previous versions.
# 2: before applications learned from feedback.
FORMAT: Final = 3

_APPLICATION_KEY: Final = "application/"
_MODEL_KEY: Final = "model/"


def to_documents(state: RegistryState) -> dict[str, Document]:
    """Return one document per application and per model."""
    return changed_documents(RegistryState(), state)


def changed_documents(before: RegistryState, after: RegistryState) -> dict[str, Any]:
    """Return what a store has to put to come from ``before`` to ``after``; None stands for a document to remove."""
    documents: dict[str, Any] = {}
    for key, old, new in (
        (_APPLICATION_KEY, before.applications, after.applications),
        (_MODEL_KEY, before.models, after.models),
    ):
        documents.update(_changed(key, old, new))
    return documents


def _changed(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    documents: dict[str, Any] = {}
    for name, record in after.items():
        if before.get(name) != record:
            documents[key + name] = {"format": FORMAT, **asdict(record)}
    documents.update((key + name, None) for name in before if name not in after)
    return documents


def from_stored(stored: StoredState) -> RegistryState:
    """Return the registry that `to_documents` wrote.

    Raises
    ------
    StartError
        A document was written by a newer version of Clipper.
    InternalError
        A document is none of the registry.
    """
    applications: dict[str, Application] = {}
    models: dict[str, Model] = {}
    for key, document in stored.documents.items():
        try:
            values = _values(key, document)
            if key.startswith(_APPLICATION_KEY):
                application = _read_application(values)
                applications[application.name] = application
            elif key.startswith(_MODEL_KEY):
                model = _read_model(values)
                models[model.name] = model
        except StartError:
            raise
        except (TypeError, KeyError, AttributeError, ValueError, ClipperError) as error:
            raise InternalError(
                f"the document {key!r} of the registry cannot be read: {error}",
                hint="restore the state from a backup, or move it away to start with an empty registry",
            ) from error
    return RegistryState(stored.revision, applications, models)


def _values(key: str, document: Document) -> dict[str, Any]:
    """Return the fields of a document without its format, which this version must know."""
    values = dict(document)
    found = values.pop("format", 1)
    if type(found) is not int or found < 1:
        raise ValueError(f"its format is {found!r}")
    if found > FORMAT:
        raise StartError(
            f"the document {key!r} of the registry has format {found}, and this version of Clipper reads up to "
            f"{FORMAT}: a newer version wrote it",
            hint="start that newer version, or restore a backup that this one wrote",
        )
    return values


def _read_application(values: dict[str, Any]) -> Application:
    values["shape"] = None if values["shape"] is None else tuple(values["shape"])
    values["models"] = tuple(values["models"])
    return Application(**values)


def _read_model(values: dict[str, Any]) -> Model:
    values["versions"] = {
        key: ModelVersion(**{**version, "labels": tuple(version["labels"])})
        for key, version in values["versions"].items()
    }
    values["previous_versions"] = tuple(values.get("previous_versions", ()))
    return Model(**values)
