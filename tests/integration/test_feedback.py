"""Feedback by query id over HTTP, on one worker's data path: joined once, and every way in which it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clipper.config import CoreConfig
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.feedback_path import LEARNING, observations, outcomes, refused


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        serving.apply([application(learning=LEARNING)], [model()])
        yield serving


def test_feedback_is_joined_with_what_was_shown(path: DataPath) -> None:
    path.serving(lambda inputs: [one[0] for one in inputs])
    query_id = path.ask({"input": [2.5], "context": "user-17"}).json["query_id"]
    answer = path.update({"query_id": query_id, "label": {"class": [3, "é\n"]}})
    assert (answer.status, answer.json) == (200, {"query_id": query_id, "feedback": "joined"})
    (observation,) = observations(path)
    assert observation.pop("at_us") > 1_700_000_000_000_000
    assert observation == {
        "query_id": query_id,
        "context": "user-17",
        "plan_id": 0,
        "kind": "arms",
        "arms": [{"arm": "m:1", "output": 2.5, "propensity": 1.0, "shown": True}],
        "label": {"class": [3, "é\n"]},
    }


def test_reward_is_joined_as_a_reward(path: DataPath) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    assert path.update({"query_id": query_id, "reward": 0.25}).json["feedback"] == "joined"
    (observation,) = observations(path)
    assert (observation["reward"], "label" in observation) == (0.25, False)


def test_same_feedback_again_is_a_duplicate_and_has_no_effect(path: DataPath) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    path.update({"query_id": query_id, "label": {"b": 1, "a": [2]}})
    answer = path.update(b'{"label":{ "a":[2.0], "b":1e0 },"query_id":%d}' % query_id)
    assert (answer.status, answer.json) == (200, {"query_id": query_id, "feedback": "duplicate"})
    assert len(observations(path)) == 1
    assert outcomes(path) == {"joined": 1, "duplicate": 1}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"label": 1}, {"label": 0}),
        ({"label": 1}, {"label": "1"}),
        ({"label": 1}, {"label": True}),
        ({"label": 1}, {"reward": 1}),
        ({"reward": 0.5}, {"reward": 0.25}),
    ],
)
def test_other_feedback_for_the_same_query_is_refused_and_the_first_stays(
    path: DataPath, first: dict[str, Any], second: dict[str, Any]
) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    path.update({"query_id": query_id, **first})
    cause = refused(path.update({"query_id": query_id, **second}), 409, "contradictory_feedback")
    assert str(query_id) in cause
    assert path.update({"query_id": query_id, **first}).json["feedback"] == "duplicate"
    assert len(observations(path)) == 1


def test_feedback_for_a_query_that_never_was_is_unknown(path: DataPath) -> None:
    cause = refused(path.update({"query_id": 12, "label": 1}), 404, "unknown_query")
    assert "12" in cause
    assert "decision_ttl_s = 3600" in cause
    assert observations(path) == []


def test_feedback_for_a_query_of_another_application_is_unknown(path: DataPath) -> None:
    path.apply([application(learning=LEARNING), application("other", learning=LEARNING)], [model()])
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    refused(path.update({"query_id": query_id, "label": 1}, "other"), 404, "unknown_query")
    assert path.update({"query_id": query_id, "label": 1}).json["feedback"] == "joined"


def test_feedback_that_comes_too_late_is_unknown(path: DataPath) -> None:
    path.apply([application(learning={"decision_ttl_s": 0.000_001})], [model()])
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    refused(path.update({"query_id": query_id, "label": 1}), 404, "unknown_query")


def test_application_without_learning_refuses_feedback_and_remembers_nothing(path: DataPath) -> None:
    path.apply([application()], [model()])
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    cause = refused(path.update({"query_id": query_id, "label": 1}), 409, "feedback_disabled")
    assert "learning=" in cause
    assert path.call(lambda: path.core.processor.decisions.figures())["records"] == 0
    assert outcomes(path) == {"disabled": 1}


def test_decisions_survive_a_snapshot_that_keeps_the_application_learning(path: DataPath) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    path.apply([application(learning=LEARNING, latency_slo_us=30_000_000, max_slo_us=30_000_000)], [model()])
    assert path.update({"query_id": query_id, "label": 1}).json["feedback"] == "joined"


def test_every_input_of_a_batch_has_a_decision_of_its_own(path: DataPath) -> None:
    path.serving(lambda inputs: [one[0] for one in inputs])
    answers = path.ask({"input_batch": [[1.0], [2.0]], "uid": 7}).json["batch_predictions"]
    for answer in reversed(answers):
        path.update({"query_id": answer["query_id"], "label": answer["output"]})
    first, second = observations(path)
    assert [first["arms"][0]["output"], second["arms"][0]["output"]] == [2.0, 1.0]
    assert first["context"] == "7"


def test_query_answered_with_the_default_output_shows_nothing(path: DataPath) -> None:
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    path.update({"query_id": query_id, "label": 1})
    (observation,) = observations(path)
    assert observation["arms"] == [{"arm": "m:1", "propensity": 1.0, "shown": False}]


def test_query_of_an_application_without_models_is_not_remembered(path: DataPath) -> None:
    path.apply([application(models=(), learning=LEARNING)], [])
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    refused(path.update({"query_id": query_id, "label": 1}), 404, "unknown_query")


def test_decision_log_without_a_budget_knows_no_query() -> None:
    with data_path(CoreConfig(decision_log_bytes=0)) as path:
        path.apply([application(learning=LEARNING)], [model()])
        path.serving(lambda inputs: [0] * len(inputs))
        query_id = path.ask({"input": [1.0]}).json["query_id"]
        refused(path.update({"query_id": query_id, "label": 1}), 404, "unknown_query")


def test_oldest_decisions_are_pushed_out_when_the_budget_is_used() -> None:
    with data_path(CoreConfig(decision_log_bytes=2_000)) as path:
        path.apply([application(learning=LEARNING)], [model()])
        path.serving(lambda inputs: [0] * len(inputs))
        answers = path.ask({"input_batch": [[float(i)] for i in range(40)]}).json["batch_predictions"]
        refused(path.update({"query_id": answers[0]["query_id"], "label": 1}), 404, "unknown_query")
        assert path.update({"query_id": answers[-1]["query_id"], "label": 1}).json["feedback"] == "joined"
        assert path.call(lambda: path.core.processor.decisions.figures())["evictions"] > 30
