"""Arrivals, replica models, and the world that joins them with the core's dispatcher."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.lines import FOREST, KERNEL_SVM, PAPER_LINES, SPARK, Line
from bench.simulate import replica_models
from bench.simulate.arrivals import CHUNK, Arrivals, Steps
from bench.simulate.drop_policies import early, goodput_ratio, lazy, shrinking
from bench.simulate.scenario import AIMD, QUANTILE, Batching, Scenario, fixed, on_line
from bench.simulate.search import Effort, best_fixed, highest_rate, in_time_ratio, sustainable_rate_per_s
from bench.simulate.world import SimulatedReplica
from clipper._core.simulated_frontend import SimulatedFrontend
from clipper.errors import InvalidArgumentError

BRIEF = Effort(queries=4_000, least_s=1.0, resolution_ratio=1.02)


# -- arrivals ----------------------------------------------------------------------------------------------------------


@given(st.floats(10, 1e5), st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_arrivals_are_in_order_within_the_span_and_the_same_for_the_same_seed(
    per_s: float, variation: float, seed: int
) -> None:
    source = Arrivals(per_s, variation)
    first, second = (np.concatenate([*source.times(seed, 5e5, 1.5e6)]) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.all(np.diff(first.astype(np.int64)) >= 0)
    assert len(first) == 0 or (first[0] >= 500_000 and first[-1] < 1_500_000)


@pytest.mark.parametrize("variation", [0.0, 0.5, 1.0, 3.0])
def test_arrivals_have_the_rate_and_the_variation_that_were_asked_for(variation: float) -> None:
    gaps = Arrivals(1_000, variation).gaps_us(np.random.default_rng(1), CHUNK)
    assert np.mean(gaps) == pytest.approx(1_000, rel=0.05)
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(variation, rel=0.05)


def test_arrivals_of_rate_zero_never_come() -> None:
    assert [*Arrivals(0).times(1, 0, 1e9)] == []
    with pytest.raises(ValueError, match="at least 0, not -1"):
        Arrivals(-1)


def test_steps_follow_each_other_and_end() -> None:
    source = Steps(((1, Arrivals(1_000, 0.0)), (2, Arrivals(0)), (1, Arrivals(2_000, 0.0))))
    times = np.concatenate([*source.times(1, 0, 10e6)])
    assert [int(np.sum((times >= at) & (times < at + 1_000_000))) for at in range(0, 5_000_000, 1_000_000)] == [
        pytest.approx(n, abs=2) for n in (1_000, 0, 0, 2_000, 0)
    ]


# -- replica models ----------------------------------------------------------------------------------------------------


def test_noise_is_unbiased_and_as_wide_as_stated() -> None:
    noisy = replica_models.noisy(replica_models.line(FOREST), 0.2, seed=1)
    seen = [noisy(100, 0) for _ in range(20_000)]
    assert statistics.mean(seen) == pytest.approx(FOREST.duration_us(100), rel=0.01)
    assert statistics.stdev(seen) / statistics.mean(seen) == pytest.approx(0.2, rel=0.05)


def test_pauses_take_their_share_of_time_whatever_the_batches() -> None:
    for gap_us in (0, 500):
        pausing = replica_models.pausing(lambda size, start_us: 1_000.0, 100_000, 10_000, seed=2)
        now_us = computed_us = 0.0
        for _ in range(50_000):
            took_us = pausing(1, now_us)
            computed_us += took_us
            now_us += took_us + gap_us
        assert computed_us > 50_000 * 1_000
        paused_ratio = (computed_us - 50_000 * 1_000) / now_us
        assert paused_ratio == pytest.approx(10 / 110, rel=0.2)


def test_drift_and_slowdown_are_where_they_are_said_to_be() -> None:
    exact = replica_models.line(FOREST)
    drifting = replica_models.drifting(exact, 4e6, 0.5)
    assert [round(drifting(1, at) / exact(1, 0), 2) for at in (0, 1e6, 2e6, 3e6)] == [1, 1.5, 1, 0.5]
    slowed = replica_models.slowed(exact, 1, 2)
    assert [round(slowed(1, at) / exact(1, 0)) for at in (0, 1e6, 1_999_999, 2e6)] == [1, 3, 3, 1]


def test_replica_serves_batches_in_order_and_adds_the_way() -> None:
    replica = SimulatedReplica(lambda size, start_us: 100.0 * size, rpc_us=40)
    assert replica.take(10, 1_000) == (2_040, 1_000)
    assert replica.take(5, 1_500) == (2_540, 500)  # sent ahead: it waits in the container
    assert replica.take(1, 9_000) == (9_140, 100)


# -- the world ---------------------------------------------------------------------------------------------------------

batchings = st.sampled_from([AIMD, QUANTILE, fixed(1), fixed(7), fixed(500)])
lines = st.builds(Line, st.just("drawn"), st.floats(0, 12_000), st.floats(0, 3_000))


@given(batchings, lines, st.floats(1, 5_000), st.integers(0, 1_000), st.integers(1, 3), st.floats(0, 500))
@settings(max_examples=15, deadline=None)
def test_every_query_has_exactly_one_outcome_and_the_same_one_each_time(
    batching: Batching, line: Line, per_s: float, seed: int, replicas: int, rpc_us: float
) -> None:
    make = (lambda seed: replica_models.noisy(replica_models.line(line), 0.2, seed=seed),) * replicas
    scenario = Scenario(Arrivals(per_s), make, batching, rpc_us=rpc_us, duration_s=0.5, seed=seed)
    first, second = scenario.run(), scenario.run()
    total = first.between(0, 1)
    assert sum(total.values[1:]) == total.offered == sum(len(t) for t in Arrivals(per_s).times(1000 * seed, 0, 5e5))
    assert first.tallies == second.tallies
    served = sum(itertools.chain.from_iterable(replica.sizes for replica in first.replicas))
    assert served >= total.in_time + total.late  # hedged ones are evaluated twice


def test_lone_queries_are_answered_in_the_time_of_a_batch_of_one() -> None:
    outcome = replace(on_line(FOREST, AIMD, rpc_us=300), source=Arrivals(2, 0.0), duration_s=20).run()
    assert outcome.between(0, 20).in_time_ratio == 1
    assert outcome.p99_us == pytest.approx(FOREST.duration_us(1) + 300, rel=0.05)


def test_frontend_that_could_never_answer_in_time_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="slo_us must exceed reply_margin_us"):
        SimulatedFrontend(slo_us=500)
    with pytest.raises(InvalidArgumentError, match="interval_us"):
        SimulatedFrontend(slo_us=20_000, interval_us=0)


# -- what it is for ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "most"), [(lazy, 0.02), (shrinking, 0.1)])
def test_lazy_and_shrinking_collapse_at_twice_the_capacity_where_early_drop_does_not(
    policy: object, most: float
) -> None:
    assert goodput_ratio(policy, FOREST, 2.0, duration_s=2.0) < most  # type: ignore[arg-type]
    assert goodput_ratio(early, FOREST, 2.0, duration_s=2.0) > 0.97


@pytest.mark.parametrize("batching", [AIMD, QUANTILE], ids=str)
@pytest.mark.parametrize("line", PAPER_LINES, ids=lambda line: line.name)
def test_untuned_controller_sustains_what_a_large_fixed_size_does_and_keeps_it_under_overload(
    line: Line, batching: Batching
) -> None:
    # The whole search is `python -m bench.simulate`; here one rate that the best size holds by little, and twice that.
    per_s = {"forest": 11_000, "linear": 73_000, "spark": 37_000, "kernel-svm": 44}[line.name]
    duration_s = 6.0 if line is not KERNEL_SVM else 300.0
    steady = replace(on_line(line, batching).at_rate(per_s), duration_s=duration_s).run()
    assert steady.between(4, duration_s).in_time_ratio >= 0.985
    beyond = replace(on_line(line, batching).at_rate(2 * per_s), duration_s=5).run()
    assert beyond.goodput_per_s(4, 5) >= 0.95 * per_s if line is not KERNEL_SVM else True


@pytest.mark.parametrize("batching", [AIMD, QUANTILE], ids=str)
def test_controller_survives_a_threefold_slowdown_and_recovers_within_two_seconds(batching: Batching) -> None:
    slowed = replica_models.slowed(replica_models.line(SPARK), 3, 5)
    outcome = Scenario(Arrivals(25_000), (lambda _: slowed,), batching, duration_s=10).run()
    assert outcome.between(1, 3).in_time_ratio > 0.999
    assert outcome.goodput_per_s(3.5, 5) > 0.9 * 25_000 / 3  # the third of it that is left
    assert outcome.between(7, 10).in_time_ratio > 0.999


# -- searching ---------------------------------------------------------------------------------------------------------


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_highest_rate_is_found_from_any_guess(limit: float, guess: float) -> None:
    found = highest_rate(lambda rate: rate <= limit, guess, 1.01)
    assert limit / 1.01 <= found <= limit or (found == 0 and limit < guess / 1000)


def test_best_fixed_size_is_found_between_the_coarse_ones() -> None:
    scenario = on_line(KERNEL_SVM, AIMD)
    best, rate = best_fixed(scenario, KERNEL_SVM, 40, BRIEF)
    assert 1 <= best.batch_size <= 4
    assert in_time_ratio(replace(scenario, batching=best), rate, BRIEF) >= 0.99
    assert sustainable_rate_per_s(replace(scenario, batching=fixed(1)), 40, BRIEF) <= rate
