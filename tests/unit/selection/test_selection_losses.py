"""Losses: what an output costs given a label, and what cannot be judged."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.errors import InvalidArgumentError
from clipper.selection import make_loss
from clipper.selection.losses import LOSSES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("output", "label", "loss"),
    [
        (3, 3, 0.0), (3, 3.0, 0.0), (3, 4, 1.0), ("cat", "cat", 0.0), ("3", 3, 1.0),
        (True, True, 0.0), (True, 1, 1.0), (0, False, 1.0), (None, None, 0.0),
        ([0.1, 0.7, 0.2], 1, 0.0), ([0.1, 0.7, 0.2], 0, 1.0), ([1, 2], [1, 2.0], 0.0), ([1, True], [1, 1], 1.0),
        ({"label": "cat", "confidence": 0.8}, "cat", 0.0), ({"x": 1}, {"x": 1.0}, 0.0), ({"x": 1}, {"x": True}, 1.0),
    ],
)  # fmt: skip
def test_zero_one_loss_is_zero_for_what_is_the_same_json_value(output: Any, label: Any, loss: float) -> None:
    assert make_loss()(output, label) == loss


@pytest.mark.parametrize(
    ("output", "label", "bound", "loss"),
    [(1.0, 3.0, 8.0, 0.5), (0.0, 3.0, None, 1.0), ([0.0, 1.0], [1.0, 1.0], 1.0, 0.5), ({"label": 2}, 2, None, 0.0)],
)
def test_squared_loss_is_divided_by_its_bound_and_clipped(
    output: Any, label: Any, bound: float | None, loss: float
) -> None:
    assert make_loss("squared", loss_bound=bound)(output, label) == loss


@pytest.mark.parametrize(
    ("output", "label", "probability"),
    [
        ([0.2, 0.8], 1, 0.8),
        ({"cat": 0.25, "dog": 0.75}, "cat", 0.25),
        (0.9, True, 0.9),
        (0.9, 0, 0.1),
        ({"7": 0.5}, 7, 0.5),
    ],
)
def test_log_loss_takes_the_probability_of_what_happened(output: Any, label: Any, probability: float) -> None:
    assert make_loss("log", loss_bound=10.0)(output, label) == pytest.approx(-math.log(probability) / 10)


def test_log_loss_of_an_impossible_label_is_one() -> None:
    assert make_loss("log")({"cat": 1.0}, "dog") == 1.0


@pytest.mark.parametrize(
    ("name", "output", "label"),
    [
        ("squared", "text", 1.0), ("squared", [1.0], [1.0, 2.0]), ("squared", True, 1.0), ("squared", math.nan, 1.0),
        ("log", [0.5, 0.5], 2), ("log", [0.5, 0.5], -1), ("log", 1.5, True), ("log", "cat", "cat"),
    ],
)  # fmt: skip
def test_loss_of_what_cannot_be_compared_is_refused_and_quotes_it(name: str, output: Any, label: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="loss of output"):
        make_loss(name)(output, label)


@pytest.mark.parametrize("name", LOSSES)
@given(JSON, JSON)
def test_loss_of_any_two_values_is_between_zero_and_one_or_refused(name: str, output: Any, label: Any) -> None:
    try:
        value = make_loss(name)(output, label)
    except InvalidArgumentError:
        return
    assert 0.0 <= value <= 1.0


def half_off(output: float, label: float) -> float:
    """A user's loss."""
    return abs(output - label) / 2


def careless(output: Any, label: Any) -> Any:
    """A user's loss that fails in two ways."""
    return None if output is None else output[label]


def test_loss_by_import_path_is_called_and_clipped() -> None:
    assert make_loss(f"{__name__}:half_off", loss_bound=2.0)(1.0, 2.0) == 0.25
    assert make_loss(f"{__name__}:half_off")(0.0, 9.0) == 1.0


@pytest.mark.parametrize(("output", "told"), [(5, "failed on output 5"), (None, "no finite number")])
def test_loss_by_import_path_that_fails_is_refused_with_the_cause(output: Any, told: str) -> None:
    with pytest.raises(InvalidArgumentError, match=told):
        make_loss(f"{__name__}:careless")(output, 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"loss": "hinge"}, "expected one of zero_one"),
        ({"loss": "no.such:thing"}, "cannot be imported"),
        ({"loss": f"{__name__}:missing"}, "has no 'missing'"),
        ({"loss": f"{__name__}:JSON"}, "is no function"),
        ({"loss_bound": 0.0}, "above 0"),
        ({"loss_bound": math.inf}, "above 0"),
    ],
)
def test_loss_that_does_not_exist_is_refused_with_what_is_wrong(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidArgumentError, match=told):
        make_loss(**arguments)
