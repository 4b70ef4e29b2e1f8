"""What the paper's figures are made of: the failing script, digits with dialects, intervals, verdicts and tables."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import document
from bench.context_memory import LIMIT_BYTES_PER_CONTEXT, ContextMemory
from bench.machine import describe_machine
from bench.paper import digits, figure_7, figure_8, figure_9, figure_10, records, render, tables
from bench.paper.contestants import BEST_STATIC, CONTESTANTS
from bench.paper.failing_model import (
    BEST,
    ERROR_RATIOS,
    FULL,
    QUICK,
    Script,
    environment_of,
    errors_of,
    oracle_ratio,
    static_ratios,
)
from bench.paper.figures import FIGURES
from bench.paper.intervals import mean_interval, share_interval
from bench.paper.summary import summary
from bench.selection_cost import WAYS, Cell, SelectionCost
from bench.selection_cost import render as render_cost
from model_containers.simulated.container import SimulatedSettings
from model_containers.simulated.labels import answer_labels
from tests.support import paper_examples

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "paper.md"

# -- intervals -------------------------------------------------------------------------------------------------------


def test_interval_of_a_mean_is_that_of_student() -> None:
    interval = mean_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2.0
    assert interval.half == pytest.approx(4.303 / math.sqrt(3))


def test_interval_of_one_value_is_unknown_and_of_none_an_error() -> None:
    assert mean_interval([0.5]).half == math.inf
    assert str(mean_interval([0.5])) == "0.5000"
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])
    with pytest.raises(ValueError, match="no trials"):
        share_interval(0, 0)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_interval_holds_its_mean_and_is_no_narrower_than_the_normal_one(values: list[float]) -> None:
    interval = mean_interval(values)
    assert interval.mean == pytest.approx(float(np.mean(values)))
    assert interval.half >= 1.95 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) - 1e-12


# -- the failing model -----------------------------------------------------------------------------------------------


def test_oracle_and_static_choices_of_the_script_are_those_of_the_paper() -> None:
    assert oracle_ratio(FULL) == pytest.approx(0.1106, abs=5e-5)
    assert min(static_ratios(FULL)) == BEST_STATIC
    assert static_ratios(FULL)[BEST] == pytest.approx(0.2936, abs=1e-4)


@pytest.mark.parametrize("is_correlated", [False, True])
def test_script_gives_every_model_its_stated_error_in_every_phase(is_correlated: bool) -> None:
    script = Script.write(FULL, 3, 1)
    wrong = script.answers(is_correlated=is_correlated) != script.labels
    for member, ratio in enumerate(ERROR_RATIOS):
        expected = [ratio, 0.9 if member == BEST else ratio, ratio]
        for phase, error in zip(FULL.phases, expected, strict=True):
            count = len(script.labels[phase])
            assert abs(wrong[member][phase].mean() - error) < 5 * math.sqrt(0.25 / count)


def test_script_tells_what_the_container_with_its_environment_answers() -> None:
    script = Script.write(QUICK, 0, 1)
    rows = np.array([script.input(at) for at in range(QUICK.queries)], np.float64)
    for member, expected in enumerate(script.answers(is_correlated=True)):
        settings = SimulatedSettings.from_environment(environment_of(member, is_correlated=True))
        errors = settings.label_errors()
        assert errors == errors_of(member, is_correlated=True)
        assert (answer_labels(errors, rows, False) == expected).all()


def test_scripts_share_no_query() -> None:
    numbers = [Script.write(QUICK, run, seed).numbers for run in range(3) for seed in range(QUICK.seeds)]
    assert len(np.unique(np.concatenate(numbers))) == 3 * QUICK.seeds * QUICK.queries


# -- digits ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_image_that_is_turned_by_nothing_or_a_quarter_keeps_its_pixels(seed: int) -> None:
    image = np.round(np.random.default_rng(seed).uniform(0, 16, (1, digits.PIXELS)))
    assert (digits.turn(image, np.zeros(1)) == image).all()
    quarter = digits.turn(image, np.full(1, 90.0)).reshape(digits.SIDE, digits.SIDE)
    assert (quarter == np.rot90(image.reshape(digits.SIDE, digits.SIDE))).all()


@given(st.floats(-180, 180))
def test_image_that_is_turned_stays_within_its_brightness(degrees: float) -> None:
    image = np.full((1, digits.PIXELS), digits.BRIGHTEST)
    turned = digits.turn(image, np.array([degrees]))
    assert turned.min() >= 0 and turned.max() <= digits.BRIGHTEST


def test_dialects_are_evenly_spaced_around_upright() -> None:
    assert list(digits.dialect_degrees(3)) == [-14, 0, 14]


def test_images_that_are_asked_were_never_fitted() -> None:
    fitted, asked = digits.split_images()
    known = {image.tobytes() for image in fitted.pixels}
    assert len(fitted.labels) + len(asked.labels) == 1797
    assert not any(image.tobytes() in known for image in asked.pixels)


# -- verdicts and tables ---------------------------------------------------------------------------------------------

OUTCOME = figure_8.Outcome(
    name="single", title="one model: `thompson`", is_correlated=False, delay=0, limit=0.136,
    overall=[0.13, 0.132], phases=[[0.1, 0.1], [0.2, 0.2], [0.1, 0.1]], curve=[0.1, 0.13], curve_half=[0.01, 0.01],
    shares=[[0.2, 0.2]] * 5, defaults=[], strange=[], lag_mean=4.0, lag_max=9, duration_s=60.0,
)  # fmt: skip
LINE = figure_10.Line("ensemble", "all models, by writer: `hedge`", [0.35, 0.28, 0.26, 0.25], [0.01] * 4, few=3)
ROW = figure_9.Row(3, "majority", "`majority`, 20 ms", 4_600.0, 4_300.0, 19_000.0, {}, 0.3, 900.0, None, [])
MACHINE = describe_machine()
EXAMPLES: dict[str, Any] = {
    **paper_examples.EXAMPLES,
    "figure-7": figure_7.Figure7(
        queries=1_000,
        members={"tree": figure_7.Group(1_000, 300), "linear": figure_7.Group(1_000, 100)},
        vote=figure_7.Group(1_000, 90),
        learnt=figure_7.Group(1_000, 80),
        agreement={"2": (figure_7.Group(700, 20), figure_7.Group(300, 70))},
        defaults=0,
        is_judged=True,
    ),
    "figure-8": figure_8.Figure8(20_000, 5_000, 10_000, 2, 0.1106, [0.46, 0.3461, 0.2425, 0.168, 0.2936], [OUTCOME]),
    "figure-9": figure_9.Figure9(20_000, 100.0, 10.0, [ROW], is_judged=True),
    "figure-10": figure_10.Figure10(
        8, 168, 3, 20, figure_10.Line("own", "own dialect", [0.1], [0.01]),
        figure_10.Line("everybody", "one for all", [0.3], [0.01]), [LINE], 0, is_judged=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_figure_that_holds_has_no_faults_and_survives_json(name: str) -> None:
    figure = EXAMPLES[name]
    assert figure.faults == []
    again = FIGURES[name].from_json(json.loads(json.dumps(asdict(figure))))
    assert FIGURES[name].tables(again) == FIGURES[name].tables(figure)
    assert again.faults == []


@pytest.mark.parametrize("name", FIGURES)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    for part in FIGURES[name].tables(EXAMPLES[name]).split("\n\n"):
        lines = [line for line in part.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"overall": [0.14, 0.14]}, "the bar is 0.136"),
        ({"defaults": ["query 3: late"] * 11}, "11 queries without a prediction, the first: query 3: late"),
        ({"strange": ["query 3: independent-1:1 answered 4, possible was [5]"]}, "query 3"),
    ],
)
def test_contestant_that_misses_its_bar_or_answers_strangely_is_told(changes: dict[str, Any], told: str) -> None:
    (fault,) = replace(OUTCOME, **changes).faults
    assert fault.startswith("single: ") and told in fault


def test_contestants_have_names_of_their_own_and_the_bars_of_both_ways() -> None:
    names = [contestant.name for contestant in CONTESTANTS]
    assert len(set(names)) == len(names)
    limits = {one.name: one.limit for one in CONTESTANTS if one.limit is not None}
    assert limits == {
        "single": 0.136, "ensemble": 0.115, "single-late": 0.144, "ensemble-late": 0.123,
        "single-correlated": 0.168, "ensemble-correlated": 0.168,
    }  # fmt: skip


def test_ensemble_no_better_than_its_best_member_is_a_fault() -> None:
    figure = EXAMPLES["figure-7"]
    (fault,) = replace(figure, vote=figure_7.Group(1_000, 96)).faults
    assert fault == "vote: 96 wrong answers, the best member has 100"
    (fault,) = replace(figure, learnt=figure_7.Group(1_000, 106)).faults
    assert fault.startswith("learnt weights: 106")
    (fault,) = replace(figure, agreement={"2": (figure_7.Group(700, 70), figure_7.Group(300, 30))}).faults
    assert "2 agree" in fault


@pytest.mark.parametrize(
    ("errors", "after"), [([0.35, 0.28], 1), ([0.28, 0.28], 0), ([0.35, 0.28, 0.31], None), ([0.35, 0.31], None)]
)
def test_selection_by_writer_is_better_from_where_it_stays_below(errors: list[float], after: int | None) -> None:
    figure = EXAMPLES["figure-10"]
    assert figure.better_after(replace(LINE, errors=errors)) == after


def test_selection_by_writer_that_needs_many_labels_is_a_fault() -> None:
    slow = replace(LINE, errors=[0.35, 0.34, 0.33, 0.32, 0.2], halves=[0.01] * 5)
    (fault,) = replace(EXAMPLES["figure-10"], learners=[slow]).faults
    assert "after 3 labels" in fault
    assert replace(EXAMPLES["figure-10"], learners=[replace(slow, few=None)]).faults == []


def test_void_run_of_stragglers_is_told_as_such() -> None:
    figure = EXAMPLES["figure-9"]
    void = replace(ROW, void_reason="the client was late")
    assert replace(figure, rows=[void]).faults == ["majority of 3: void, the client was late"]
    assert "void" in tables.figure_9(replace(figure, rows=[void]))


# -- costs -----------------------------------------------------------------------------------------------------------


def cost(**rates: float) -> SelectionCost:
    cells = [
        Cell(
            way=way.name,
            round=1,
            requests_per_s=rates.get(way.name, 1_000.0),
            failed_ratio=0.0,
            p50_us=3_000.0,
            p99_us=9_000.0,
            server_us_per_query=40.0,
            other_cores=0.0,
            told=10 if way.feedback_ratio else 0,
        )
        for way in WAYS
    ]
    return SelectionCost(128, 8, cells, None)


def test_bandit_below_the_bar_is_a_fault_and_the_one_with_feedback_is_only_shown() -> None:
    assert cost(even=600.0, learnt=600.0, told=100.0).faults == []
    (fault,) = cost(even=590.0).faults
    assert "59% of the single-model path, the bar is 60%" in fault
    assert "| 59% (bar 60%) |" in render_cost(cost(even=590.0))


def test_cost_survives_json() -> None:
    memory = ContextMemory(10, 4, {"frontend": 5, "management": 5}, {"frontend": 6, "management": 6}, 10, 1.0)
    whole = replace(cost(), contexts=memory)
    assert SelectionCost.from_json(json.loads(json.dumps(asdict(whole)))) == whole


def test_contexts_beyond_their_bound_or_lost_are_faults() -> None:
    limit = LIMIT_BYTES_PER_CONTEXT["frontend"]
    fits = ContextMemory(10, 4, {"frontend": 0, "management": 0}, {"frontend": 10 * limit, "management": 0}, 10, 1.0)
    assert fits.faults == []
    assert "frontend" in replace(fits, after_bytes={"frontend": 10 * limit + 1, "management": 0}).faults[0]
    assert replace(fits, kept=9).faults == ["9 of 10 contexts are kept"]


# -- records and the document ----------------------------------------------------------------------------------------


def test_record_is_read_back_and_rendered_with_its_source(tmp_path: Path) -> None:
    kept = records.keep("figure-8", EXAMPLES["figure-8"], MACHINE, is_full=True, directory=tmp_path)
    assert records.load("figure-8", tmp_path) == replace(kept, result=json.loads(json.dumps(kept.result)))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{document.begin_mark(render.mark_of('figure-8'))}\nold\n{document.END_MARK}\nafter\n")
    render.render_into(page, {"figure-8": kept})
    text = page.read_text()
    assert "old" not in text and kept.source in text and text.startswith("before\n") and text.endswith("after\n")


def test_figure_that_was_never_measured_has_no_record(tmp_path: Path) -> None:
    assert records.load("figure-8", tmp_path) is None


@pytest.mark.parametrize("name", FIGURES)
def test_document_says_what_the_records_say(name: str) -> None:
    record = records.load(name)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert document.begin_mark(render.mark_of(name)) in text
    if record is not None:
        assert document.replace_between(text, render.mark_of(name), render.content_of(record)) == text


def test_document_sums_up_what_the_records_say() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    known = {name: record for name in FIGURES if (record := records.load(name))}
    assert not known or document.replace_between(text, render.SUMMARY, summary(known)) == text


def test_summary_says_of_each_claim_whether_it_holds(tmp_path: Path) -> None:
    for name, example in EXAMPLES.items():
        records.keep(name, example, MACHINE, is_full=True, directory=tmp_path)
    found = {name: record for name in FIGURES if (record := records.load(name, tmp_path))}
    lines = summary(found).splitlines()[2:]
    assert len(lines) == 13
    assert all(line.endswith("| yes |") for line in lines)
    figure = EXAMPLES["figure-8"]
    worse = replace(figure, outcomes=[replace(OUTCOME, overall=[0.2])])
    found["figure-8"] = records.keep("figure-8", worse, MACHINE, is_full=True, directory=tmp_path)
    assert [line for line in summary(found).splitlines() if line.endswith("| **no** |")]


@pytest.mark.optional("matplotlib", "python -m pip install 'matplotlib>=3.9'")
def test_every_figure_is_drawn_and_twice_the_same(tmp_path: Path) -> None:
    from bench.paper.plots import draw_all

    for name, example in EXAMPLES.items():
        records.keep(name, example, MACHINE, is_full=True, directory=tmp_path)
    found = {name: record for name in FIGURES if (record := records.load(name, tmp_path))}
    drawn = [{file.name: file.read_bytes() for file in draw_all(found, tmp_path / part)} for part in ("a", "b")]
    assert set(drawn[0]) == {f"{name}.svg" for name in FIGURES}
    assert drawn[0] == drawn[1]
