"""The sample that a caller gives for a version: how it travels, and how much of it there may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipper.errors import ConflictError, InvalidArgumentError
from clipper.registry import changes, names
from clipper.registry.records import Model, ModelVersion, RegistryState
from clipper.registry.snapshot import to_snapshot

VERSION = ModelVersion("svm", "1", "doubles", "noop", is_deployed=True)


def test_sample_travels_in_the_snapshot_as_it_was_given() -> None:
    for given, expected in (("[1,2]", "[1,2]"), ("", None)):
        version = replace(VERSION, sample_input_json=given)
        state = RegistryState(models={"svm": Model("svm", {"1": version}, "1")})
        assert to_snapshot(state)["models"][0]["versions"][0]["sample_input"] == expected


def test_sample_is_json_of_a_bounded_size() -> None:
    assert names.check_sample_input(None) == ""
    assert names.check_sample_input([1.5, 2]) == "[1.5,2]"
    names.check_sample_input("x" * (names.MAX_SAMPLE_INPUT_BYTES - 2))
    with pytest.raises(InvalidArgumentError, match="sample_input has 1048577 bytes"):
        names.check_sample_input("x" * (names.MAX_SAMPLE_INPUT_BYTES - 1))
    with pytest.raises(InvalidArgumentError, match="sample_input is no JSON value"):
        names.check_sample_input([float("nan")])


def test_samples_of_all_versions_have_a_bounded_sum() -> None:
    largest = '"' + "x" * (names.MAX_SAMPLE_INPUT_BYTES - 2) + '"'
    count = names.MAX_SAMPLES_BYTES // names.MAX_SAMPLE_INPUT_BYTES
    state = RegistryState()
    for number in range(count):
        state = changes.add_version(
            state, replace(VERSION, name=f"m{number % 3}", version=str(number), sample_input_json=largest)
        )
    state = changes.add_version(state, VERSION)  # one without a sample has room for ever
    with pytest.raises(ConflictError, match="together they may have 16,777,216") as caught:
        changes.add_version(state, replace(VERSION, version="2", sample_input_json="1"))
    assert "delete versions" in caught.value.hint
    state = changes.remove_version(state, "m0", "0")
    changes.add_version(state, replace(VERSION, version="2", sample_input_json=largest))
