"""Estimators and their intervals on cases that can be worked out by hand, and against other libraries' quantiles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clipper.evaluation.estimates import (
    Terms,
    difference,
    doubly_robust,
    earned,
    effective_sample_size,
    ips,
    snips,
    student_quantile,
)


def terms(weight: list[float], reward: list[float], expected: float = 0.0, clusters: list[int] | None = None) -> Terms:
    """Return the terms of a candidate with these weights; its direct model expects the same of every arm."""
    w, r = np.array(weight), np.array(reward)
    numbers = np.arange(len(w)) if clusters is None else np.array(clusters)
    return Terms(w * r, w, np.full(len(w), expected), w * expected, r, numbers)


def test_candidate_that_is_the_log_earns_what_the_log_earned() -> None:
    same = terms([1.0] * 4, [1.0, 0.0, 1.0, 1.0], expected=0.3)
    for estimate in (ips(same), snips(same), doubly_robust(same), earned(same)):
        assert estimate is not None and estimate.reward == pytest.approx(0.75)
    gained = difference(same, "ips")
    assert gained is not None and gained.reward == 0.0


def test_ips_snips_and_doubly_robust_are_the_textbooks_formulas() -> None:
    some = terms([2.0, 0.5, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0], expected=0.5)
    assert ips(some).reward == pytest.approx((2.0 + 0.5) / 4)
    assert snips(some).reward == pytest.approx(2.5 / 3.5)
    assert doubly_robust(some).reward == pytest.approx(0.5 + (2.0 * 0.5 + 0.5 * 0.5 - 1.0 * 0.5) / 4)


def test_interval_of_a_mean_is_students() -> None:
    rewards = [0.1, 0.4, 0.35, 0.8, 0.5]
    estimate = ips(terms([1.0] * 5, rewards))
    error = np.std(rewards, ddof=1) / math.sqrt(5)
    assert estimate.standard_error == pytest.approx(error)
    # Never narrower than with n - 1 degrees of freedom, whose quantile is 2.776.
    assert estimate.high - estimate.reward >= 2.776 * error * 0.999


def test_interval_widens_where_one_query_decides() -> None:
    even = ips(terms([1.0] * 100, [0.0, 1.0] * 50))
    skewed = ips(terms([50.0, *[0.5] * 99], [1.0, *[0.0, 1.0] * 49, 0.0]))
    assert (skewed.high - skewed.low) / skewed.standard_error > 1.5 * (even.high - even.low) / even.standard_error


def test_queries_of_a_context_count_as_one_witness() -> None:
    rewards = [1.0] * 10 + [0.0] * 10
    alone = ips(terms([1.0] * 20, rewards))
    together = ips(terms([1.0] * 20, rewards, clusters=[*[0] * 5, *[1] * 5, *[2] * 5, *[3] * 5]))
    assert together.reward == alone.reward
    assert together.standard_error > 2 * alone.standard_error


def test_numbers_of_contexts_need_not_be_consecutive() -> None:
    rewards = [1.0, 0.0, 1.0, 1.0]
    assert ips(terms([1.0] * 4, rewards, clusters=[0, 7, 8, 90])) == ips(terms([1.0] * 4, rewards))


def test_rewards_all_alike_leave_an_interval_by_the_rule_of_three() -> None:
    estimate = snips(terms([1.0] * 300, [1.0] * 300))
    assert estimate.reward == 1.0
    assert estimate.low == pytest.approx(1.0 - 3.0 / 300, abs=1e-4)
    few_effective = snips(terms([100.0, *[0.01] * 299], [1.0] * 300))
    assert few_effective.low < 0.0


def test_one_query_has_no_interval() -> None:
    estimate = ips(terms([1.0], [1.0]))
    assert (estimate.low, estimate.high) == (-math.inf, math.inf)


def test_snips_without_any_weight_is_no_number() -> None:
    assert math.isnan(snips(terms([0.0, 0.0], [1.0, 1.0])).reward)


def test_difference_is_narrower_than_both_intervals_side_by_side() -> None:
    rng = np.random.default_rng(1)
    some = terms([1.1, 0.9] * 200, list(rng.random(400)))
    gained, alone = difference(some, "doubly_robust"), doubly_robust(some)
    assert gained is not None and gained.standard_error < alone.standard_error / 2


def test_difference_is_over_the_queries_of_which_it_is_known_what_they_earned() -> None:
    assert difference(terms([1.0], [math.nan]), "ips") is None
    unknown = terms([2.0, 1.0], [1.0, math.nan])
    gained = difference(unknown, "ips")
    assert gained is not None and gained.reward == 1.0
    known = earned(unknown)
    assert known is not None and known.reward == 1.0
    assert earned(terms([1.0], [math.nan])) is None


def test_effective_sample_size_is_the_number_of_equal_weights() -> None:
    assert effective_sample_size(np.array([3.0] * 7)) == pytest.approx(7)
    assert effective_sample_size(np.array([1.0, 0.0, 0.0])) == 1.0
    assert effective_sample_size(np.zeros(3)) == 0.0


# Two-sided quantiles from tables (Abramowitz and Stegun, table 26.10).
@pytest.mark.parametrize(
    ("confidence", "degrees", "quantile"),
    [
        (0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 3, 3.182), (0.95, 4, 2.776), (0.95, 5, 2.571), (0.95, 10, 2.228),
        (0.95, 30, 2.042), (0.95, 120, 1.980), (0.99, 3, 5.841), (0.99, 10, 3.169), (0.90, 5, 2.015), (0.5, 4, 0.741),
    ],
)  # fmt: skip
def test_students_quantile_is_the_tables(confidence: float, degrees: float, quantile: float) -> None:
    assert student_quantile(confidence, degrees) == pytest.approx(quantile, rel=2e-3)


def test_students_quantile_falls_towards_the_normal_one() -> None:
    values = [student_quantile(0.95, degrees) for degrees in (1, 1.3, 1.7, 2, 2.001, 2.5, 3, 7.5, 50, 1e5, 1e7)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(1.959964, abs=1e-5)
