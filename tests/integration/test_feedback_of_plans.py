"""What is observed of each kind of plan, over HTTP, with puppets for containers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.data_path import DataPath, application, model
from tests.support.feedback_path import LEARNING, learning_pair, observations, set_plan


@pytest.fixture
def pair() -> Iterator[DataPath]:
    """Serve an application that learns over two models, a and b; none of them is served yet."""
    with learning_pair() as serving:
        yield serving


def test_drawn_arm_is_observed_with_its_propensity(pair: DataPath) -> None:
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    pair.serving(lambda inputs: ["b"] * len(inputs), "b")
    set_plan(pair, "arms", ("a", "b"), probabilities=[0.75, 0.25], plan_id=42)
    shown = set()
    for number in range(40):
        answer = pair.ask({"input": [float(number)]}).json
        pair.update({"query_id": answer["query_id"], "label": "a"})
        (observation,) = observations(pair)
        (arm,) = observation["arms"]
        assert (observation["plan_id"], arm["arm"], arm["output"]) == (42, answer["model"], answer["output"])
        assert arm["propensity"] == {"a:1": 0.75, "b:1": 0.25}[arm["arm"]]
        shown.add(arm["arm"])
    assert shown == {"a:1", "b:1"}


def test_members_are_all_observed(pair: DataPath) -> None:
    policy = {"name": "majority", "answer_when_decided": False}
    pair.apply([application(models=("a", "b"), policy=policy, learning=LEARNING)], [model("a"), model("b")])
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    pair.serving(lambda inputs: ["b"] * len(inputs), "b")
    query_id = pair.ask({"input": [1.0]}).json["query_id"]
    pair.update({"query_id": query_id, "label": "b"})
    (observation,) = observations(pair)
    assert (observation["kind"], [arm["output"] for arm in observation["arms"]]) == ("members", ["a", "b"])
    assert all(arm["shown"] and arm["propensity"] == 1.0 for arm in observation["arms"])


def test_member_that_was_not_waited_for_is_observed_and_not_shown(pair: DataPath) -> None:
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    late = pair.ready("b")
    query_id = pair.ask({"input": [1.0]}).json["query_id"]  # the first of two decides
    late.answer(late.take_batch(), ["b"])
    pair.wait_until(lambda: pair.core.cache.resident_entries == 2)
    pair.update({"query_id": query_id, "label": "b"})
    (observation,) = observations(pair)
    assert [(arm["output"], arm["shown"]) for arm in observation["arms"]] == [("a", True), ("b", False)]


def test_feedback_that_is_faster_than_a_member_waits_for_it(pair: DataPath) -> None:
    set_plan(pair, "members", ("a", "b"), observe_all_ratio=1.0)
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    late = pair.ready("b")
    query_id = pair.ask({"input": [1.0]}).json["query_id"]  # the first of two decides
    batch = late.take_batch()
    first = pair.begin_update({"query_id": query_id, "label": "b"})
    again = pair.begin_update({"query_id": query_id, "label": "b"})
    assert observations(pair) == []
    late.answer(batch, ["b"])
    assert {first.response().json["feedback"], again.response().json["feedback"]} == {"joined", "duplicate"}
    (observation,) = observations(pair)
    assert [arm["output"] for arm in observation["arms"]] == ["a", "b"]


def test_feedback_waits_for_a_member_until_its_deadline(pair: DataPath) -> None:
    learning = LEARNING | {"feedback_deadline_us": 20_000}
    pair.apply([application(models=("a", "b"), learning=learning)], [model("a"), model("b")])
    set_plan(pair, "members", ("a", "b"), observe_all_ratio=1.0)
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    late = pair.ready("b")
    query_id = pair.ask({"input": [1.0]}).json["query_id"]
    batch = late.take_batch()
    assert pair.update({"query_id": query_id, "label": "b"}).json["feedback"] == "joined"
    (observation,) = observations(pair)
    assert [arm["output"] for arm in observation["arms"]] == ["a"]
    late.answer(batch, ["b"])


def test_output_of_a_shadow_that_comes_after_the_answer_is_found_in_the_cache(pair: DataPath) -> None:
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    shadow = pair.ready("b")
    set_plan(pair, "arms", ("a",), shadows=("b",))
    first = pair.ask({"input": [1.0]}).json["query_id"]
    pair.update({"query_id": first, "label": "b"})
    shadow.answer(shadow.take_batch(), ["late"])
    second = pair.ask({"input": [2.0]}).json["query_id"]
    shadow.answer(shadow.take_batch(), ["later"])
    pair.wait_until(lambda: pair.core.cache.resident_entries == 4)
    pair.update({"query_id": second, "label": "b"})
    before, after = observations(pair)
    assert [arm["arm"] for arm in before["arms"]] == ["a:1"]
    assert after["arms"] == [
        {"arm": "a:1", "output": "a", "propensity": 1.0, "shown": True},
        {"arm": "b:1", "output": "later", "propensity": 1.0, "shown": False},
    ]


def test_cascade_shows_the_stage_that_answered(pair: DataPath) -> None:
    pair.serving(lambda inputs: [{"label": "x", "confidence": 0.2}] * len(inputs), "a")
    pair.serving(lambda inputs: [{"label": "y", "confidence": 0.9}] * len(inputs), "b")
    set_plan(pair, "cascade", ("a", "b"), thresholds=[0.5])
    query_id = pair.ask({"input": [1.0]}).json["query_id"]
    pair.update({"query_id": query_id, "label": "y"})
    (observation,) = observations(pair)
    assert [(arm["arm"], arm["shown"]) for arm in observation["arms"]] == [("a:1", False), ("b:1", True)]
    assert observation["kind"] == "cascade"


def test_features_are_observed_with_the_propensity_that_select_gave(pair: DataPath) -> None:
    pair.serving(lambda inputs: ["b"] * len(inputs), "b")
    set_plan(pair, "features", ("a", "b"), select=lambda rows, count: ([1] * count, [0.625] * count))
    query_id = pair.ask({"input": [0.5, -2.0]}).json["query_id"]
    pair.update({"query_id": query_id, "label": "b"})
    (observation,) = observations(pair)
    assert observation["features"] == [0.5, -2.0]
    assert observation["arms"] == [{"arm": "b:1", "output": "b", "propensity": 0.625, "shown": True}]
