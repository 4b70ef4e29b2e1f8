"""Plans by features: Python selects once in a turn for all queries, and nothing that it does harms them."""

from __future__ import annotations

import logging
import math
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from clipper._core.plan import MAX_FEATURES
from clipper.selection import make_policy
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.http_responses import post
from tests.support.planned import MODELS, apply, plan_document, send_plans, set_plan

Selected = tuple[Sequence[int], Sequence[float]]


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        apply(serving)
        for name in MODELS:
            serving.serving(lambda inputs, name=name: [name] * len(inputs), name)  # type: ignore[misc]
        yield serving


class BySign:
    """Model a for rows that begin with a negative number, b for the others; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[float, ...]]] = []

    def __call__(self, rows: bytes, count: int) -> Selected:
        width = len(rows) // count // 8
        values = struct.unpack(f"{count * width}d", rows)
        table = [values[start : start + width] for start in range(0, len(values), width)]
        self.calls.append(table)
        return [0 if row[0] < 0 else 1 for row in table], [0.75] * count


def outputs(path: DataPath, inputs: list[list[float]]) -> list[Any]:
    return [part["output"] for part in path.ask({"input_batch": inputs}).json["batch_predictions"]]


def test_queries_of_one_turn_are_selected_by_one_call_and_answered_each_by_its_model(path: DataPath) -> None:
    select = BySign()
    set_plan(path, "features", select=select)
    assert outputs(path, [[-1.0, 5.0], [2.0, 6.0], [-3.0, 7.0]]) == ["a", "b", "a"]
    assert select.calls == [[(-1.0, 5.0), (2.0, 6.0), (-3.0, 7.0)]]
    assert path.application_figures()["selection_failures"] == 0


def test_queries_with_another_number_of_features_are_selected_by_themselves(path: DataPath) -> None:
    select = BySign()
    set_plan(path, "features", select=select)
    assert outputs(path, [[-1.0], [1.0, 2.0], [3.0], [-4.0, 5.0]]) == ["a", "b", "b", "a"]
    assert sorted(select.calls) == [[(-1.0,), (3.0,)], [(1.0, 2.0), (-4.0, 5.0)]]


def test_cached_output_of_the_selected_model_answers_at_once(path: DataPath) -> None:
    set_plan(path, "features", select=BySign())
    assert [path.ask({"input": [1.0]}).json["model"] for _ in range(2)] == ["b:1", "b:1"]
    assert path.figures("b")["cache_hits"] == 1


@pytest.mark.parametrize("input_type", ["floats", "integers"])
def test_numbers_of_every_type_are_rows_of_doubles(path: DataPath, input_type: str) -> None:
    select = BySign()
    models = [model(name, input_type=input_type) for name in MODELS]
    path.apply([application(models=MODELS, input_type=input_type)], models)
    set_plan(path, "features", select=select)
    path.ask({"input": [3, -4]})
    assert select.calls == [[(3.0, -4.0)]]


def raising(_rows: bytes, _count: int) -> Selected:
    raise RuntimeError("no idea")


WRONG: dict[str, Callable[[bytes, int], Any]] = {
    "RuntimeError: no idea": raising,
    "returned arm 3 of 3 models": lambda _rows, count: ([3] * count, [0.5] * count),
    "returned arm -1 of 3 models": lambda _rows, count: ([-1] * count, [0.5] * count),
    "the propensity 0.0": lambda _rows, count: ([0] * count, [0.0] * count),
    "the propensity 1.5": lambda _rows, count: ([0] * count, [1.5] * count),
    "the propensity nan": lambda _rows, count: ([0] * count, [math.nan] * count),
    "returned 2 arms and 1 propensities": lambda _rows, _count: ([0, 0], [0.5]),
    "TypeError": lambda _rows, count: ([0.5] * count, [0.5] * count),
    "is not iterable": lambda _rows, _count: None,
    "OverflowError": lambda _rows, count: ([2**40] * count, [0.5] * count),
}


@pytest.mark.parametrize("said", WRONG)
def test_policy_that_fails_has_its_queries_drawn_alike_is_counted_and_logged_once(
    path: DataPath, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    set_plan(path, "features", select=WRONG[said])
    with caplog.at_level(logging.WARNING, "clipper.selection"):
        drawn = outputs(path, [[float(number)] for number in range(60)])
        drawn += outputs(path, [[float(number)] for number in range(60)])
    assert set(drawn) == set(MODELS)
    assert path.application_figures()["selection_failures"] == 120
    (record,) = caplog.records
    assert said in record.getMessage() and "60 queries" in record.getMessage()


def test_input_with_too_many_features_is_drawn_alike_and_one_less_is_selected(path: DataPath) -> None:
    select = BySign()
    set_plan(path, "features", select=select)
    assert path.ask({"input": [-1.0] * MAX_FEATURES}).json["model"] == "a:1"
    answer = path.ask({"input": [-1.0] * (MAX_FEATURES + 1)}).json
    assert answer["default"] is False
    assert path.ask({"input": []}).json["default"] is False
    assert (len(select.calls), path.application_figures()["selection_failures"]) == (1, 2)


def test_feature_that_is_not_finite_is_not_shown_to_the_policy(path: DataPath) -> None:
    select = BySign()
    apply(path, shape=[2])
    set_plan(path, "features", select=select)
    for values in ((math.nan, 1.0), (1.0, math.inf), (1.0, 2.0)):
        raw = post(struct.pack("<2d", *values), b"Content-Type: application/octet-stream")
        assert path.send(raw).response().json["default"] is False
    assert select.calls == [[(1.0, 2.0)]]
    assert path.application_figures()["selection_failures"] == 2


def test_texts_have_no_features_and_are_drawn_alike(path: DataPath) -> None:
    path.apply([application(models=MODELS, input_type="strings")], [model(one, input_type="strings") for one in MODELS])
    select = BySign()
    set_plan(path, "features", select=select)
    path.ask({"input": "words", "slo_us": 20_000})
    assert (select.calls, path.application_figures()["selection_failures"]) == ([], 1)


def test_query_whose_deadline_comes_while_python_selects_is_answered_all_the_same(path: DataPath) -> None:
    def slow(rows: bytes, count: int) -> Selected:
        time.sleep(0.03)
        return BySign()(rows, count)

    set_plan(path, "features", select=slow)
    answer = path.ask({"input": [1.0], "slo_us": 10_000}).json
    assert answer["default"] is True
    path.wait_until(lambda: path.core.slots.in_use == 0)


def test_policy_of_a_plan_is_found_by_its_import_path(path: DataPath) -> None:
    features = plan_document(
        1, "features", policy="tests.support.sign_policy:SignPolicy", parameters={"negative": 2, "positive": 0}
    )
    send_plans(path, (None, features))
    assert outputs(path, [[-1.0], [1.0]]) == ["c", "a"]


def test_learned_policy_that_comes_with_clipper_selects(path: DataPath) -> None:
    policy = make_policy({"name": "linucb"})
    document = policy.plan(policy.init([f"{name}:1" for name in MODELS]), 0).to_json()
    send_plans(path, (None, {**document, "plan_id": 3}))
    assert set(outputs(path, [[float(number)] for number in range(60)])) == set(MODELS)
    assert path.application_figures()["selection_failures"] == 0
