"""The first input that a replica evaluates is a sample, not a query: with real containers, which tell what they saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clipper import Clipper
from tests.support.processes import wait_until

Seen = Callable[[], list[Any]]
Model = Callable[[Any], list[Any]]


@pytest.fixture(scope="module")
def clipper() -> Iterator[Clipper]:
    with Clipper.start(query_port=0, management_port=0) as clipper:
        yield clipper


def telling(file: Path, *, raises_at_zero: bool = False) -> tuple[Model, Seen]:
    """Return a model that notes the inputs of its batches, and what reads the notes."""
    path = str(file)

    def predict(inputs: Any) -> list[Any]:
        noted = [one if isinstance(one, str) else [float(value) for value in one] for one in inputs]
        with open(path, "a", encoding="utf-8") as notes:
            notes.write(json.dumps(noted) + "\n")
        if raises_at_zero and any(not any(one) for one in noted):
            raise ValueError("a vector of zeros has no direction")
        return [1 for _ in noted]

    def seen() -> list[Any]:
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return predict, seen


def register(clipper: Clipper, name: str, **changes: Any) -> None:
    described = {"input_type": "doubles", "default_output": -1, "latency_slo_us": 5_000_000, **changes}
    clipper.register_application(name, **described)


def test_model_is_warmed_by_its_link_and_its_later_replicas_before_they_are_ready(
    clipper: Clipper, tmp_path: Path
) -> None:
    zeros = [[0.0, 0.0, 0.0]]
    predict, seen = telling(tmp_path / "first")
    clipper.deploy_model("shaped", 1, predict)
    assert seen() == [], "nobody has said yet what its inputs look like"
    register(clipper, "shaped", shape=3)
    clipper.link_model_to_app("shaped", "shaped")
    wait_until(lambda: seen() == [zeros])
    assert clipper.predict("shaped", [1.0, 2.0, 3.0]).output == 1
    assert seen() == [zeros, [[1.0, 2.0, 3.0]]]

    # One that cannot evaluate the made-up zeros serves all the same.
    predict, seen = telling(tmp_path / "second", raises_at_zero=True)
    clipper.deploy_model("shaped", 2, predict)
    assert seen() == [zeros]
    clipper.set_num_replicas("shaped", 2)
    assert seen() == [zeros, zeros]
    prediction = clipper.predict("shaped", [4.0, 5.0, 6.0])
    assert (prediction.output, prediction.model) == (1, "shaped:2")
    assert seen() == [zeros, zeros, [[4.0, 5.0, 6.0]]]


@pytest.mark.parametrize(
    ("input_type", "one"), [("doubles", [1.0, 2.0]), ("strings", "a text")], ids=["unknown length", "text"]
)
def test_nothing_is_made_up_where_nobody_says_what_inputs_look_like(
    clipper: Clipper, tmp_path: Path, input_type: str, one: Any
) -> None:
    predict, seen = telling(tmp_path / "seen")
    name = f"unknown-{input_type}"
    register(clipper, name, input_type=input_type)
    clipper.deploy_model(name, 1, predict, input_type)
    clipper.link_model_to_app(name, name)
    assert clipper.predict(name, one).output == 1
    assert seen() == [[one]]


def test_sample_that_is_given_is_evaluated_before_any_query(clipper: Clipper, tmp_path: Path) -> None:
    predict, seen = telling(tmp_path / "seen")
    register(clipper, "given", input_type="strings")
    clipper.deploy_model("given", 1, predict, "strings", sample_input="warm")
    assert seen() == [["warm"]]
    clipper.link_model_to_app("given", "given")
    assert clipper.predict("given", "a text").output == 1
    assert seen()[1:] == [["a text"]]
