"""The search for the highest rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.bench.rate_search import RateSearch, Verdict


def run(search: RateSearch, limit: float) -> list[float]:
    """Search a server that holds up to a limit; return the rates that were tried."""
    tried = []
    while (rate := search.next_rate()) is not None:
        tried.append(rate)
        search.observe(Verdict.HOLDS if rate <= limit else Verdict.FAILS)
    return tried


@given(st.floats(min_value=50, max_value=1e6), st.floats(min_value=0.2, max_value=5))
def test_search_from_any_guess_ends_within_its_resolution(limit: float, guess: float) -> None:
    search = RateSearch(limit * guess, resolution_ratio=1.05, max_runs=100)
    run(search, limit)
    assert search.best is not None
    assert limit / 1.05 <= search.best <= limit


@given(st.floats(min_value=10, max_value=1e6))
def test_search_never_makes_more_runs_than_it_may(limit: float) -> None:
    search = RateSearch(1_000, max_runs=7)
    assert len(run(search, limit)) <= 7


def test_guess_far_too_high_leaves_runs_for_a_rate_that_holds() -> None:
    search = RateSearch(1_000, max_runs=10, step_ratio=1.15)
    run(search, 1_000 / 12)
    assert search.best is not None
    assert search.runs == 10


def test_lowest_rate_is_tried_before_the_search_gives_up() -> None:
    search = RateSearch(10, resolution_ratio=1.5, min_rate=5, max_runs=50)
    assert run(search, 5.5)[-1] < 7.5
    assert search.best == 5
    nothing = RateSearch(10, min_rate=5, max_runs=50)
    assert run(nothing, 4.9)[-1] == 5
    assert nothing.best is None


def test_search_of_a_server_that_never_holds_finds_nothing() -> None:
    search = RateSearch(1_000, max_runs=50)
    run(search, 0)
    assert search.best is None


def test_rate_that_fails_once_is_tried_again_before_it_counts() -> None:
    search = RateSearch(1_000)
    search.observe(Verdict.FAILS)
    assert search.next_rate() == 1_000
    search.observe(Verdict.HOLDS)
    assert search.best == 1_000


def test_void_runs_end_the_search_below_and_say_so() -> None:
    search = RateSearch(1_000)
    for _ in range(search.tries_per_rate):
        search.observe(Verdict.VOID)
    rate = search.next_rate()
    assert rate is not None
    assert rate < 1_000
    assert search.is_limited_by_client


def test_failure_below_a_void_rate_is_the_servers_own_limit() -> None:
    search = RateSearch(1_000, tries_per_rate=1)
    search.observe(Verdict.VOID)
    search.observe(Verdict.FAILS)
    assert not search.is_limited_by_client


@pytest.mark.parametrize("arguments", [{"first_rate": 0.0}, {"first_rate": 1.0, "resolution_ratio": 1.0}])
def test_search_refuses_what_cannot_end(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RateSearch(**arguments)  # type: ignore[arg-type]
