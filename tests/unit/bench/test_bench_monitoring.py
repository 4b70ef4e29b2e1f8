"""The simulation behind docs/monitoring.md: small runs, and how figures are written."""

from __future__ import annotations

import pytest

from bench.document import begin_mark
from bench.monitoring.__main__ import DOCUMENT, SECTIONS, render_alarms, render_delays
from bench.monitoring.detection import OUTPUTS, Delays, FalseAlarms, delays, false_alarms, output_run

OURS = "`page_hinkley`"


def test_run_that_changes_is_measured_from_its_change_and_repeats_itself() -> None:
    found = delays(OURS, 0.1, 0.9, seeds=3, healthy=500, limit=500)
    assert len(found.delays) == 3 and found.missed == found.early == 0
    assert all(0 < delay < 100 for delay in found.delays)
    assert delays(OURS, 0.1, 0.9, seeds=3, healthy=500, limit=500) == found


def test_run_that_does_not_change_has_no_alarm_and_misses_nothing_that_is_not_there() -> None:
    assert false_alarms(OURS, 0.1, seeds=2, feedbacks=2_000).alarms == 0
    assert delays(OURS, 0.1, 0.1, seeds=2, healthy=500, limit=500).missed == 2


@pytest.mark.parametrize("case", OUTPUTS, ids=lambda case: case[0])
def test_each_change_of_outputs_is_compared_by_what_its_outputs_are(case: tuple[str, object, object]) -> None:
    what, before, after = case
    found = output_run(what, before, after, seeds=1, windows=1)  # type: ignore[arg-type]
    assert found.measure == ("ks" if what.startswith("numbers") else "psi") and found.false_changes == 0


def test_figures_that_were_not_reached_are_not_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.monitoring.__main__.SUBJECTS", {OURS: None})
    monkeypatch.setattr("bench.monitoring.__main__.CHANGES", ((0.1, 0.2),))
    monkeypatch.setattr("bench.monitoring.__main__.LOSSES", (0.1,))

    def row(**fields: object) -> str:
        values: dict[str, object] = {"delays": (), "early": 0, "missed": 0, **fields}
        return render_delays([Delays(OURS, 0.1, 0.2, **values)]).splitlines()[-1]  # type: ignore[arg-type]

    assert row(delays=(10, 20, 30)) == "| 0.1 to 0.2 | 20 / 30 |"
    assert row(delays=(10, 20, 30), missed=1) == "| 0.1 to 0.2 | 25 / -; 25% not in 5,000 |"
    assert row(delays=(10,), missed=1) == "| 0.1 to 0.2 | -; 50% not in 5,000 |"
    assert row(early=4) == "| 0.1 to 0.2 | all alarmed before the change |"
    assert "| 0.1 | 3 (1.5) |" in render_alarms([FalseAlarms(OURS, 0.1, 200_000, 3)])


def test_document_has_a_place_for_each_section() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in SECTIONS:
        assert text.count(begin_mark(f"bench/monitoring --record, {name}")) == 1
