"""Feedback by input over HTTP: what the cache lacks is evaluated, and what does not come is named."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from tests.support.data_path import DataPath, application, data_path, model
from tests.support.feedback_path import LEARNING, learning_pair, observations, refused, set_plan
from tests.support.http_responses import post


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
