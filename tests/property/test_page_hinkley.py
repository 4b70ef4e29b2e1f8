"""The Page-Hinkley test: its promises, with coins whose bias is known."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.monitoring.page_hinkley import PageHinkley, lundberg_exponent

LOSSES = st.lists(st.floats(0, 1), max_size=200)


def values_before_alarm(test: PageHinkley, mean: float, seed: int, at_most: int) -> int:
    random_value = random.Random(seed).random
    for count in range(1, at_most + 1):
        if test.update(1.0 if random_value() < mean else 0.0):
            return count
    return at_most


@given(mean=st.floats(0.001, 0.9), slack=st.floats(0.005, 0.09))
def test_exponent_solves_its_equation(mean: float, slack: float) -> None:
    theta = lundberg_exponent(mean, slack)
    moment = mean * math.exp(theta * (1 - mean - slack)) + (1 - mean) * math.exp(-theta * (mean + slack))
    assert theta > 0 and moment == pytest.approx(1, abs=1e-6)


@given(mean=st.floats(0.05, 0.8), spread=st.floats(0, 1), slack=st.floats(0.01, 0.1))
def test_exponent_of_coins_serves_any_loss_of_that_mean(mean: float, spread: float, slack: float) -> None:
    # Two values around the mean: nearer together than 0 and 1, so the moment is not above 1.
    theta = lundberg_exponent(mean, slack)
    low, high = mean * (1 - spread), mean + (1 - mean) * spread
    share = (mean - low) / (high - low) if high > low else 0.0
    moment = share * math.exp(theta * (high - mean - slack)) + (1 - share) * math.exp(theta * (low - mean - slack))
    assert moment <= 1 + 1e-6


@pytest.mark.parametrize("mean", [0.02, 0.1, 0.4])
def test_false_alarms_come_no_more_often_than_was_asked_for(mean: float) -> None:
    # A known mean: a baseline of ten million. The bound holds for the expectation; four standard errors are allowed.
    every, runs = 1_000, 60
    counts = [
        values_before_alarm(PageHinkley(0.025, every, 10**7, mean * 10**7), mean, seed, 20 * every)
        for seed in range(runs)
    ]
    assert sum(counts) / runs > every * (1 - 4 / math.sqrt(runs))


def test_baseline_estimated_too_low_by_chance_raises_no_alarm() -> None:
    # One standard error below the truth: without the upper bound the sum would grow for ever.
    mean, count = 0.1, 200
    low = mean - math.sqrt(mean * (1 - mean) / count)
    alarms = [
        values_before_alarm(PageHinkley(0.025, 100_000, count, low * count), mean, seed, 5_000) < 5_000
        for seed in range(20)
    ]
    assert sum(alarms) <= 1


@pytest.mark.parametrize(("before", "after", "at_most"), [(0.1, 0.5, 140), (0.02, 0.3, 60), (0.4, 0.9, 160)])
def test_rise_is_noticed_within_few_values(before: float, after: float, at_most: int) -> None:
    delays = [
        values_before_alarm(PageHinkley(0.025, 100_000, 2_000, before * 2_000), after, seed, 10_000)
        for seed in range(30)
    ]
    assert sum(delays) / len(delays) < at_most


def test_alarm_says_what_was_before_and_what_is_now() -> None:
    test = PageHinkley(0.025, 100_000, 1_000, 100.0)
    assert not any(test.update(0.0) for _ in range(10))
    while not test.update(1.0):
        pass
    count, total = test.baseline
    run_count, run_total = test.run
    assert (count, total) == (1_010, 100.0)
    assert run_total == run_count > 0


@given(losses=LOSSES)
def test_no_value_is_lost_between_baseline_and_excursion(losses: list[float]) -> None:
    test = PageHinkley(0.025, 1_000, 50, 5.0)
    for loss in losses:
        test.update(loss)
    (count, total), (run_count, run_total) = test.baseline, test.run
    assert count + run_count == 50 + len(losses)
    assert total + run_total == pytest.approx(5 + sum(losses))


@given(losses=LOSSES, more=LOSSES)
def test_test_that_is_read_again_says_the_same(losses: list[float], more: list[float]) -> None:
    test = PageHinkley(0.025, 1_000, 50, 5.0)
    for loss in losses:
        test.update(loss)
    test = PageHinkley.from_state(0.025, 1_000, json.loads(json.dumps(test.to_state())))
    again = PageHinkley.from_state(0.025, 1_000, json.loads(json.dumps(test.to_state())))
    assert [test.update(loss) for loss in more] == [again.update(loss) for loss in more]
    assert test.to_state() == again.to_state()


@given(total=st.floats(0, 1))
def test_baseline_at_the_ends_of_the_range_is_no_error(total: float) -> None:
    count = 100
    test = PageHinkley(0.5, 1_000, count, count * round(total))
    for _ in range(500):
        test.update(1.0)
    assert math.isfinite(test.level)
