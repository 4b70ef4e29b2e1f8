"""Feedback over HTTP on one worker's data path: joined by id and by input, and every way in which it is not."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clipper._core.plan import Plan
from clipper.config import CoreConfig
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.http_responses import Response, get, post

LEARNING: dict[str, Any] = {"decision_ttl_s": 3600, "feedback_deadline_us": 5_000_000}


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        serving.apply([application(learning=LEARNING)], [model()])
        yield serving


@pytest.fixture
def pair() -> Iterator[DataPath]:
    """Serve an application that learns over two models, a and b; none of them is served yet."""
    with data_path() as serving:
        serving.apply([application(models=("a", "b"), learning=LEARNING)], [model("a"), model("b")])
        yield serving


def observations(path: DataPath) -> list[dict[str, Any]]:
    """Return what was joined, as management would get it, since the last call."""

    def send() -> list[dict[str, Any]]:
        path.channel.is_connected = True
        path.learning.observations._send()
        path.channel.is_connected = False
        return [item for message in path.channel.take("observations") for item in message["items"]]

    return list(path.call(send))


def outcomes(path: DataPath, app: str = "app") -> dict[str, int]:
    return {outcome: n for (name, outcome), n in path.learning.feedback.outcomes.items() if name == app}


def refused(answer: Response, status: int, code: str) -> str:
    assert (answer.status, answer.json["error"]) == (status, code)
    return str(answer.json["cause"])


# -- by query id ---------------------------------------------------------------------------------------------------


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


# -- plans of every kind -------------------------------------------------------------------------------------------


def set_plan(path: DataPath, kind: Any, names: tuple[str, ...], **options: Any) -> None:
    """Put a plan in force, over models by name; `shadows` are names, too."""

    def swap() -> None:
        models = {one.name: one for one in path.snapshots.models.values()}
        options["shadows"] = [models[name] for name in options.get("shadows", ())]
        path.snapshots.applications["app"].set_plan(Plan(kind, [models[name] for name in names], **options))

    path.call(swap)


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


# -- by input --------------------------------------------------------------------------------------------------------


def test_feedback_by_input_evaluates_only_what_the_cache_lacks(pair: DataPath) -> None:
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    pair.serving(lambda inputs: ["b"] * len(inputs), "b")
    set_plan(pair, "arms", ("a",))
    pair.ask({"input": [1.0]})
    answer = pair.update({"input": [1.0], "label": "b", "context": "user-17"})
    assert (answer.status, answer.json) == (200, {"feedback": "joined", "evaluated": 1, "cached": 1, "missing": []})
    again = pair.update({"input": [1.0], "label": "b"})
    assert again.json == {"feedback": "joined", "evaluated": 0, "cached": 2, "missing": []}
    first, second = observations(pair)
    assert (first["query_id"], first["context"], first["kind"]) == (None, "user-17", "input")
    assert first["arms"] == [
        {"arm": "a:1", "output": "a", "propensity": 1.0, "shown": False},
        {"arm": "b:1", "output": "b", "propensity": 1.0, "shown": False},
    ]
    assert second["context"] is None
    figures = pair.application_figures()
    assert figures["queries"] == 1, "feedback is no query"


def test_feedback_by_input_names_the_models_that_gave_nothing(pair: DataPath) -> None:
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    answer = pair.update({"input": [1.0], "label": "a"})
    assert answer.json == {"feedback": "joined", "evaluated": 1, "cached": 0, "missing": ["b:1"]}
    assert [arm["arm"] for arm in observations(pair)[0]["arms"]] == ["a:1"]


def test_feedback_by_input_is_answered_at_its_deadline(pair: DataPath) -> None:
    learning = LEARNING | {"feedback_deadline_us": 20_000}
    pair.apply([application(models=("a", "b"), learning=learning)], [model("a"), model("b")])
    pair.serving(lambda inputs: ["a"] * len(inputs), "a")
    stuck = pair.ready("b")
    answer = pair.update({"input": [1.0], "label": "a"})
    assert answer.json == {"feedback": "joined", "evaluated": 1, "cached": 0, "missing": ["b:1"]}
    stuck.answer(stuck.take_batch(), ["late"])


def test_feedback_by_input_that_no_model_can_evaluate_may_be_sent_again(pair: DataPath) -> None:
    answer = pair.update({"input": [1.0], "label": "a"})
    cause = refused(answer, 503, "no_outputs")
    assert "a:1, b:1" in cause
    assert answer.headers["retry-after"] == "1"
    assert observations(pair) == []


def test_feedback_by_input_without_a_linked_model_says_so(path: DataPath) -> None:
    path.apply([application(models=(), learning=LEARNING)], [])
    assert "no model is linked" in refused(path.update({"input": [1.0], "label": 1}), 503, "no_outputs")


def test_feedback_by_input_of_a_client_that_left_still_counts(pair: DataPath) -> None:
    puppet = pair.ready("a")
    pending = pair.send(post(b'{"input":[1.0],"label":"a"}', path=b"/app/update"))
    batch = puppet.take_batch()
    pending.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pending.client.close()  # with a reset: after a plain end of its side a client may still wait
    pair.wait_until(lambda: pair.core.server.open_connections == 0)
    puppet.answer(batch, ["a"])
    pair.wait_until(lambda: pair.learning.observations.unacknowledged == 1)


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json_error"),
        (b"{", "json_error"),
        (b"[1]", "wrong_type"),
        (b'{"query_id":1,"label":NaN}', "json_error"),
        (b'{"query_id":1,"label":-Infinity}', "json_error"),
        (b'{"query_id":1,"label":[1e999]}', "out_of_range"),
        (b'{"query_id":1,"label":' + b"9" * 5_000 + b"}", "out_of_range"),
        (b'{"query_id":1,"label":null}', "wrong_type"),
        (b'{"query_id":1,"label":"' + b"x" * 65_535 + b'"}', "too_long"),
        (b'{"query_id":1,"label":' + b"[" * 300 + b"]" * 300 + b"}", "too_deep"),
        (b'{"query_id":1,"label":"\xff"}', "bad_encoding"),
        (b'{"query_id":1,"reward":1.5}', "out_of_range"),
        (b'{"query_id":1,"reward":-0.1}', "out_of_range"),
        (b'{"query_id":1,"reward":"1"}', "wrong_type"),
        (b'{"query_id":1,"reward":true}', "wrong_type"),
        (b'{"query_id":1}', "missing_feedback"),
        (b'{"label":1}', "missing_query"),
        (b'{"query_id":1,"label":1,"reward":1}', "ambiguous_feedback"),
        (b'{"query_id":1,"input":[1],"label":1}', "ambiguous_query"),
        (b'{"input":[1],"reward":1}', "label_required"),
        (b'{"input_batch":[[1]],"label":1}', "no_batch_form"),
        (b'{"query_id":1,"query_id":1,"label":1}', "duplicate_key"),
        (b'{"query_id":1.0,"label":1}', "wrong_type"),
        (b'{"query_id":"1","label":1}', "wrong_type"),
        (b'{"query_id":-1,"label":1}', "out_of_range"),
        (b'{"query_id":9007199254740992,"label":1}', "out_of_range"),
        (b'{"input":"text","label":1}', "wrong_type"),
        (b'{"input":[1],"label":1,"context":[]}', "wrong_type"),
    ],
)
def test_bad_feedback_is_refused_with_its_cause(path: DataPath, body: bytes, code: str) -> None:
    assert refused(path.update(body), 400, code)
    assert outcomes(path) == {"bad_request": 1}
    assert observations(path) == []


def test_label_of_the_longest_kind_is_accepted(path: DataPath) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    assert path.update({"query_id": query_id, "label": "x" * 65_534}).status == 200


def test_update_path_takes_post_with_a_body_alone(path: DataPath) -> None:
    with path.send(get(b"/app/update", b"Connection: close")).client as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 405 ")
    bare = path.send(b"POST /app/update HTTP/1.1\r\nHost: x\r\n\r\n").response()
    assert (bare.status, bare.json["error"]) == (411, "length_required")


# -- what leaves the worker --------------------------------------------------------------------------------------------


def look(path: DataPath, later_us: int = 0) -> None:
    """Look at the decisions once, as the worker does many times a second, and wait for the disk."""

    def run() -> None:
        path.channel.is_connected = True
        path.learning.drain.look(time.monotonic_ns() // 1_000 + later_us, time.time_ns() // 1_000)
        path.channel.is_connected = False

    path.call(run)
    assert path.learning.files.flush()


def test_decisions_and_feedback_are_filed_where_the_application_asks_for_it(pair: DataPath) -> None:
    learning = LEARNING | {"log_decisions": True}
    pair.apply(
        [application(models=("a", "b"), learning=learning), application("quiet", ("a",), learning=LEARNING)],
        [model("a"), model("b")],
    )
    pair.serving(lambda inputs: [{"x": "a"}] * len(inputs), "a")
    shadow = pair.ready("b")
    set_plan(pair, "arms", ("a",), shadows=("b",), plan_id=3)
    query_id = pair.ask({"input": [1.0], "context": "u"}).json["query_id"]
    pair.ask({"input": [1.0]}, "quiet")
    shadow.answer(shadow.take_batch(), ["b"])
    pair.wait_until(lambda: pair.core.cache.resident_entries >= 2)
    pair.update({"query_id": query_id, "label": "b"})
    pair.update({"query_id": query_id, "label": "other"})
    look(pair)
    directory = pair.run_dir / "decisions"
    assert [file.name for file in directory.iterdir()] == ["app.jsonl"]
    decision, feedback = [json.loads(line) for line in (directory / "app.jsonl").read_text().splitlines()]
    assert decision.pop("at_us") > 0
    assert decision == {
        "type": "decision",
        "query_id": query_id,
        "application": "app",
        "policy": "majority",
        "context": "u",
        "plan_id": 3,
        "kind": "arms",
        "arms": ["a:1"],
        "probabilities": [1.0],
        "chosen": "a:1",
        "propensity": 1.0,
        "output": {"x": "a"},
        "shadows": [],
    }
    assert feedback.pop("at_us") > 0
    assert feedback == {"type": "feedback", "query_id": query_id, "label": "b", "outputs": {"b:1": "b"}}


def test_outputs_are_sampled_for_monitoring(path: DataPath) -> None:
    path.serving(lambda inputs: [one[0] for one in inputs])
    path.ask({"input_batch": [[float(i)] for i in range(300)]})
    look(path)
    (message,) = path.channel.take("outputs")
    assert message["application"] == "app"
    sample = message["samples"]["m:1"]
    assert len(sample) == 200
    assert len(set(sample)) == 200
    assert set(sample) <= {float(i) for i in range(300)}
    path.ask({"input": [1.0]})
    look(path)
    assert path.channel.take("outputs") == [], "one sample a second"
    look(path, 2_000_000)
    assert [m["samples"] for m in path.channel.take("outputs")] == [{"m:1": [1.0]}]


def test_page_of_metrics_counts_feedback(path: DataPath) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    query_id = path.ask({"input": [1.0]}).json["query_id"]
    path.update({"query_id": query_id, "label": 1})
    path.update({"query_id": 1, "label": 1})
    page = path.exchange(get(b"/metrics", b"Connection: close")).decode()
    for line in (
        'clipper_feedback_total{application="app",outcome="joined"} 1.0',
        'clipper_feedback_total{application="app",outcome="unknown"} 1.0',
        'clipper_feedback_total{application="app",outcome="contradictory"} 0.0',
        'clipper_observations_waiting{application="app"} 1.0',
        'clipper_observations_lost_total{application="app"} 0.0',
        'clipper_decisions_total{application="app"} 1.0',
        "clipper_decision_log_records 1.0",
        "clipper_decision_log_budget_bytes 6.7108864e+07",
    ):
        assert f"\n{line}\n" in page
