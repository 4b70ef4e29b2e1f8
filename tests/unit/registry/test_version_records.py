"""Labels, resources and the description of a version: each limit at its edge."""

from __future__ import annotations

from typing import Any

import pytest

from clipper.errors import InvalidArgumentError
from clipper.registry import names
from clipper.registry.records import ModelVersion


def make(**values: Any) -> ModelVersion:
    return ModelVersion("svm", "1", "doubles", "noop", **values)


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"cpu": 2, "memory": "512Mi", "nvidia.com/gpu": 1},
        {"cpu": "0.5"},
        {"a" * 63: "b" * 63},
        {"x": 0},
        {"x": names.MAX_RESOURCE_AMOUNT},
        {f"r{number}": 1 for number in range(names.MAX_RESOURCES)},
    ],
)
def test_resources_within_the_rules_are_kept(resources: dict[str, int | str]) -> None:
    assert make(resources=resources).resources == resources


@pytest.mark.parametrize(
    ("resources", "cause"),
    [
        ({"x": -1}, "'x' is -1"),
        ({"x": names.MAX_RESOURCE_AMOUNT + 1}, "'x' is 9007199254740993"),
        ({"x": 0.5}, "'x' is 0.5"),
        ({"x": True}, "'x' is True"),
        ({"x": None}, "'x' is None"),
        ({"x": ""}, "'x' is ''"),
        ({"x": "b" * 64}, "'x' is 'b"),
        ({"x": "1 GiB"}, "'x' is '1 GiB'"),
        ({"": 1}, "'' is no name"),
        ({"a" * 64: 1}, "is no name"),
        ({"-a": 1}, "'-a' is no name"),
        ({"a b": 1}, "'a b' is no name"),
        ({"a\n": 1}, "is no name"),
        ({1: 1}, "1 is no name"),
        ({f"r{number}": 1 for number in range(names.MAX_RESOURCES + 1)}, "at most 16"),
        (["cpu"], "expected a mapping"),
    ],
)
def test_resources_outside_the_rules_are_refused_by_name(resources: Any, cause: str) -> None:
    with pytest.raises(InvalidArgumentError, match=cause):
        make(resources=resources)


def test_labels_are_bounded_in_number_and_length() -> None:
    labels = tuple(f"label {number}" for number in range(names.MAX_LABELS))
    assert make(labels=labels).labels == labels
    with pytest.raises(InvalidArgumentError, match="65 labels are too many: at most 64"):
        make(labels=(*labels, "one more"))
    for wrong in ("a" * 64, "", "a,b", "a:b", "a\n", 7):
        with pytest.raises(InvalidArgumentError, match="labels="):
            make(labels=(wrong,))


def test_description_is_printable_text_of_bounded_length() -> None:
    text = "é" * (names.MAX_DESCRIPTION_CHARACTERS - 2) + "\n\t"
    assert make(description=text).description == text
    with pytest.raises(InvalidArgumentError, match="1025 characters"):
        make(description=text + "x")
    for wrong in ("\x00", "\x1b[31m", 7):
        with pytest.raises(InvalidArgumentError, match="printable"):
            make(description=wrong)
