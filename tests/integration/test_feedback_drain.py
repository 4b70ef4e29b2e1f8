"""What leaves the worker: decision files, samples of outputs, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.data_path import DataPath, application, data_path, model
from tests.support.feedback_path import LEARNING, learning_pair, look, set_plan
from tests.support.http_responses import get


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        serving.apply([application(learning=LEARNING)], [model()])
        yield serving


@pytest.fixture
def pair() -> Iterator[DataPath]:
    """Serve an application that learns over two models, a and b; none of them is served yet."""
    with learning_pair() as serving:
        yield serving


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
