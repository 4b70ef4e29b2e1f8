"""Answers of the query API in their typed form."""

from __future__ import annotations

import pytest

from clipper.errors import ModelError, UnavailableError
from clipper.management.prediction import to_predictions

ANSWER = {"query_id": 16, "output": 7, "default": False, "model": "digits:1", "confidence": 1.0}


def test_batch_of_answers_keeps_its_order() -> None:
    second = {**ANSWER, "query_id": 32, "output": 3}
    assert [prediction.output for prediction in to_predictions([ANSWER, second])] == [7, 3]
    assert to_predictions([]) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("model_error", ModelError),
        ("deadline_passed", UnavailableError),
        ("overloaded", UnavailableError),
        ("no_replica", UnavailableError),
    ],
)
def test_error_within_a_batch_is_raised_with_the_number_of_its_input(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"input 1: {code}: why"):
        to_predictions([ANSWER, {"error": code, "cause": "why"}])
