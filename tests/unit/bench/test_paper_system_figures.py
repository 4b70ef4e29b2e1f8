"""The paper's figures on batching, replicas, other servers, cache and feedback: what is asked, and what is a fault."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lines import FOREST, KERNEL_SVM, LINEAR, PAPER_LINES, SLO_US, SPARK
from bench.loadgen.request import FIRST_COUNTER
from bench.paper import batching_tables, cache_rates, feedback_rates, figure_3, figure_4, figure_6, small_network
from bench.paper.figure_11 import Loop
from bench.paper.large_digits import LARGE, LARGE_SIDE, large_split, octets_around_hole
from bench.paper.probes import ProgressWatch, batches_of, echo_target, search_rate
from tests.support.paper_examples import EXAMPLES, PROBE, batching, profile, server, sustained

# -- lines and what follows from them --------------------------------------------------------------------------------


@given(st.floats(50, 10_000), st.floats(0.5, 5_000))
def test_line_through_durations_without_noise_is_the_line_itself(base_us: float, per_item_us: float) -> None:
    sizes = [1, 2, 4, 8, 16]
    found = figure_3.fit_through("line", sizes, [base_us + per_item_us * size for size in sizes])
    assert found.base_us == pytest.approx(base_us, rel=1e-3, abs=0.5)
    assert found.per_item_us == pytest.approx(per_item_us, rel=1e-3)


def test_line_through_one_size_is_all_cost_per_item() -> None:
    assert figure_3.fit_through("line", [4], [800.0]).duration_us(8) == 1_600


def test_slow_motion_leaves_the_gain_of_batching_as_it_is() -> None:
    for line in PAPER_LINES:
        slow = line.slowed(4)
        gain = line.two_batch_rate_per_s() / line.capacity_per_s(1)
        assert slow.two_batch_rate_per_s(4 * SLO_US) / slow.capacity_per_s(1) == pytest.approx(gain)


@pytest.mark.parametrize("line", PAPER_LINES, ids=lambda line: line.name)
def test_line_is_slowed_until_two_cores_can_serve_it(line: Any) -> None:
    factor = figure_4.slow_motion_of(line)
    assert line.two_batch_rate_per_s() / factor <= figure_4.FASTEST_PER_S
    assert factor in figure_4.SLOW_MOTIONS


# What the simulator of bench/simulate finds for these lines without batching, docs/batching.md.
@pytest.mark.parametrize(("line", "rate_per_s"), [(FOREST, 38.7), (LINEAR, 1_733), (SPARK, 1_281), (KERNEL_SVM, 43.4)])
def test_search_without_batching_begins_near_what_the_simulator_finds(line: Any, rate_per_s: float) -> None:
    subject = figure_4.Subject(line.name, line.name, line)
    capacity = line.capacity_per_s(1)
    guess = figure_4.likely_share(subject, "none", capacity) * capacity
    assert rate_per_s / 1.3 < guess < rate_per_s * 1.3
    assert (figure_4.likely_share(subject, "aimd", capacity) == figure_4.LIKELY_SHARE) is (line is not KERNEL_SVM)


def test_replica_of_figure_6_takes_as_long_for_its_batch_as_the_papers() -> None:
    assert figure_6.CONV.duration_us(figure_6.BATCH) == pytest.approx(51 / 1_947.8 * 1e6)
    assert figure_6.CONV.capacity_per_s(figure_6.BATCH) == pytest.approx(figure_6.PAPER_RATE_PER_S / figure_6.SHARE)


# -- inputs ----------------------------------------------------------------------------------------------------------


def test_enlarged_digits_have_a_black_rim_where_the_counter_stands() -> None:
    fitted, asked = large_split()
    assert fitted.pixels.shape[1] == asked.pixels.shape[1] == LARGE == LARGE_SIDE**2
    assert not fitted.pixels[:, 0].any()
    assert fitted.pixels.min() >= 0 and fitted.pixels.max() == 1


def test_octets_of_an_image_are_its_doubles_behind_the_counters() -> None:
    (body,) = octets_around_hole(1)
    row = np.frombuffer(b"\0" * 8 + body.after, "<f8")
    assert body.before == b"" and (row == large_split()[1].pixels[0]).all()


@pytest.mark.parametrize("tenths", range(11))
def test_so_many_of_ten_queries_in_a_row_repeat(tenths: int) -> None:
    template = cache_rates.mixed_target("app", tenths).template

    def inputs(first: int) -> set[str]:
        return {str(json.loads(template.body(counter))["input"]) for counter in range(first, first + 10)}

    assert len(inputs(FIRST_COUNTER)) == 10
    assert len(inputs(FIRST_COUNTER) & inputs(FIRST_COUNTER + 10)) == tenths


def test_feedback_repeats_nineteen_inputs_of_twenty_where_it_is_to_hit() -> None:
    cached, uncached = (
        feedback_rates._target(way, "m").template for way in (feedback_rates.WAYS[1], feedback_rates.WAYS[0])
    )
    for template, repeated in ((cached, 19), (uncached, 0)):
        rounds = [
            {str(json.loads(template.body(counter))["input"]) for counter in range(first, first + 20)}
            for first in (FIRST_COUNTER, FIRST_COUNTER + 20)
        ]
        assert len(rounds[0] & rounds[1]) == repeated
        assert json.loads(template.body(FIRST_COUNTER))["label"] == feedback_rates.LABEL


def test_network_answers_the_same_whatever_the_counter_and_whoever_serves_it() -> None:
    layers, images = small_network.weights(), small_network.images()
    wanted = small_network.predict(layers, images)
    moved = images.copy()
    moved[:, 0] = 0.99999999
    assert (small_network.predict(layers, moved) == wanted).all()
    assert (small_network.served_by_numpy()(images) == wanted).all()


@pytest.mark.optional("onnx", "python -m pip install 'onnx>=1.17'")
@pytest.mark.optional("onnxruntime", "python -m pip install 'onnxruntime>=1.19'")
def test_network_answers_the_same_in_onnx_runtime() -> None:
    wanted = small_network.predict(small_network.weights(), small_network.images())
    assert (small_network.served_by_onnx_runtime()(small_network.images()) == wanted).all()


# -- what a run is made of -------------------------------------------------------------------------------------------


def test_batches_are_read_off_the_models_own_samples() -> None:
    labels = (("model", "m"), ("version", "1"))

    def stage(name: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((*labels, ("stage", name))))

    other = (("model", "other"), ("version", "1"))
    grown = {
        ("clipper_stage_seconds_sum", stage("rpc")): 0.001,
        ("clipper_stage_seconds_sum", stage("compute")): 0.009,
        ("clipper_stage_seconds_count", stage("compute")): 4.0,
        ("clipper_model_batch_size_count", labels): 5.0,
        ("clipper_model_batch_size_sum", labels): 50.0,
        ("clipper_model_batch_size_sum", other): 7.0,
    }
    seen = batches_of(grown, "m")
    assert (seen.count, seen.mean_size) == (4, 10) and seen.mean_us == pytest.approx(2_500)


@pytest.mark.parametrize(
    ("counts", "stood_still"), [([1, 2, 3], False), ([1, 2, 2], True), ([5], False), ([3, 1], True)]
)
def test_watch_sees_a_counter_that_stops(counts: list[int], stood_still: bool) -> None:
    left = list(counts)
    watch = ProgressWatch(lambda: left.pop(0), interval_s=0)
    # The thread's own loop, run by hand until the counts are used up.
    watch._ended.wait = lambda timeout=None: not left  # type: ignore[method-assign]
    watch._run()
    assert watch.stood_still is stood_still


def test_search_ends_at_a_rate_that_held_and_keeps_the_run_that_showed_it() -> None:
    def run(rate: float, seed: int) -> Any:
        return replace(PROBE, offered_per_s=rate, in_time_ratio=1.0 if rate <= 1_000 else 0.5)

    best, shown = search_rate(run, 700.0, 12)
    assert 960 < best <= 1_000 and shown is not None and shown.offered_per_s == best
    assert search_rate(lambda rate, seed: replace(PROBE, in_time_ratio=0.5), 700.0, 4) == (0.0, None)


def test_search_takes_a_void_run_that_fails_for_nothing_that_holds() -> None:
    def run(rate: float, seed: int) -> Any:
        return replace(PROBE, in_time_ratio=0.5, void_reason="the client was late")

    assert search_rate(run, 700.0, 3)[0] == 0.0


def test_query_of_a_line_is_told_by_its_counter() -> None:
    target = echo_target("app", SLO_US)
    assert target.model == "app" and target.expectation.echoes_counter
    assert json.loads(target.template.body(FIRST_COUNTER))["input"][0] == FIRST_COUNTER + 0.5


# -- verdicts --------------------------------------------------------------------------------------------------------


def test_frontend_that_adds_much_to_a_batch_is_a_fault() -> None:
    slow = profile(LINEAR.name, LINEAR.base_us, LINEAR.per_item_us, overhead_us=2_000)
    (fault,) = replace(EXAMPLES["figure-3"], profiles=[slow]).faults
    assert "a batch of one takes 2,000 us beyond its line" in fault


def test_profile_says_how_large_a_batch_may_be() -> None:
    figure = EXAMPLES["figure-3"]
    kernel = figure.of(KERNEL_SVM.name)
    assert kernel.max_batch == 3 and figure.batch_ratio > figure_3.LEAST_RATIO
    assert replace(figure, profiles=figure.profiles[:1]).batch_ratio is None


@pytest.mark.parametrize(("aimd", "holds"), [(1_100.0, True), (1_090.0, False)])
def test_gain_of_batching_is_held_to_the_corrected_one(aimd: float, holds: bool) -> None:
    figure = replace(EXAMPLES["figure-4"], rows=[batching(LINEAR.name, aimd, 100.0)])
    assert (figure.faults == []) is holds
    assert replace(figure, is_judged=False).faults == []


def test_gain_over_a_rate_of_nothing_is_unknown() -> None:
    row = batching(SPARK.name, 100.0, 0.0)
    assert row.gain is None and replace(EXAMPLES["figure-4"], rows=[row]).faults == []


def test_void_runs_are_told_as_such() -> None:
    void = replace(PROBE, void_reason="a container of conv stood still")
    figure = EXAMPLES["figure-6"]
    rows = [replace(row, cell=replace(row.cell, overload=void)) for row in figure.rows[:1]]
    assert "void, a container of conv stood still" in replace(figure, rows=[*rows, figure.rows[-1]]).faults[0]
    assert ", void" in batching_tables.figure_6(replace(figure, rows=rows))


def test_wait_that_costs_throughput_or_saves_no_batches_is_a_fault() -> None:
    figure = EXAMPLES["figure-5"]
    first, second = figure.rows
    slower = replace(second, probe=replace(second.probe, answered_per_s=900.0))
    assert replace(figure, rows=[first, slower]).faults == ["with a wait of 2000 us fewer queries are answered"]
    alike = replace(second, probe=PROBE)
    assert "saves 0% of the batches" in replace(figure, rows=[first, alike]).faults[0]


def test_replicas_that_get_in_each_others_way_are_a_fault() -> None:
    figure = EXAMPLES["figure-6"]
    last = replace(figure.rows[-1], cell=replace(figure.rows[-1].cell, sustained=sustained(7_000.0)))
    assert replace(figure, rows=[*figure.rows[:-1], last]).faults == ["4 replicas serve 3.68x what one does"]


def test_wrong_class_and_a_rate_below_tritons_are_faults() -> None:
    figure = EXAMPLES["figure-11"]
    wrong = replace(figure, loops=[Loop("numpy", 64, 1.0, False)])
    assert wrong.faults == ["numpy in batches of 64 answers wrong"]
    slow = replace(figure, servers=[server("clipper-numpy", 3_000.0), server("triton", 4_000.0)])
    assert slow.faults == ["75% of Triton's rate within the objective; the bar is 85%"]
    absent = replace(figure, missing={"Triton": "not installed: python -m bench.install_peers triton"})
    assert absent.faults[0].startswith("Triton: not installed")


def test_queries_that_do_not_hit_as_they_should_are_a_fault_even_unjudged() -> None:
    found = EXAMPLES["cache"]
    rows = [found.rows[0], cache_rates.Row(9, sustained(18_000.0, hit_ratio=0.5))]
    assert replace(found, rows=rows, is_judged=False).faults == ["50% of the queries hit, 90% were to"]
    slow = [found.rows[0], cache_rates.Row(9, sustained(10_000.0, hit_ratio=0.9))]
    assert replace(found, rows=slow).faults == ["at 90% hits the rate is 5.3x, the bar is 8x"]


def test_cache_that_feedback_gains_nothing_from_is_a_fault() -> None:
    found = EXAMPLES["feedback"]
    alike = [replace(row, joined_per_s=1_500.0) for row in found.rows]
    assert replace(found, rows=alike).faults == ["the cache is worth 1.00x, the bar is 1.6x"]


def test_papers_gains_are_those_of_its_rates() -> None:
    aimd, _, none, gain, _ = batching_tables.PAPER_THROUGHPUT[LINEAR.name]
    assert gain == f"{aimd / none:.1f}x"
    assert set(batching_tables.PAPER_P99) >= {line.name for line in (*PAPER_LINES, FOREST)}
    p99 = batching_tables.PAPER_P99
    assert p99[LINEAR.name][2] / p99[KERNEL_SVM.name][2] > 241
