"""Several models behind one application: what their outputs become, and what is said when some are missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.support.data_path import DataPath, application, data_path, model
from tests.support.puppet_container import PuppetContainer

MODELS = ("a", "b", "c")


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


def link(path: DataPath, policy: str, *, waits: bool = True, **changes: Any) -> list[PuppetContainer]:
    described = {"name": policy} | ({"answer_when_decided": False} if waits and policy == "majority" else {})
    path.apply([application(models=MODELS, policy=described, **changes)], [model(name) for name in MODELS])
    return [path.ready(name) for name in MODELS]


def combine(
    path: DataPath, puppets: Sequence[PuppetContainer], outputs: Sequence[Any], slo_us: int = 10_000_000
) -> Any:
    """Ask; each puppet answers with its output, fails on an exception, and stays silent on None."""
    pending = path.begin({"input": [0.0], "slo_us": slo_us})
    for puppet, output in zip(puppets, outputs, strict=True):
        batch = puppet.take_batch()
        if isinstance(output, Exception):
            puppet.fail(batch, str(output).encode())
        elif output is not None:
            puppet.answer(batch, [output])
    return pending.response()


@pytest.mark.parametrize(
    ("outputs", "winner", "confidence"),
    [
        ([1, 1, 1], 1, 1.0),
        ([1, 2, 2], 2, 0.6667),
        ([3, 2, 1], 3, 0.3333),  # a tie goes to the model linked first
        (["x", "y", "y"], "y", 0.6667),
        ([{"k": [1]}, {"k": [1]}, {}], {"k": [1]}, 0.6667),
        ([RuntimeError("down"), 5, 5], 5, 0.6667),  # who is missing counts against the answer
        ([RuntimeError("down"), 5, 4], 5, 0.3333),
        ([RuntimeError("down"), RuntimeError("down"), 4], 4, 0.3333),
    ],
)
def test_majority_answers_with_the_most_common_output(
    path: DataPath, outputs: list[Any], winner: Any, confidence: float
) -> None:
    answer = combine(path, link(path, "majority"), outputs).json
    assert (answer["output"], answer["default"], answer["confidence"]) == (winner, False, confidence)
    assert answer["model"] == "a:1+b:1+c:1"


@pytest.mark.parametrize(
    ("outputs", "mean"),
    [
        ([1, 2, 6], 3.0),
        ([1.5, 1.5, 1.5], 1.5),
        ([[1, 10], [2, 20], [3, 30]], [2.0, 20.0]),
        ([[], [], []], []),
        ([1.7e308, 1.7e308, 1.7e308], 1.7e308),  # the sum is no double, the mean is
        ([-1.7e308, 1.7e308, 0], 0.0),
        ([RuntimeError("down"), 2, 4], 3.0),
    ],
)
def test_mean_is_taken_element_by_element_over_who_answered(path: DataPath, outputs: list[Any], mean: Any) -> None:
    answer = combine(path, link(path, "mean"), outputs).json
    assert answer["output"] == mean
    assert answer["confidence"] == (1.0 if not isinstance(outputs[0], Exception) else 0.6667)


@pytest.mark.parametrize(
    "outputs",
    [["x", 1, 2], [True, 1, 2], [None, 1, 2], [[1], 1, 2], [[1], [1, 2], [1]], [[[1]], [[1]], [[1]]], [{}, 1, 1]],
)
def test_mean_of_what_is_no_number_is_a_model_error(path: DataPath, outputs: list[Any]) -> None:
    puppets = link(path, "mean", on_miss="error")
    pending = path.begin({"input": [0.0]})
    for puppet, output in zip(puppets, outputs, strict=True):
        puppet.answer(puppet.take_batch(), [output])
    answer = pending.response()
    assert (answer.status, answer.error) == (502, "model_error")
    assert "combine rule mean" in answer.json["cause"]


def test_ensemble_of_which_nobody_answers_tells_the_gravest_reason(path: DataPath) -> None:
    puppets = link(path, "majority", on_miss="error")
    answer = combine(path, puppets, [None, ValueError("bad weights"), None], slo_us=100_000)
    assert (answer.status, answer.error) == (502, "model_error")
    assert answer.json["cause"] == "The model raised an error: bad weights"
    answer = combine(path, puppets[1:2], [None], slo_us=100_000)
    assert (answer.status, answer.error) == (504, "deadline_passed")


def test_member_without_a_replica_is_missed_by_nobody_else(path: DataPath) -> None:
    policy = {"name": "majority", "answer_when_decided": False}
    path.apply([application(models=MODELS, policy=policy)], [model(name) for name in MODELS])
    puppets = [path.ready(name) for name in MODELS[1:]]
    answer = combine(path, puppets, [7, 7]).json
    assert (answer["output"], answer["confidence"], answer["missing"]) == (7, 0.6667, ["a:1"])


def test_several_models_without_a_policy_named_vote(path: DataPath) -> None:
    path.apply([application(models=MODELS)], [model(name) for name in MODELS])
    answer = combine(path, [path.ready(name) for name in MODELS], [1, 2, 2]).json
    assert answer["output"] == 2


def test_static_policy_asks_the_model_linked_first_alone(path: DataPath) -> None:
    first, *others = link(path, "static")
    assert combine(path, [first], ["only"]).json["model"] == "a:1"
    assert not any(puppet.has_batch() for puppet in others)


def test_identical_queries_of_one_batch_share_every_members_task(path: DataPath) -> None:
    puppets = link(path, "majority")
    pending = path.begin({"input_batch": [[1.0], [1.0], [1.0]]})
    for puppet in puppets:
        batch = puppet.take_batch()
        assert batch.inputs == [[1.0]]
        puppet.answer(batch, ["same"])
    assert [part["output"] for part in pending.response().json["batch_predictions"]] == ["same"] * 3


def test_large_ensemble_is_combined_in_full(path: DataPath) -> None:
    names = [f"m{number}" for number in range(12)]
    path.apply([application(models=names, policy={"name": "mean"})], [model(name) for name in names])
    puppets = [path.ready(name) for name in names]
    answer = combine(path, puppets, list(range(12))).json
    assert (answer["output"], answer["confidence"]) == (5.5, 1.0)
    assert answer["model"] == "+".join(f"{name}:1" for name in names)


def test_name_of_a_model_is_escaped_in_the_answer(path: DataPath) -> None:
    name = 'he"llo\\'
    path.apply([application(models=(name,))], [model(name)])
    answer = combine(path, [path.ready(name)], [1])
    assert json.loads(answer.body)["model"] == f"{name}:1"


def test_name_of_a_missing_model_is_escaped_in_the_answer(path: DataPath) -> None:
    names = ("first", 'he"llo\\')
    path.apply([application(models=names)], [model(name) for name in names])
    answer = combine(path, [path.ready("first")], [1])
    assert json.loads(answer.body)["missing"] == [f"{names[1]}:1"]
