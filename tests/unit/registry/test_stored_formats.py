"""Documents that other versions of Clipper wrote: the older load, the newer are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clipper.errors import InternalError, StartError
from clipper.registry import changes
from clipper.registry.documents import FORMAT, from_stored
from clipper.registry.records import Application, Model, ModelVersion, RegistryState
from clipper.registry.registry import Registry
from clipper.state.memory import MemoryStore
from clipper.state.store import StoredState
from clipper.types import Revision

# As Clipper 0.1 stored it before documents said their format, letter for letter.
FORMAT_1 = {
    "application/digits": (
        '{"name": "digits", "input_type": "doubles", "default_output_json": "-1", "latency_slo_us": 20000,'
        ' "max_slo_us": 30000, "shape": [64], "dtype": null, "on_miss": "error", "policy": {"name": "mean"},'
        ' "cache": true, "cache_ttl_us": 0, "models": ["svm"]}'
    ),
    "model/svm": (
        '{"name": "svm", "versions": {"1": {"name": "svm", "version": "1", "input_type": "doubles", "container":'
        ' "noop", "replicas": 2, "controller": "aimd", "batch_size": 0, "max_batch_size": 0, "labels": ["a"],'
        ' "environment": {"CLIPPER_X": "1"}, "is_deployed": true}}, "current_version": "1"}'
    ),
}


def old_state(**edits: dict[str, Any]) -> StoredState:
    documents = {key: json.loads(text) for key, text in FORMAT_1.items()}
    for key, values in edits.items():
        documents[f"model/{key}" if key == "svm" else f"application/{key}"] |= values
    return StoredState(Revision(5), documents)


def test_documents_of_the_first_format_load_with_defaults() -> None:
    version = ModelVersion(
        "svm",
        "1",
        "doubles",
        "noop",
        replicas=2,
        labels=("a",),
        environment={"CLIPPER_X": "1"},
        is_deployed=True,
        resources={},
        description="",
    )
    application = Application(
        "digits",
        "doubles",
        "-1",
        20_000,
        30_000,
        shape=(64,),
        policy={"name": "mean"},
        on_miss="error",
        models=("svm",),
    )
    assert from_stored(old_state()) == RegistryState(
        Revision(5), {"digits": application}, {"svm": Model("svm", {"1": version}, "1", ())}
    )


def test_older_document_is_written_anew_with_the_next_change_of_its_record_alone() -> None:
    store = MemoryStore()
    store.commit(Revision(0), old_state().documents)
    registry = Registry(store)
    registry.apply(lambda state: changes.set_replicas(state, "svm", "1", 3))
    documents = store.load().documents
    assert documents["model/svm"]["format"] == FORMAT and documents["model/svm"]["previous_versions"] == []
    assert "format" not in documents["application/digits"]
    assert Registry(store).state == registry.state


@pytest.mark.parametrize("key", ["svm", "digits"])
def test_document_of_a_newer_format_is_refused_and_says_what_to_do(key: str) -> None:
    with pytest.raises(StartError, match=f"{key}.*format {FORMAT + 1}.*reads up to {FORMAT}") as caught:
        from_stored(old_state(**{key: {"format": FORMAT + 1, "unheard_of": 1}}))
    assert "newer version" in caught.value.hint


@pytest.mark.parametrize(
    "values",
    [
        {"unheard_of": 1},
        {"format": "2"},
        {"format": 0},
        {"versions": None},
        {"versions": {"1": {}}},
        {"versions": {"1": {"labels": 7}}},
    ],
)
def test_document_that_does_not_fit_its_format_is_named(values: dict[str, Any]) -> None:
    with pytest.raises(InternalError, match="'model/svm'") as caught:
        from_stored(old_state(svm=values))
    assert "backup" in caught.value.hint


def test_stored_value_outside_its_range_is_named() -> None:
    with pytest.raises(InternalError, match=r"'application/digits'.*latency_slo_us=-1"):
        from_stored(old_state(digits={"latency_slo_us": -1}))
