"""Arrival processes: sorted, in range, the same for the same seed, with the rate and the shape that they promise."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.bench.arrivals import Arrivals, Constant, Gamma, OnOff, Poisson, Steps, Trace, parse_arrivals
from clipper.bench.keys import Repeated, Zipf, parse_keys
from clipper.bench.schedule import make_schedule

NS = 1_000_000_000

seconds = st.floats(0.01, 5).map(lambda value: round(value, 3))
processes = st.one_of(
    st.just(Constant()),
    st.just(Poisson()),
    st.floats(0.1, 8).map(lambda cv: Gamma(round(cv, 3))),
    st.builds(OnOff, seconds, seconds),
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 3.0]), seconds), min_size=1, max_size=4)
    .filter(lambda steps: any(ratio for ratio, _ in steps))
    .map(lambda steps: Steps(tuple(steps))),
)
rates = st.floats(0.5, 2_000)
durations = st.floats(0.05, 3)


@given(processes, rates, durations, st.integers(0, 2**32))
def test_arrivals_are_sorted_and_within_the_duration(
    process: Arrivals, rate: float, duration_s: float, seed: int
) -> None:
    offsets = process.offsets_ns(rate, duration_s, seed)
    assert offsets.dtype == np.int64
    assert np.all(np.diff(offsets) >= 0)
    assert len(offsets) == 0 or (offsets[0] >= 0 and offsets[-1] < math.ceil(duration_s * NS))


@given(processes, rates, durations, st.integers(0, 2**32))
def test_arrivals_of_the_same_seed_are_the_same(process: Arrivals, rate: float, duration_s: float, seed: int) -> None:
    first, second = (process.offsets_ns(rate, duration_s, seed) for _ in range(2))
    assert np.array_equal(first, second)


@given(processes)
def test_text_of_a_process_is_read_as_that_process(process: Arrivals) -> None:
    assert parse_arrivals(str(process)) == process


@given(processes.filter(lambda process: not isinstance(process, Steps)), st.integers(0, 2**32))
def test_mean_rate_is_the_one_asked_for(process: Arrivals, seed: int) -> None:
    # Whole cycles of on and off; the count's standard deviation is at most about max(1, cv) * sqrt(count).
    duration_s = 4 * (process.on_s + process.off_s) if isinstance(process, OnOff) else 20.0
    count = len(process.offsets_ns(5_000 / duration_s, duration_s, seed))
    spread = max(1.0, process.cv) if isinstance(process, Gamma) else 1.0
    assert abs(count - 5_000) <= 7 * spread * math.sqrt(5_000)


@given(st.floats(0.2, 4), st.integers(0, 2**32))
def test_gaps_of_gamma_arrivals_vary_as_asked_for(cv: float, seed: int) -> None:
    gaps = np.diff(Gamma(cv).offsets_ns(1_000, 30, seed))
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(cv, rel=0.3)


@given(rates, durations)
def test_constant_arrivals_are_evenly_spaced(rate: float, duration_s: float) -> None:
    offsets = Constant().offsets_ns(rate, duration_s, 0)
    assert len(offsets) == pytest.approx(rate * duration_s, abs=1)
    assert np.all(np.abs(np.diff(offsets) - NS / rate) <= 1)


@given(seconds, seconds, st.integers(0, 2**32))
def test_nothing_arrives_while_off(on_s: float, off_s: float, seed: int) -> None:
    process, duration_s = OnOff(on_s, off_s), 3.5 * (on_s + off_s)
    phase_ns = process.offsets_ns(2_000 / duration_s, duration_s, seed) % ((on_s + off_s) * NS)
    # Rounding of the remainder may put the first of a cycle at the end of the one before it.
    assert np.all((phase_ns <= on_s * NS + 1e3) | (phase_ns >= (on_s + off_s) * NS - 1e3))


@given(st.integers(0, 2**32))
def test_steps_have_the_rates_of_their_multiples(seed: int) -> None:
    offsets = Steps(((0.5, 2.0), (0.0, 1.0), (2.0, 1.0))).offsets_ns(2_000, 6.0, seed) / NS
    counts = np.histogram(offsets, [0, 2, 3, 4, 6])[0]
    for count, wanted in zip(counts, (2_000, 0, 4_000, 2_000), strict=True):
        assert abs(count - wanted) <= 7 * math.sqrt(wanted)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50), rates, durations)
def test_trace_keeps_its_shape_at_any_rate(times: list[float], rate: float, duration_s: float) -> None:
    recorded = np.sort(np.round(np.array(times), 3))
    if recorded[-1] - recorded[0] < 0.01:
        return
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trace.npy"
        np.save(file, recorded)
        offsets = Trace(str(file)).offsets_ns(rate, duration_s, 0)
    scale = (len(recorded) - 1) / (recorded[-1] - recorded[0]) / rate * NS
    first = offsets[: len(recorded)]
    assert np.allclose(first, ((recorded - recorded[0]) * scale)[: len(first)], atol=2)
    if len(offsets) > len(recorded):
        assert offsets[len(recorded)] == pytest.approx(len(recorded) / rate * NS, abs=2)
    assert abs(len(offsets) - rate * duration_s) <= len(recorded)


@given(processes, st.floats(0.1, 2), st.floats(0, 2), st.integers(0, 1000))
def test_warm_up_moves_the_measurement_and_changes_none_of_it(
    process: Arrivals, duration_s: float, warmup_s: float, seed: int
) -> None:
    schedule = make_schedule(process, 200, duration_s, warmup_s, seed)
    warmup_ns = int(warmup_s * NS)
    measured = schedule.offsets_ns[schedule.warmup_count :]
    assert np.array_equal(measured - warmup_ns, process.offsets_ns(200, duration_s, seed))
    assert np.all(schedule.offsets_ns[: schedule.warmup_count] <= warmup_ns)


@given(st.integers(1, 500), st.floats(0, 3), st.integers(0, 2**32))
def test_zipf_keys_are_in_range_and_the_first_is_hottest(n: int, s: float, seed: int) -> None:
    keys = Zipf(n, s).keys(4_000, seed)
    assert keys is not None
    assert keys.min() >= 0 and keys.max() < n
    first_share = 1 / float(np.sum(np.arange(1, n + 1, dtype=np.float64) ** -s))
    assert abs(np.mean(keys == 0) - first_share) <= 7 * math.sqrt(first_share * (1 - first_share) / 4_000) + 1e-9
    assert parse_keys(str(Zipf(n, round(s, 3)))) == Zipf(n, round(s, 3))


@given(st.integers(1, 50), st.integers(1, 400))
def test_repeated_keys_come_so_many_times_in_a_row(times: int, count: int) -> None:
    keys = Repeated(times).keys(count, 0)
    assert keys is not None
    assert list(keys) == [index // times for index in range(count)]
    assert parse_keys(str(Repeated(times))) == Repeated(times)
