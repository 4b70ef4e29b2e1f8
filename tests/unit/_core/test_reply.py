"""The JSON of answers: keys and their order, what is cut, what is escaped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.gather_probe import render_default, render_error, render_prediction, text_of_miss
from clipper.metrics.names import REASONS

QUERY_IDS = st.integers(0, 2**64 - 1)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def escaped(text: str) -> bytes:
    """As a model's label or an explanation is kept: a JSON string without its quotes."""
    return as_json(text)[1:-1]


@given(QUERY_IDS, JSON_VALUES, st.text(), st.integers(1, 64), st.data())
def test_prediction_reads_back_as_what_went_in(
    query_id: int, output: Any, label: str, members: int, data: st.DataObject
) -> None:
    votes = data.draw(st.integers(1, members))
    missing = data.draw(st.lists(st.text(), max_size=members - votes))
    rendered = render_prediction(
        query_id, as_json(output), escaped(label), votes / members, [escaped(text) for text in missing]
    )
    answer = json.loads(rendered)
    assert list(answer) == ["query_id", "output", "default", "model", "confidence"] + ["missing"] * bool(missing)
    assert (answer["query_id"], answer["output"], answer["default"]) == (query_id, output, False)
    assert answer["model"] == label
    assert answer["confidence"] == pytest.approx(votes / members, abs=0.000_05)
    assert answer.get("missing", []) == missing


@pytest.mark.parametrize(
    ("confidence", "shown"),
    [(1.0, "1.0"), (0.5, "0.5"), (1 / 3, "0.3333"), (2 / 3, "0.6667"), (0.25, "0.25"), (0.0, "0.0")],
)
def test_confidence_has_four_decimals_at_most_and_one_at_least(confidence: float, shown: str) -> None:
    rendered = render_prediction(1, b"2", b"m:1", confidence)
    assert rendered == b'{"query_id":1,"output":2,"default":false,"model":"m:1","confidence":%s}' % shown.encode()


def test_missing_models_stand_last_in_link_order() -> None:
    rendered = render_prediction(7, b'"x"', b"a:1+b:1+c:1", 1 / 3, [b"b:1", b"c:1"])
    assert rendered.endswith(b'"confidence":0.3333,"missing":["b:1","c:1"]}')


@given(QUERY_IDS, JSON_VALUES, st.text(), st.none() | st.text())
def test_default_reads_back_with_the_cause_behind_the_explanation(
    query_id: int, output: Any, explanation: str, cause: str | None
) -> None:
    words = None if cause is None else as_json(cause)
    rendered = render_default(query_id, as_json(output), escaped(explanation), words)
    told = f"{explanation}: {cause}" if cause else explanation
    answer = json.loads(rendered)
    assert answer == {"query_id": query_id, "output": output, "default": True, "default_explanation": told}
    assert list(answer) == ["query_id", "output", "default", "default_explanation"]


@given(QUERY_IDS, st.booleans(), st.text(), st.none() | st.text())
def test_error_reads_back_and_names_its_query_in_a_batch_alone(
    query_id: int, in_batch: bool, cause: str, detail: str | None
) -> None:
    rendered = render_error(
        query_id, in_batch, b"model_error", escaped(cause), None if detail is None else as_json(detail)
    )
    answer = json.loads(rendered)
    assert list(answer) == ["query_id"] * in_batch + ["error", "cause"]
    assert answer["cause"] == (f"{cause}: {detail}" if detail else cause)
    assert answer.get("query_id", query_id) == query_id


def test_every_reason_for_a_miss_has_a_status_a_code_and_a_text() -> None:
    told = {reason: text_of_miss(reason) for reason in REASONS}
    assert {reason: (status, code) for reason, (status, code, _) in told.items()} == {
        "deadline": (504, b"deadline_passed"),
        "refused": (503, b"overloaded"),
        "unavailable": (503, b"no_replica"),
        "model_error": (502, b"model_error"),
        "low_confidence": (502, b"low_confidence"),
    }
    too_late = text_of_miss("refused", is_too_late=True)
    assert too_late[:2] == told["refused"][:2] and too_late[2] != told["refused"][2]
    for _, _, explanation in [*told.values(), too_late]:
        assert json.loads(b'"%s"' % explanation), "it stands in a JSON string as it is"
