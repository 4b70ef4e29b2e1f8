"""Cascades over HTTP: the next stage is asked when the last one is not sure, and never at the cost of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.support.data_path import DataPath, data_path
from tests.support.planned import MODELS, link, plan_document, send_plans, set_plan
from tests.support.puppet_container import PuppetContainer

SOON_US = 80_000  # an objective that is reached
CASCADE = plan_document(1, "cascade", thresholds=[0.9, 0.6])


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


def sure(label: str, confidence: float) -> dict[str, Any]:
    return {"label": label, "confidence": confidence}


def give(puppet: PuppetContainer, output: Any) -> None:
    puppet.answer(puppet.take_batch(), [output])


def nobody_asked(puppets: Sequence[PuppetContainer]) -> bool:
    return not any(puppet.has_batch() for puppet in puppets)


def test_first_stage_that_is_sure_answers_alone(path: DataPath) -> None:
    a, b, c = link(path, CASCADE)
    pending = path.begin({"input": [1.0]})
    give(a, sure("cat", 0.9))
    answer = pending.response().json
    assert (answer["output"], answer["model"], answer["confidence"]) == (sure("cat", 0.9), "a:1", 0.9)
    assert "missing" not in answer
    assert nobody_asked([b, c])
    assert path.application_figures()["predictions"]["complete"] == 1


def test_input_reaches_the_next_stage_whole_when_the_one_before_is_unsure(path: DataPath) -> None:
    a, b, c = link(path, CASCADE)
    pending = path.begin({"input": [1.5, -2.0, 3e300]})
    give(a, [0.2, 0.89])
    batch = b.take_batch()
    assert batch.inputs == [[1.5, -2.0, 3e300]]
    assert not pending.is_answered()
    b.answer(batch, [[0.4, 0.6]])
    answer = pending.response().json
    assert (answer["output"], answer["model"], answer["confidence"]) == ([0.4, 0.6], "b:1", 0.6)
    assert nobody_asked([c])


def test_last_stage_answers_however_unsure_it_is(path: DataPath) -> None:
    puppets = link(path, CASCADE)
    pending = path.begin({"input": [1.0]})
    for puppet, confidence in zip(puppets, [0.1, 0.2, 0.05], strict=True):
        give(puppet, sure("cat", confidence))
    answer = pending.response().json
    assert (answer["model"], answer["confidence"]) == ("c:1", 0.05)
    assert path.application_figures()["predictions"]["complete"] == 1


def test_output_that_does_not_say_how_sure_it_is_goes_on(path: DataPath) -> None:
    puppets = link(path, CASCADE)
    pending = path.begin({"input": [1.0]})
    for puppet in puppets:
        give(puppet, "cat")
    answer = pending.response().json
    assert (answer["model"], answer["confidence"]) == ("c:1", 1.0)


@pytest.mark.parametrize("failing", range(3))
def test_stage_that_fails_leaves_the_query_to_the_others(path: DataPath, failing: int) -> None:
    puppets = link(path, CASCADE)
    pending = path.begin({"input": [1.0]})
    for index, puppet in enumerate(puppets):
        if index == failing:
            puppet.fail(puppet.take_batch(), b"down")
        else:
            give(puppet, sure(MODELS[index], 0.5))
    answer = pending.response().json
    shown = 1 if failing == 2 else 2
    assert (answer["output"], answer["model"]) == (sure(MODELS[shown], 0.5), f"{MODELS[shown]}:1")
    assert answer.get("missing") == (["c:1"] if failing == 2 else None)
    kinds = path.application_figures()["predictions"]
    assert kinds["partial" if failing == 2 else "complete"] == 1


def test_cascade_of_which_all_stages_fail_is_a_miss(path: DataPath) -> None:
    puppets = link(path, CASCADE, on_miss="error")
    pending = path.begin({"input": [1.0]})
    for puppet in puppets:
        puppet.fail(puppet.take_batch(), b"down")
    assert pending.response().error == "model_error"


def test_deadline_is_met_with_the_last_output_there_is(path: DataPath) -> None:
    a, b, _ = link(path, CASCADE)
    pending = path.begin({"input": [1.0], "slo_us": SOON_US})
    give(a, sure("cat", 0.3))
    straggling = b.take_batch()
    answer = pending.response().json
    assert (answer["model"], answer["confidence"], answer["missing"]) == ("a:1", 0.3, ["b:1"])
    assert path.application_figures()["predictions"]["partial"] == 1
    b.answer(straggling, ["late"])
    path.wait_until(lambda: path.core.slots.in_use == 0)


def test_stage_without_a_replica_is_passed_over(path: DataPath) -> None:
    a, b, c = link(path, CASCADE)
    path.gone("b:1:0")
    path.wait_until(lambda: path.state_of("b:1:0") == "closed")
    pending = path.begin({"input": [1.0]})
    give(a, sure("cat", 0.3))
    give(c, sure("dog", 0.3))
    assert pending.response().json["model"] == "c:1"
    del b


def test_stages_that_the_cache_knows_are_not_asked_again(path: DataPath) -> None:
    a, b, c = link(path, CASCADE)
    for _ in range(2):
        pending = path.begin({"input": [1.0]})
        if _ == 0:
            give(a, sure("cat", 0.3))
            give(b, sure("cat", 0.8))
        assert pending.response().json["model"] == "b:1"
    assert nobody_asked([a, b, c])


def test_queries_that_share_a_stages_task_go_on_each_by_its_own_plan(path: DataPath) -> None:
    a, b, c = link(path, CASCADE)
    first = path.begin({"input": [1.0]})
    batch = a.take_batch()
    send_plans(path, (None, plan_document(2, "cascade", ["a", "c"], thresholds=[0.9])))
    second = path.begin({"input": [1.0]})
    path.wait_until(lambda: path.core.cache.joins == 1)
    a.answer(batch, [sure("cat", 0.3)])
    give(b, sure("of b", 0.7))
    give(c, sure("of c", 0.7))
    assert first.response().json["model"] == "b:1"
    assert second.response().json["model"] == "c:1"


def test_batch_of_queries_is_answered_in_order_whatever_stage_each_ends_at(path: DataPath) -> None:
    a, b, _ = link(path, CASCADE)
    pending = path.begin({"input_batch": [[0.0], [1.0], [2.0]]})
    a.answer(a.take_batch(), [sure("zero", 1.0), sure("?", 0.0), sure("two", 0.95)])
    batch = b.take_batch()
    assert batch.inputs == [[1.0]]
    b.answer(batch, [sure("one", 0.7)])
    told = [part["output"]["label"] for part in pending.response().json["batch_predictions"]]
    assert told == ["zero", "one", "two"]


def test_answer_of_a_cascade_below_the_least_confidence_is_the_default_output(path: DataPath) -> None:
    a, *_ = link(path)
    set_plan(path, "cascade", ["a"], thresholds=[], min_confidence=0.5)
    pending = path.begin({"input": [1.0]})
    give(a, sure("cat", 0.4))
    answer = pending.response().json
    assert answer["default"] is True
    assert "0.4, expected at least 0.5" in answer["default_explanation"]
