"""The simulated classifier: how often it is wrong, when, and what it makes of inputs that tell no label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_containers.container import ItemError
from model_containers.settings import SettingsError
from model_containers.simulated.container import SimulatedContainer, SimulatedSettings
from model_containers.simulated.labels import MAX_CLASSES, LabelErrors, answer_labels

COUNT = 40_000
TOLERANCE = 5 * 0.5 / COUNT**0.5  # five standard deviations of a share


def wrong_of(errors: LabelErrors, *, is_degraded: bool = False) -> npt.NDArray[np.bool_]:
    """Return which of COUNT queries, all of label 3, are answered wrongly."""
    answers = errors.answers(np.full(COUNT, 3), np.arange(COUNT), np.full(COUNT, is_degraded))
    return np.not_equal(answers, 3)


def container(**variables: str) -> SimulatedContainer:
    environment = {f"CLIPPER_SIMULATED_{name.upper()}": value for name, value in variables.items()}
    return SimulatedContainer(SimulatedSettings.from_environment(environment))


@given(
    error_ratio=st.floats(0, 1),
    degraded_ratio=st.floats(0, 1),
    shared_ratio=st.floats(0, 1),
    seed=st.integers(-(2**40), 2**40),
)
def test_classifier_is_wrong_at_the_stated_rates(
    error_ratio: float, degraded_ratio: float, shared_ratio: float, seed: int
) -> None:
    errors = LabelErrors(10, error_ratio, degraded_ratio, shared_ratio, seed)
    assert abs(wrong_of(errors).mean() - error_ratio) < TOLERANCE
    assert abs(wrong_of(errors, is_degraded=True).mean() - degraded_ratio) < TOLERANCE


def test_wrong_labels_are_uniform_over_the_other_labels() -> None:
    answers = LabelErrors(5, 1.0, 1.0, seed=4).answers(np.full(COUNT, 2), np.arange(COUNT), np.zeros(COUNT, np.bool_))
    shares = np.bincount(answers, minlength=5) / COUNT
    assert shares[2] == 0
    assert np.abs(shares[[0, 1, 3, 4]] - 0.25).max() < TOLERANCE


@pytest.mark.parametrize("shared_ratio", [0.0, 0.4, 1.0])
def test_models_fail_together_in_the_shared_part_of_the_queries_only(shared_ratio: float) -> None:
    good, poor = (LabelErrors(10, rate, rate, shared_ratio, seed) for seed, rate in ((1, 0.2), (2, 0.5)))
    both = (wrong_of(good) & wrong_of(poor)).mean()
    # Where they share the draw, what is too hard for the good one is too hard for the poor one.
    assert abs(both - (shared_ratio * 0.2 + (1 - shared_ratio) * 0.2 * 0.5)) < TOLERANCE


def test_models_that_fail_together_give_the_same_wrong_label() -> None:
    labels, numbers, never = np.full(COUNT, 3), np.arange(COUNT), np.zeros(COUNT, np.bool_)
    first, second = (LabelErrors(10, 0.5, 0.5, 1.0, seed).answers(labels, numbers, never) for seed in (1, 2))
    assert (first == second).all()


def test_seed_decides_at_which_queries_a_model_fails() -> None:
    first, same, other = (wrong_of(LabelErrors(10, 0.5, 0.5, seed=seed)) for seed in (1, 1, 2))
    assert (first == same).all()
    assert abs((first == other).mean() - 0.5) < TOLERANCE


@given(numbers=st.lists(st.integers(0, 2**53 - 1), min_size=1, max_size=20), cut=st.integers(0, 20))
def test_answer_of_a_query_depends_on_nothing_that_is_asked_beside_it(numbers: list[int], cut: int) -> None:
    errors = LabelErrors(10, 0.5, 0.9, 0.3, seed=7)
    rows = np.array([[number % 10, number, number % 2] for number in numbers], np.float64)
    whole = list(answer_labels(errors, rows, False))
    parts = [answer for part in (rows[:cut], rows[cut:]) if len(part) for answer in answer_labels(errors, part, False)]
    assert whole == parts


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_inputs_of_every_numeric_type_are_read(dtype: type) -> None:
    errors = LabelErrors(10, 0.0, 1.0)
    rows: npt.NDArray[Any] = np.array([[4, 1, 0], [4, 2, 1]], dtype)
    right, degraded = answer_labels(errors, rows, False)
    assert (right, degraded != 4) == (4, True)
    assert list(answer_labels(errors, rows[:, :2], False)) == [4, 4]
    assert 4 not in list(answer_labels(errors, rows[:, :2], True))
    assert list(answer_labels(errors, [rows[0], rows[1, :2]], False)) == [4, 4]  # of different lengths


@pytest.mark.parametrize(
    "row", [[10.0, 1.0], [-1.0, 1.0], [0.5, 1.0], [np.nan, 1.0], [np.inf, 1.0], [1.0, -1.0], [1.0, 0.5], [1.0, 2.0**53]]
)
def test_input_that_tells_no_label_fails_alone(row: list[float]) -> None:
    good, bad = answer_labels(LabelErrors(10, 0.0, 0.0), np.array([[3.0, 1.0], row]), False)
    assert good == 3
    assert isinstance(bad, ItemError) and "label of 0 to 9" in str(bad)


@pytest.mark.parametrize("inputs", [np.array([[3.0]]), ["3"], [b"33"], [np.array([3.0]), np.array([])]], ids=repr)
def test_input_of_another_form_fails_with_what_was_expected(inputs: Any) -> None:
    answers = answer_labels(LabelErrors(10, 0.0, 0.0), inputs, False)
    assert all(isinstance(answer, ItemError) for answer in answers)


def test_container_with_classes_answers_labels() -> None:
    rows = np.array([[4.0, 1.0], [5.0, 2.0]])
    assert list(container(classes="10").predict_batch(rows)) == [4, 5]
    assert 4 not in list(container(classes="10", error_ratio="1").predict_batch(rows[:1]))


def test_container_is_degraded_while_its_file_exists(tmp_path: Path) -> None:
    file = tmp_path / "degraded"
    model = container(classes="10", degraded_error_ratio="1", degraded_file=str(file))
    row = np.array([[4.0, 1.0]])
    assert list(model.predict_batch(row)) == [4]
    file.touch()
    assert list(model.predict_batch(row)) != [4]
    file.unlink()
    assert list(model.predict_batch(row)) == [4]


def test_container_without_a_degraded_rate_cannot_be_degraded() -> None:
    assert list(container(classes="10").predict_batch(np.array([[4.0, 1.0, 1.0]]))) == [4]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("classes", "1", "2 to"),
        ("classes", "-1", "2 to"),
        ("classes", str(MAX_CLASSES + 1), "2 to"),
        ("classes", "ten", "whole number"),
        ("error_ratio", "1.01", "0 to 1"),
        ("degraded_error_ratio", "nan", "0 to 1"),
        ("shared_ratio", "all", "0 to 1"),
    ],
)
def test_container_setting_that_is_unusable_is_refused(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        container(**{"classes": "10", name: value})
    assert f"CLIPPER_SIMULATED_{name.upper()}" in str(refused.value)


@pytest.mark.parametrize("name", ["error_ratio", "degraded_error_ratio", "shared_ratio"])
def test_container_with_an_error_but_no_classes_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="CLIPPER_SIMULATED_CLASSES is not"):
        container(**{name: "0.5"})
