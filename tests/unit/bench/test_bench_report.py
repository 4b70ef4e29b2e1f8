"""Bars, medians and the rendered page of a run that was made up."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bench import report
from bench.bars import BARS, Outcome, judge_all, judge_bar
from bench.compare import exit_code, parse_options
from bench.machine import Machine
from bench.prometheus import StageSummary
from bench.report import render, render_summary
from bench.results import Cell, RateCell, RateProbe, Run, SubjectInfo, load, save
from bench.row_tables import number
from bench.rows import ROWS, plan
from bench.subjects.registry import SUBJECTS

MACHINE = Machine(
    cpu="a processor",
    cores=2,
    memory_gb=24.0,
    kernel="6.1",
    system="Debian",
    python="3.11",
    wrk="wrk 4.1.0 Copyright (C)",
    compiler="g++ 12",
    commit="0123456789abcdef",
    has_local_changes=False,
    started_at="2026-01-01 00:00:00",
    variables={},
)
NOOP_C128_BAR = BARS[0]


def a_cell(subject: str, requests_per_s: float, **changes: object) -> Cell:
    cell = Cell(
        row="noop-c128",
        subject=subject,
        round=1,
        connections=128,
        requests=1_000,
        duration_us=1_000_000,
        requests_per_s=requests_per_s,
        p50_us=1_000.0,
        p99_us=2_000.0,
        max_us=3_000.0,
        errors=0,
        misses=0,
        probes=10,
        probe_defaults=0,
        wrong=(),
        server_cpu_us_per_query=10.0,
        server_cores=1.0,
        load_cores=0.5,
        other_cores=0.01,
        steal_cores=0.0,
        is_disturbed=False,
        attempts=1,
        counters={'clipper_queries_total{application="noop"}': 1_000.0},
        stages=(StageSummary("clipper_stage_seconds noop rpc 1", 1_000, 0.0001, 0.00009, 0.0002),),
    )
    return dataclasses.replace(cell, **changes)  # type: ignore[arg-type]


def a_run(*cells: Cell) -> Run:
    names = [("clipper", "ours"), ("nginx", "floor"), ("triton", "batching"), ("mosec", "batching")]
    subjects = [SubjectInfo(name, role, "1.0", "defaults", None) for name, role in names]
    subjects.append(SubjectInfo("granian", "inline", "", "", "not installed: python -m bench.install_peers granian"))
    return Run(MACHINE, {"rounds": 2}, subjects, list(cells))


def test_bar_compares_the_median_with_the_best_peers_median() -> None:
    run = a_run(a_cell("clipper", 90), a_cell("clipper", 110, round=2), a_cell("triton", 20), a_cell("mosec", 25))
    judgement = judge_bar(NOOP_C128_BAR, run)
    assert judgement.peer == "mosec"
    assert judgement.ratio == 4.0
    assert judgement.outcome is Outcome.PASS


def test_bar_below_its_limit_fails() -> None:
    judgement = judge_bar(NOOP_C128_BAR, a_run(a_cell("clipper", 50), a_cell("triton", 20), a_cell("mosec", 5)))
    assert judgement.outcome is Outcome.FAIL


def test_bar_with_a_ceiling_fails_above_it() -> None:
    (bar,) = [bar for bar in BARS if bar.metric.unit.startswith("CPU")]
    run = a_run(a_cell("clipper", 1, server_cpu_us_per_query=21.0), a_cell("nginx", 1))
    assert judge_bar(bar, run).outcome is Outcome.FAIL
    run = a_run(a_cell("clipper", 1, server_cpu_us_per_query=19.0), a_cell("nginx", 1))
    assert judge_bar(bar, run).outcome is Outcome.PASS


def test_bar_without_any_peer_is_not_judged() -> None:
    judgement = judge_bar(NOOP_C128_BAR, a_run(a_cell("clipper", 50)))
    assert judgement.outcome is Outcome.NOT_JUDGED
    assert "no figure of triton and mosec" in judgement.reason


def test_bar_with_one_of_its_peers_says_which_are_missing() -> None:
    judgement = judge_bar(NOOP_C128_BAR, a_run(a_cell("clipper", 90), a_cell("triton", 20)))
    assert judgement.outcome is Outcome.PASS
    assert judgement.reason.startswith("without mosec, ")


def test_bar_on_disturbed_cells_is_not_judged() -> None:
    run = a_run(a_cell("clipper", 90, is_disturbed=True), a_cell("triton", 20), a_cell("mosec", 20))
    assert judge_bar(NOOP_C128_BAR, run).outcome is Outcome.NOT_JUDGED


def test_disturbed_cell_is_left_out_of_the_median_where_a_quiet_one_exists() -> None:
    run = a_run(a_cell("clipper", 10, is_disturbed=True), a_cell("clipper", 90, round=2))
    assert [cell.requests_per_s for cell in run.of("noop-c128", "clipper")] == [90]


@pytest.mark.parametrize("fault", [{"misses": 2}, {"errors": 2}, {"wrong": ("8 where the model says 7",)}])
def test_bar_fails_whatever_the_speed_when_answers_were_not_the_models(fault: dict[str, object]) -> None:
    run = a_run(a_cell("clipper", 900, **fault), a_cell("triton", 20), a_cell("mosec", 20))
    assert judge_bar(NOOP_C128_BAR, run).outcome is Outcome.FAIL
    assert exit_code(run, is_quick=False) == 1


def test_wrong_answer_fails_even_a_smoke_run() -> None:
    assert exit_code(a_run(a_cell("mosec", 900, wrong=("8 where the model says 7",))), is_quick=True) == 1


def test_default_answers_beside_the_load_stand_among_the_doubts() -> None:
    assert "1 got a default answer" in render(a_run(a_cell("clipper", 5, probe_defaults=1)))


def test_missed_bar_fails_a_full_run_but_not_a_smoke_run() -> None:
    run = a_run(a_cell("clipper", 21), a_cell("triton", 20), a_cell("mosec", 20))
    assert exit_code(run, is_quick=False) == 1
    assert exit_code(run, is_quick=True) == 0


def test_page_names_machine_figures_outcome_and_what_is_missing() -> None:
    page = render(a_run(a_cell("clipper", 91_800), a_cell("triton", 21_325), a_cell("mosec", 20_465)))
    assert "a processor" in page
    assert "`0123456789ab`" in page
    assert "91,800" in page
    assert "**pass**" in page
    assert "not installed: python -m bench.install_peers granian" in page
    assert "clipper_stage_seconds noop rpc 1" in page


@pytest.mark.parametrize(
    ("tracks", "said"), [(True, "loopback are tracked"), (False, "loopback are not tracked"), (None, "")]
)
def test_page_says_whether_connections_were_tracked(tracks: bool | None, said: str) -> None:
    run = dataclasses.replace(a_run(), machine=dataclasses.replace(MACHINE, tracks_connections=tracks))
    assert said in render(run)
    assert ("over loopback" in render(run)) == (tracks is not None)


def test_page_marks_disturbed_cells_and_says_who_disturbed() -> None:
    page = render(a_run(a_cell("nginx", 5, is_disturbed=True, other_cores=0.7)))
    assert "5*" in page
    assert "others used 0.70 cores" in page


def test_summary_holds_throughput_and_ratios_alone() -> None:
    summary = render_summary(a_run(a_cell("clipper", 91_800), a_cell("triton", 22_950), a_cell("mosec", 20_465)))
    assert "| NOOP, c=128 | 91,800 |" in summary
    assert "4.00x" in summary
    assert "p99" not in summary


def test_one_run_is_written_into_both_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [tmp_path / "README.md", tmp_path / "benchmarks.md"]
    for document in documents:
        document.write_text("before\n<!-- written by bench/report.py -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    monkeypatch.setattr(report, "README", documents[0])
    monkeypatch.setattr(report, "DOCUMENT", documents[1])
    save(a_run(a_cell("clipper", 40_000), a_cell("triton", 20_000)), tmp_path / "run.json")
    assert report.main([str(tmp_path / "run.json"), "--document"]) == 0
    short, long = (document.read_text(encoding="utf-8") for document in documents)
    for text in (short, long):
        assert "commit `0123456789ab`" in text
        assert "2.00x" in text
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert "old" not in text
    assert "| NOOP c=128, best batching peer | 2.00x | >= 3.0x | FAIL |" in short
    assert len(short) < len(long)


def test_documents_of_this_project_show_one_and_the_same_run() -> None:
    commits = [
        re.findall(r"commit `([0-9a-f]{12})`", re.split("<!-- (?:written by bench/report.py|end) -->", text)[1])
        for text in (document.read_text(encoding="utf-8") for document in (report.README, report.DOCUMENT))
    ]
    assert commits[0] == commits[1] != []


def test_page_of_an_empty_run_is_rendered() -> None:
    page = render(a_run())
    assert page.count("not judged") == len(BARS)


def test_page_tells_every_run_of_a_search() -> None:
    run = a_run()
    probe = RateProbe(5_000.0, "void", 100.0, float("inf"), 12, 3_000.0, 0.5, 0.0, "the client was saturated")
    run.rates.append(RateCell("noop-open-loop", "clipper", 1, None, True, (probe,)))
    page = render(run)
    assert "void: the client was saturated" in page
    assert "The client, not the server, ended the search of: clipper." in page


def test_run_read_back_from_its_file_is_the_same(tmp_path: Path) -> None:
    run = a_run(a_cell("clipper", 1.5))
    probe = RateProbe(5_000.0, "fails", 100.0, float("inf"), 12, 30.0, 0.5, 0.0, "")
    run.rates.append(RateCell("noop-open-loop", "clipper", 1, 4_000.0, False, (probe,)))
    save(run, tmp_path / "run.json")
    assert load(tmp_path / "run.json") == run


def test_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 999}')
    with pytest.raises(ValueError, match="schema 999"):
        load(tmp_path / "run.json")


def test_every_bar_stands_on_rows_that_are_measured() -> None:
    assert all(judgement.bar.row in ROWS and judgement.bar.peer_row in ROWS for judgement in judge_all(a_run()))


def test_second_round_goes_through_the_same_steps_backwards() -> None:
    steps = plan(SUBJECTS, 2, frozenset(row.name for row in ROWS))
    half = len(steps) // 2
    first = [(step.subject, step.rows) for step in steps[:half]]
    second = [(step.subject, step.rows) for step in steps[half:]]
    assert second == first[::-1]
    assert {step.round for step in steps[half:]} == {2}


def test_plan_leaves_out_rows_that_a_subject_does_not_serve() -> None:
    steps = plan(SUBJECTS, 1, frozenset(row.name for row in ROWS))
    nginx = [row.name for step in steps if step.subject.name == "nginx" for row in step.rows]
    assert nginx == ["noop-c1", "noop-c32", "noop-c128", "linear-c128", "image-c8"]


def test_quick_options_are_one_short_round() -> None:
    options = parse_options(["--quick"])
    assert (options.rounds, options.closed.duration_s, options.closed.attempts) == (1, 1, 1)


def test_default_options_are_two_rounds_with_the_limit_of_the_method() -> None:
    options = parse_options([])
    assert options.rounds == 2
    assert options.closed.max_other_cores == 0.2


def test_number_without_a_value_is_a_dash() -> None:
    assert [number(None), number(float("nan")), number(float("inf")), number(12_345.6)] == [
        "-",
        "-",
        "no bound",
        "12,346",
    ]
