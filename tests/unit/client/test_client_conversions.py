"""Between Python and the query API's JSON; and from an error answer to its class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from clipper import errors
from clipper.client.http_client import _to_error
from clipper.client.prediction import Prediction, to_json, to_plain, to_prediction, to_rows


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.array([1, 2]), [1, 2]), (np.float32(0.5), 0.5), (b"\xff", "/w=="), ("text", "text"), ([1.5], [1.5])],
)
def test_input_becomes_plain_json(value: object, expected: object) -> None:
    assert to_json(value) == expected


def test_numbers_of_numpy_within_a_list_are_numbers_and_other_objects_are_told() -> None:
    assert json.dumps([np.int64(1), np.float32(0.5), np.array([2])], default=to_plain) == "[1, 0.5, [2]]"
    with pytest.raises(TypeError, match="is a set"):
        json.dumps([{1}], default=to_plain)


def test_table_gives_its_rows_and_anything_else_itself() -> None:
    class Table:
        def __iter__(self) -> Iterator[str]:
            return iter(["column"])

        def to_numpy(self) -> Any:
            return np.eye(2)

    assert [to_json(row) for row in to_rows(Table())] == [[1.0, 0.0], [0.0, 1.0]]
    assert to_rows("text") == "text"


def test_prediction_without_optional_fields_is_complete() -> None:
    answer = {"query_id": 1, "output": None, "default": True, "default_explanation": "too late"}
    assert to_prediction(answer) == Prediction(1, None, is_default=True, default_explanation="too late")


def test_prediction_of_an_ensemble_names_the_models_that_are_missing() -> None:
    answer = {"query_id": 1, "output": 2, "default": False, "model": "a:1+b:1", "confidence": 0.5, "missing": ["b:1"]}
    assert to_prediction(answer).missing == ("b:1",)
    del answer["missing"]
    assert to_prediction(answer).missing == ()


def test_input_of_a_batch_that_missed_with_an_error_carries_it_and_no_output() -> None:
    answer = {"query_id": 1, "error": "overloaded", "cause": "The batch queue of the model is full"}
    missed = to_prediction(answer)
    assert (missed.error, missed.cause, missed.output) == ("overloaded", "The batch queue of the model is full", None)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "already_exists", errors.AlreadyExistsError),
        (502, "deploy_failed", errors.DeployError),
        (400, "wrong_length", errors.CallerError),
        (404, "unknown_application", errors.NotFoundError),
        (503, "queue_full", errors.UnavailableError),
        (504, "deadline_passed", errors.UnavailableError),
        (502, "model_failed", errors.ModelError),
        (500, "", errors.ServerError),
    ],
)
def test_error_answer_becomes_the_class_of_its_code_or_status(
    status: int, code: str, kind: type[errors.ClipperError]
) -> None:
    error = _to_error(status, {"error": code, "cause": "because", "hint": "do this", "log_tail": "Traceback"})
    assert type(error) is kind
    assert "because" in error.message and error.hint == "do this"
    if isinstance(error, errors.DeployError):
        assert error.log_tail == "Traceback"


def test_answer_that_is_no_json_is_still_an_error_with_its_text() -> None:
    from clipper.client.http_client import _decode

    with pytest.raises(errors.ServerError, match="oops"):
        _decode(httpx.Response(500, text="oops"))
    with pytest.raises(errors.ServerError):
        _decode(httpx.Response(200, text="<html>"))
