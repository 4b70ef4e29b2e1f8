"""Which sample a version's replicas evaluate first: the caller's, or zeros in a declared shape, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clipper.errors import InvalidArgumentError
from clipper.registry import names
from clipper.registry.records import Application, Model, ModelVersion, RegistryState
from clipper.registry.snapshot import to_snapshot

VERSION = ModelVersion("svm", "1", "doubles", "noop", is_deployed=True)
APPLICATION = Application("app", "doubles", "0", 1_000, 1_000, models=("svm",))


def sample(version: ModelVersion, *applications: Application) -> tuple[str | None, bool]:
    state = RegistryState(
        applications={application.name: application for application in applications},
        models={"svm": Model("svm", {"1": version}, "1")},
    )
    described = to_snapshot(state)["models"][0]["versions"][0]
    return described["sample_input"], described["sample_must_succeed"]


def test_sample_of_the_caller_must_succeed_and_wins() -> None:
    given = replace(VERSION, sample_input_json="[1,2]")
    assert sample(given) == ("[1,2]", True)
    assert sample(given, replace(APPLICATION, shape=(3,))) == ("[1,2]", True)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"shape": None}, None),
        ({"shape": (3,)}, "[0,0,0]"),
        ({"shape": (65_536,)}, f"[{','.join('0' * 65_536)}]"),
        ({"shape": (65_537,)}, None),
        ({"input_type": "strings"}, None),
    ],
    ids=["no shape", "vector", "largest", "too large", "another type"],
)
def test_made_up_sample_has_the_declared_shape_and_may_fail(declared: dict[str, Any], expected: str | None) -> None:
    assert sample(VERSION, replace(APPLICATION, **declared)) == (expected, False)


def test_made_up_sample_of_tensors_has_their_dimensions_and_kind() -> None:
    version = replace(VERSION, input_type="tensor")
    tensors = replace(APPLICATION, input_type="tensor", dtype="float32", shape=(2, 1, 3))
    assert sample(version, tensors) == ("[[[0,0,0]],[[0,0,0]]]", False)
    assert sample(version, replace(tensors, dtype="bool", shape=(2,))) == ("[false,false]", False)


def test_sample_is_json_of_a_bounded_size() -> None:
    assert names.check_sample_input(None) == ""
    assert names.check_sample_input([1.5, 2]) == "[1.5,2]"
    names.check_sample_input("x" * (names.MAX_SAMPLE_INPUT_BYTES - 2))
    with pytest.raises(InvalidArgumentError, match="sample_input has 1048577 bytes"):
        names.check_sample_input("x" * (names.MAX_SAMPLE_INPUT_BYTES - 1))
    with pytest.raises(InvalidArgumentError, match="sample_input is no JSON value"):
        names.check_sample_input([float("nan")])
