"""The statistics of a search: binomial bounds against plain sums, and searches of servers whose limit is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.bench.binomial import fewest_to_be_sure, is_surely_above, is_surely_below, probability_of_at_most
from clipper.bench.objective import Evidence, Objective, RateTrial
from clipper.bench.rate_search import Verdict
from clipper.bench.search import Capacity, CapacitySearch, Phase, SearchOptions
from clipper.errors import InvalidArgumentError

OBJECTIVE = Objective(20_000)
Serve = Callable[[float, int], Evidence | None]


def plain_sum(hits: int, count: int, share: float) -> float:
    return math.fsum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(hits + 1))


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.001, 0.999))
def test_binomial_probability_is_the_sum_of_its_terms(hits: int, count: int, share: float) -> None:
    expected = plain_sum(min(hits, count), count, share)
    assert probability_of_at_most(hits, count, share) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 20_000), st.integers(20_000, 2_000_000))
def test_nobody_is_surely_below_and_above_at_once(hits: int, count: int) -> None:
    below, above = is_surely_below(hits, count, 0.01, 0.95), is_surely_above(hits, count, 0.01, 0.95)
    assert not (below and above)
    assert not below or hits < 0.01 * count
    assert not above or hits > 0.01 * count


def test_least_queries_without_a_miss_are_those_of_mlperf() -> None:
    count = fewest_to_be_sure(0.01, 0.99)
    assert count == 459
    assert is_surely_below(0, count, 0.01, 0.99)
    assert not is_surely_below(0, count - 1, 0.01, 0.99)


def test_one_slow_run_does_not_fail_a_rate_and_two_do() -> None:
    bad = Evidence(scheduled=1_000, misses=200, failed=0)
    trial = RateTrial(OBJECTIVE, confidence=0.95)
    trial.observe(bad)
    assert trial.verdict is None
    trial.observe(bad)
    assert trial.verdict is Verdict.FAILS


def test_counts_near_the_limit_are_pooled_until_the_last_run_decides() -> None:
    trial = RateTrial(OBJECTIVE, confidence=0.95, most_runs=3)
    for _ in range(2):
        trial.observe(Evidence(1_000, 10, 0))
        assert trial.verdict is None
    trial.observe(Evidence(1_000, 10, 0))
    assert trial.verdict is Verdict.HOLDS
    assert not trial.is_sure


def test_failed_answers_count_against_a_limit_of_their_own() -> None:
    strict = Objective(20_000, percentile=90, max_miss_ratio=0.001)
    assert not strict.is_met_by(Evidence(10_000, misses=500, failed=50))
    assert strict.is_met_by(Evidence(10_000, misses=500, failed=10))
    none_may_fail = Objective(20_000, max_miss_ratio=0)
    assert none_may_fail.is_surely_met_by(Evidence(10_000, 5, 0), 0.99)
    assert none_may_fail.is_surely_missed_by(Evidence(10_000, 5, 1), 0.99)


@pytest.mark.parametrize("wrong", [{"slo_us": 0}, {"percentile": 100.0}, {"percentile": 0.0}, {"max_miss_ratio": 1.0}])
def test_objective_outside_its_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError):
        Objective(**{"slo_us": 1, **wrong})  # type: ignore[arg-type]


def searched(serve: Serve, options: SearchOptions, most_runs: int = 300) -> tuple[Capacity, CapacitySearch]:
    search = CapacitySearch(OBJECTIVE, options)
    while (step := search.next_step()) is not None:
        assert search.runs < most_runs
        assert search.runs_left() > 0
        search.observe(serve(step.rate_per_s, step.number))
    return search.capacity(), search


def up_to(limit: float) -> Serve:
    return lambda rate, _: Evidence(10_000, 0 if rate <= limit else 5_000, 0)


@given(st.floats(5, 1e6), st.floats(1, 1e5), st.integers(1, 4))
def test_search_of_a_sharp_limit_claims_a_rate_within_its_resolution(limit: float, first: float, repeats: int) -> None:
    capacity, _ = searched(up_to(limit), SearchOptions(first_rate_per_s=first, repeats=repeats))
    assert capacity.rate_per_s is not None
    assert limit / 1.05 <= capacity.rate_per_s <= limit
    assert capacity.is_confirmed
    assert capacity.limited_by == "server"
    if repeats == 1:
        assert capacity.low_per_s is None
    else:
        assert capacity.low_per_s is not None and capacity.high_per_s is not None
        assert capacity.low_per_s <= limit * 1.0001 and limit <= capacity.high_per_s * 1.0001


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2_000, 20_000]))
def test_search_of_a_noisy_server_claims_no_rate_that_misses_clearly(seed: int, queries: int) -> None:
    random = np.random.default_rng(seed)

    def serve(rate: float, _: int) -> Evidence:
        # 1% are late at 1,000/s; ten times as many at 1,100/s.
        share = min(1.0, 0.01 * 10 ** ((rate / 1_000 - 1) * 10))
        return Evidence(queries, int(random.binomial(queries, share)), 0)

    capacity, _ = searched(serve, SearchOptions(first_rate_per_s=100))
    assert capacity.rate_per_s is not None
    assert 850 < capacity.rate_per_s < 1_040
    assert capacity.low_per_s is not None and capacity.high_per_s is not None
    assert capacity.low_per_s < capacity.high_per_s


def test_search_of_a_server_that_never_keeps_the_objective_claims_nothing() -> None:
    capacity, search = searched(up_to(0), SearchOptions())
    assert capacity.rate_per_s is None
    assert not capacity.is_confirmed
    assert search.runs < 40


def test_search_ends_at_the_highest_rate_it_may_try() -> None:
    capacity, _ = searched(up_to(1e9), SearchOptions(most_rate_per_s=750))
    assert capacity.rate_per_s == 750
    assert capacity.limited_by == "most_rate"
    assert capacity.low_per_s is None


def test_void_runs_end_a_search_from_above_and_the_answer_says_so() -> None:
    capacity, _ = searched(lambda rate, _: Evidence(10_000, 0, 0) if rate < 500 else None, SearchOptions())
    assert capacity.rate_per_s is not None
    assert capacity.rate_per_s < 500
    assert capacity.limited_by == "client"


def test_rate_that_only_just_holds_is_not_claimed_before_a_lower_one_is_sure() -> None:
    rates: list[float] = []

    def serve(rate: float, _: int) -> Evidence:
        rates.append(rate)
        return Evidence(1_000, 500 if rate > 1_000 else 9 if rate > 900 else 2, 0)

    capacity, _ = searched(serve, SearchOptions())
    assert capacity.rate_per_s == rates[-1]
    assert capacity.rate_per_s is not None and capacity.rate_per_s < max(b.low_per_s or 0 for b in capacity.brackets)


def test_too_few_queries_to_be_sure_end_the_search_at_once() -> None:
    capacity, search = searched(lambda rate, _: Evidence(100, 0 if rate <= 500 else 50, 0), SearchOptions(repeats=1))
    assert capacity.rate_per_s is not None
    assert not capacity.is_confirmed
    assert "longer runs" in capacity.remarks[0]
    assert search.runs < 45


def test_steps_name_their_phase_and_repeat() -> None:
    search = CapacitySearch(OBJECTIVE, SearchOptions(repeats=2))
    seen: list[tuple[Phase, int]] = []
    while (step := search.next_step()) is not None:
        seen.append((step.phase, step.repeat))
        search.observe(up_to(500)(step.rate_per_s, 0))
    assert list(dict.fromkeys(seen)) == [(Phase.ROUGH, 0), (Phase.SEARCH, 1), (Phase.SEARCH, 2), (Phase.CONFIRM, 0)]


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"first_rate_per_s": 0.0}, {"resolution_ratio": 1.0}])
def test_search_that_cannot_end_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError):
        SearchOptions(**wrong)  # type: ignore[arg-type]
