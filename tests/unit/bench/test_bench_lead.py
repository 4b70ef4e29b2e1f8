"""Where Clipper leads and where not; applications with objectives of their own; what is left out of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import install_peers
from bench.compare import parse_options
from bench.install_peers import PEERS, Peer, install, why_not_installed
from bench.lead import REASONS, UNEXPLAINED, standing, standings
from bench.loadgen.histogram import bucket_of
from bench.loadgen.open_loop import OpenLoopRun
from bench.machine import Machine
from bench.mixed import judge_parts
from bench.report import render, render_for_document
from bench.results import Cell, RateCell, Run, SubjectInfo
from bench.rows import NOOP_C1, NOOP_C128, OPEN_LOOP, ROWS, TREES_C128, plan
from bench.subjects.peer import PeerSubject
from bench.subjects.registry import SUBJECTS
from bench.workloads import MIX, Workload
from clipper.bench.load_run import read_client
from clipper.bench.rate_search import Verdict

MACHINE = Machine(
    cpu="a processor", cores=2, memory_gb=24.0, kernel="6.1", system="Debian", python="3.11", wrk="wrk", compiler="g++",
    commit="0123456789ab", has_local_changes=False, started_at="2026-01-01 00:00:00", variables={},
)  # fmt: skip


def a_cell(row: str, subject: str, requests_per_s: float, p50_us: float = 1_000.0) -> Cell:
    return Cell(
        row=row, subject=subject, round=1, connections=128, requests=1_000, duration_us=1_000_000,
        requests_per_s=requests_per_s, p50_us=p50_us, p99_us=2_000.0, max_us=3_000.0, errors=0, misses=0, probes=10,
        probe_defaults=0, wrong=(), server_cpu_us_per_query=10.0, server_cores=1.0, load_cores=0.5, other_cores=0.0,
        steal_cores=0.0, is_disturbed=False, attempts=1,
    )  # fmt: skip


def a_run(*cells: Cell) -> Run:
    subjects = [
        SubjectInfo("clipper", "ours", "1", "defaults", None),
        SubjectInfo("nginx", "floor", "1", "constant", None),
        SubjectInfo("triton", "batching", "1", "set", None),
        SubjectInfo("bentoml", "batching", "1", "set", None, {"image": "takes no raw body"}),
        SubjectInfo("granian", "inline", "", "", "not installed: python -m bench.install_peers granian"),
    ]
    return Run(MACHINE, {"rounds": 2}, subjects, list(cells))


def test_lead_is_over_the_best_peer_and_floors_are_none() -> None:
    run = a_run(
        *(a_cell("noop-c128", *of) for of in (("clipper", 90.0), ("triton", 30.0), ("bentoml", 1.0), ("nginx", 99.0)))
    )
    found = standing(run, NOOP_C128)
    assert found is not None
    assert (found.best, found.advantage, found.ahead, found.reason) == (("triton", 30.0), 3.0, [], "")


def test_one_connection_is_judged_by_latency_and_a_faster_peer_is_named_with_the_reason() -> None:
    run = a_run(a_cell("noop-c1", "clipper", 5.0, p50_us=200.0), a_cell("noop-c1", "triton", 9.0, p50_us=100.0))
    found = standing(run, NOOP_C1)
    assert found is not None
    assert (found.advantage, found.ahead, found.reason) == (0.5, ["triton"], REASONS["noop-c1"])


def test_peer_ahead_without_a_known_reason_is_unexplained() -> None:
    run = a_run(a_cell("trees-c128", "clipper", 5.0), a_cell("trees-c128", "triton", 9.0))
    found = standing(run, TREES_C128)
    assert found is not None
    assert found.reason == UNEXPLAINED
    assert f"TREES, c=128: triton ahead; {UNEXPLAINED}." in render(run)


def test_search_is_judged_by_the_highest_rate() -> None:
    run = a_run()
    run.rates += [
        RateCell(OPEN_LOOP.name, name, 1, rate, False, ()) for name, rate in (("clipper", 50.0), ("triton", 10.0))
    ]
    found = standing(run, OPEN_LOOP)
    assert found is not None
    assert found.advantage == 5.0


def test_row_without_our_figure_has_no_standing() -> None:
    assert standings(a_run(a_cell("noop-c128", "triton", 9.0))) == []


def test_reasons_belong_to_rows_that_are_measured() -> None:
    assert set(REASONS) <= {row.name for row in ROWS}


def test_row_says_who_has_no_figure_and_why() -> None:
    page = render(a_run(a_cell("image-c8", "clipper", 90.0), a_cell("image-c8", "triton", 30.0)))
    assert "Without a figure: bentoml: takes no raw body; granian: not there, see Subjects." in page


def test_document_holds_the_rows_but_not_the_servers_own_view() -> None:
    page = render_for_document(a_run(a_cell("noop-c128", "clipper", 91_800.0), a_cell("noop-c128", "triton", 21_325.0)))
    assert "91,800" in page
    assert "4.30x" in page
    assert "What Clipper says" not in page


def a_part_run(p99_ms: float, answered: int = 1_000, idle_ratio: float = 0.5, **failures: int) -> OpenLoopRun:
    seen: dict[str, Any] = {
        "groups": [
            {
                "outcomes": {"answered": answered, **failures},
                "latency_ns": [[bucket_of(round(p99_ms * 1e6)), answered]],
                "other_latency_ns": [],
            }
        ],
        "lag_ns": [],
        "idle_ratios": [idle_ratio],
        **dict.fromkeys(("waited", "reconnects", "received_bytes", "cpu_us", "elapsed_us", "next_counter"), 1),
        "examples": {},
    }
    return read_client(seen, rate_per_s=100.0, duration_s=10.0)


def test_mixed_run_holds_if_each_application_keeps_its_own_objective() -> None:
    verdict, note = judge_parts(MIX, [a_part_run(19), a_part_run(49), a_part_run(99)], is_disturbed=False)
    assert verdict is Verdict.HOLDS
    assert re_words(note) == ["noop", "trees", "linear"]


def re_words(note: str) -> list[str]:
    return [part.split()[0] for part in note.split("; ")]


def test_mixed_run_fails_if_one_application_misses_its_objective() -> None:
    runs = [a_part_run(19), a_part_run(51), a_part_run(30)]
    assert judge_parts(MIX, runs, is_disturbed=False)[0] is Verdict.FAILS


def test_mixed_run_with_refused_queries_fails_and_says_how_many() -> None:
    verdict, note = judge_parts(MIX, [a_part_run(5, 900, bad_status=100), a_part_run(5), a_part_run(5)], False)
    assert verdict is Verdict.FAILS
    assert "bad_status 100" in note


def test_mixed_run_of_a_saturated_client_is_void() -> None:
    runs = [a_part_run(30, idle_ratio=0.0), a_part_run(5), a_part_run(5)]
    assert judge_parts(MIX, runs, is_disturbed=False)[0] is Verdict.VOID


def test_rows_whose_models_cannot_be_made_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.compare.missing_module", lambda w: "no trees here" if w is Workload.TREES else None)
    options = parse_options(["--quick"])
    assert "trees-c128" not in options.rows
    assert "mixed-open-loop" not in options.rows
    assert "noop-c128" in options.rows
    assert "trees-c128: no trees here" in str(options.described()["left out"])


def test_quick_plan_gives_each_subject_one_life_and_every_subject_a_row() -> None:
    steps = plan(SUBJECTS, 1, frozenset(row.name for row in ROWS), is_quick=True)
    assert [step.subject for step in steps] == list(SUBJECTS)


def test_quick_plan_measures_each_row_for_clipper() -> None:
    steps = plan(SUBJECTS, 1, frozenset(row.name for row in ROWS), is_quick=True)
    (ours,) = [step for step in steps if step.subject.name == "clipper"]
    assert ours.rows == ROWS


def test_quick_lists_name_subjects_that_there_are() -> None:
    assert {name for row in ROWS for name in row.quick} <= {kind.name for kind in SUBJECTS}


def test_every_peer_subject_has_an_installer_and_the_reverse() -> None:
    assert {kind.name for kind in SUBJECTS if issubclass(kind, PeerSubject)} == {peer.name for peer in PEERS}


@pytest.fixture
def peers_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(install_peers, "PEERS_DIR", tmp_path)
    return tmp_path


def test_peer_that_cannot_be_installed_keeps_its_reason_until_it_can(
    peers_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert why_not_installed("toy") == "not installed: python -m bench.install_peers toy"
    monkeypatch.setattr(install_peers, "_run_steps", lambda steps: "ERROR: no matching distribution")
    assert install(Peer("toy", ("toy",)), again=False) == "ERROR: no matching distribution"
    assert str(why_not_installed("toy")).startswith(
        "cannot be installed: ERROR: no matching distribution; to try again"
    )
    monkeypatch.setattr(install_peers, "_run_steps", lambda steps: (peers_dir / "toy").mkdir())
    assert install(Peer("toy", ("toy",)), again=False) is None
    assert why_not_installed("toy") is None


def test_peer_is_left_alone_until_it_needs_something_else(peers_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[object] = []
    monkeypatch.setattr(install_peers, "_run_steps", lambda steps: runs.append(steps))
    (peers_dir / "toy" / "bin").mkdir(parents=True)
    (peers_dir / "toy" / "bin" / "python").touch()
    (peers_dir / "toy" / "installed").touch()
    for requirements in (("toy",), ("toy",), ("toy", "more")):
        assert install(Peer("toy", requirements), again=False) is None
    assert len(runs) == 2
    assert (peers_dir / "toy" / "bin" / "python").exists()
