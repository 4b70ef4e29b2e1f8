"""Feedback from Python: what goes over the wire, what comes back, and what is refused before it goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from clipper import (
    Clipper,
    ContradictoryFeedbackError,
    Feedback,
    FeedbackDisabledError,
    InvalidArgumentError,
    NotFoundError,
    Prediction,
    UnknownQueryError,
)
from tests.support.canned_learning import canned_learning
from tests.support.canned_server import CannedServer


@pytest.fixture(scope="module")
def server() -> Iterator[CannedServer]:
    with canned_learning() as server:
        yield server


@pytest.fixture
def clipper(server: CannedServer) -> Iterator[Clipper]:
    with Clipper.connect(server.url) as clipper:
        yield clipper


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"query_id": 1, "label": 7}, {"query_id": 1, "label": 7}),
        ({"query_id": np.int64(1), "label": np.float32(0.5)}, {"query_id": 1, "label": 0.5}),
        ({"query_id": Prediction(1, 7, False), "label": {"class": "cat"}}, {"query_id": 1, "label": {"class": "cat"}}),
        ({"query_id": 1, "label": False}, {"query_id": 1, "label": False}),
        ({"query_id": 1, "reward": 0}, {"query_id": 1, "reward": 0.0}),
        ({"query_id": 1, "reward": np.float64(1)}, {"query_id": 1, "reward": 1.0}),
        ({"input": np.arange(2.0), "label": [1, 2]}, {"input": [0.0, 1.0], "label": [1, 2]}),
        ({"input": b"\x00\x01", "label": "a", "context": "ann"}, {"input": "AAE=", "label": "a", "context": "ann"}),
    ],
)
def test_feedback_goes_out_as_the_query_api_takes_it(
    clipper: Clipper, server: CannedServer, arguments: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert clipper.feedback("digits", **arguments).outcome == "joined"
    assert server.asked[-1].path == "/digits/update"
    assert json.loads(server.asked[-1].body) == sent


def test_answer_tells_what_became_of_it(clipper: Clipper) -> None:
    assert clipper.feedback("digits", 1, label=7) == Feedback("joined", 1)
    assert clipper.feedback("digits", 2, label=7) == Feedback("duplicate", 2)
    by_input = clipper.feedback("digits", input=[1.0], label=7)
    assert by_input == Feedback("joined", None, evaluated=1, cached=1, missing=("tree:1",))


@pytest.mark.parametrize(
    ("query_id", "kind"),
    [(3, UnknownQueryError), (4, ContradictoryFeedbackError), (5, FeedbackDisabledError)],
)
def test_each_defined_refusal_has_a_class_of_its_own(clipper: Clipper, query_id: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        clipper.feedback("digits", query_id, label=7)
    assert type(caught.value) is kind


def test_application_that_is_not_there_is_named(clipper: Clipper) -> None:
    with pytest.raises(NotFoundError, match="there is no application 'nobody'") as caught:
        clipper.feedback("nobody", 1, label=7)
    assert not isinstance(caught.value, UnknownQueryError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"label": 7}, "neither query_id nor input"),
        ({"query_id": 1, "input": [1.0], "label": 7}, "both query_id and input"),
        ({"query_id": 1}, "neither label nor reward"),
        ({"query_id": 1, "label": 7, "reward": 1}, "both label and reward"),
        ({"input": [1.0], "reward": 1}, "goes with query_id="),
        ({"query_id": 1, "label": 7, "context": "ann"}, "leave it out"),
        ({"query_id": -1, "label": 7}, "query_id=-1"),
        ({"query_id": 2**53, "label": 7}, "query_id=9007199254740992"),
        ({"query_id": 1.5, "label": 7}, "query_id=1.5"),
        ({"query_id": 1, "label": float("nan")}, "label=nan"),
        ({"query_id": 1, "label": np.array([1.0, np.inf])}, "label=array"),
        ({"query_id": 1, "label": object()}, "label=<object"),
        ({"query_id": 1, "reward": 1.01}, "reward=1.01"),
        ({"query_id": 1, "reward": -0.01}, "reward=-0.01"),
        ({"query_id": 1, "reward": float("nan")}, "reward=nan"),
        ({"query_id": 1, "reward": True}, "reward=True"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_goes_out(
    clipper: Clipper, server: CannedServer, arguments: dict[str, Any], said: str
) -> None:
    sent = len(server.asked)
    with pytest.raises(InvalidArgumentError) as caught:
        clipper.feedback("digits", **arguments)
    assert said in str(caught.value)
    assert len(server.asked) == sent
