"""The measurement of the real system, without the system: searches, the fitted line, scaling, bars, document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.document import begin_mark, replace_between, table
from bench.goodput import __main__ as command
from bench.goodput.deployment import Batches, Probe, fit_line
from bench.goodput.measure import Measured, Plan, fixed_sizes, scale_for
from bench.goodput.report import figures_table, missed_bars, notes
from bench.goodput.search import PolicySearch, search_in_turn, search_side_by_side
from bench.lines import FOREST, KERNEL_SVM, LINEAR, PAPER_LINES, Line
from bench.loadgen.histogram import LogHistogram

NO_BATCHES = Batches()


def probe_of(rate: float, limit: float, void_reason: str | None = None) -> Probe:
    return Probe(rate, 1_000, 1_000 if rate <= limit else 900, void_reason, NO_BATCHES)


# -- searching ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(10, 10_000), min_size=1, max_size=4), st.booleans())
def test_search_finds_each_policys_limit_in_turn_and_side_by_side(limits: list[float], in_turn: bool) -> None:
    searches = [PolicySearch(str(n), 500, seed=1, max_probes=90) for n in range(len(limits))]
    run = search_in_turn if in_turn else search_side_by_side
    run(searches, lambda policy, rate, seed: probe_of(rate, limits[int(policy)]))
    for search, limit in zip(searches, limits, strict=True):
        assert limit / 1.03 <= search.rate_per_s <= limit


def test_search_ends_at_its_most_probes_with_what_it_has() -> None:
    search = PolicySearch("p", 100, seed=1, max_probes=3)
    search_in_turn([search], lambda policy, rate, seed: probe_of(rate, 1e9))
    assert len(search.probes) == 3 and search.rate_per_s == pytest.approx(121)
    none = PolicySearch("p", 100, seed=1, max_probes=3)
    search_in_turn([none], lambda policy, rate, seed: probe_of(rate, 0, "the client was late"))
    assert none.rate_per_s == 0


def test_probe_without_an_answer_has_no_goodput() -> None:
    assert Probe(100, 0, 0, "nothing was sent", NO_BATCHES).goodput_per_s == 0
    assert Probe(100, 50, 25, None, NO_BATCHES).goodput_per_s == 50


# -- the line as measured ----------------------------------------------------------------------------------------------


@given(
    st.floats(0, 10_000),
    st.floats(0, 500),
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 100)), min_size=2, unique_by=lambda seen: seen[0]),
)
def test_line_is_recovered_from_means(base: float, per_item: float, seen: list[tuple[int, int]]) -> None:
    batches = [Batches(count, count * size, count * (base + per_item * size)) for size, count in seen]
    found = fit_line("line", batches)
    assert found.base_us == pytest.approx(base, abs=1e-3 + 1e-6 * base)
    assert found.per_item_us == pytest.approx(per_item, abs=1e-4 + 1e-6 * per_item)


def test_line_through_one_size_is_flat() -> None:
    assert fit_line("line", [Batches(10, 50, 40_000), Batches(20, 100, 80_000)]) == Line("line", 4_000, 0)


# -- the plan ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", PAPER_LINES, ids=lambda line: line.name)
@given(st.floats(12_000, 1e6))
def test_line_is_scaled_until_it_is_a_twelfth_of_the_ceiling(line: Line, ceiling: float) -> None:
    scaled = line.scaled(scale_for(line, ceiling))
    assert scaled.two_batch_rate_per_s() <= ceiling / 12
    assert scaled.base_us == line.base_us


def test_fast_front_end_needs_no_scaling() -> None:
    assert scale_for(FOREST, 1e6) == scale_for(KERNEL_SVM, 5_000) == 1


def test_fixed_sizes_to_search_span_half_to_three_quarters_of_the_objective() -> None:
    assert fixed_sizes(KERNEL_SVM) == [1, 2, 3]
    assert fixed_sizes(LINEAR) == [842, 1_164]


def test_probe_lasts_long_enough_for_its_queries() -> None:
    plan = Plan(seconds=2, queries=1_000)
    assert plan.duration_s(10_000) == 2 and plan.duration_s(50) == 20


# -- the report --------------------------------------------------------------------------------------------------------


def measured(**changed: object) -> Measured:
    run = Measured(
        "forest", 4, 7_237, 85.6, 30_000, {"rounds": 3, "seconds": 2.0, "queries": 1_000}, False,
        rates={"aimd": [900, 1_000, 1_100], "quantile": [980, 990, 970], "fixed-30": [500] * 3, "fixed-40": [1000] * 3},
        goodputs={f"{name} {load}": [1_000.0] * 3 for name in ("aimd", "quantile") for load in (2, 4)},
        measured_base_us=7_400, measured_per_item_us=86, simulated={"aimd": 1_100, "quantile": 1_100}, probes=60,
    )  # fmt: skip
    for name, value in changed.items():
        setattr(run, name, value)
    return run


def test_bars_that_hold_are_not_told() -> None:
    assert missed_bars([measured()]) == []


def test_each_missed_bar_is_told_with_its_figure() -> None:
    slow = measured(simulated={"aimd": 1_300, "quantile": 1_100})
    assert missed_bars([slow]) == ["forest: aimd reaches 0.769 of the simulator's rate, the bar is 0.8"]
    behind = measured(rates={**measured().rates, "fixed-40": [1_100] * 3})
    assert [line.split(" reaches ")[0] for line in missed_bars([behind])] == ["forest: aimd", "forest: quantile"]
    collapsed = measured(goodputs={**measured().goodputs, "aimd 4": [100.0] * 3})
    assert "as goodput at 4x, the bar is 0.95" in missed_bars([collapsed])[0]


def test_figures_show_medians_range_and_the_best_size() -> None:
    text = figures_table([measured()])
    assert "1,000 (900.0 to 1,100)" in text and "1,000 (40)" in text and "(per item x4)" in text
    assert "60 probes" in notes([measured()])


def test_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    assert command.load(file) == {}
    command.save(file, {"forest": measured()})
    assert command.load(file) == {"forest": measured()}
    assert json.loads(file.read_text())["machine"]["cores"] >= 1


def test_count_up_to_a_value_leaves_out_the_bucket_that_goes_beyond() -> None:
    histogram = LogHistogram()
    for value in (1, 100, 19_000_000, 20_000_000, 21_000_000):
        histogram.record(value)
    assert histogram.count_up_to(20_000_000) in (3, 4) and histogram.count_up_to(10**9) == 5


# -- the document ------------------------------------------------------------------------------------------------------


def test_text_between_marks_is_replaced_and_nothing_else() -> None:
    text = f"before\n{begin_mark('a')}\nold\n<!-- end -->\nafter\n{begin_mark('b')}\n<!-- end -->\n"
    written = replace_between(text, "a", table(["x", "y"], [["1", "2"]]))
    assert written == text.replace("old", "| x | y |\n| --- | --: |\n| 1 | 2 |")
    assert replace_between(written, "a", "old") == text


MARK = begin_mark("a")


@pytest.mark.parametrize("text", ["nothing", MARK, f"<!-- end -->\n{MARK}\n", f"{MARK}\n<!-- end -->\n" * 2])
def test_document_without_its_one_pair_of_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no text between"):
        replace_between(text, "a", "b")
