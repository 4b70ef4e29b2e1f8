"""What a scrape costs is measured against a running Clipper; here for a moment, to see that it works."""

from __future__ import annotations

import pytest

from bench.scrape_cost import Stretch, main, render

SHORT = ("--applications", "3", "--rounds", "1", "--seconds", "0.5")
MAX_LAG_MS = 1_000.0  # no bound: what is tested is the command, not how busy the machine is


def test_medians_are_shown_for_each_interval_that_was_not_void() -> None:
    stretches = [
        Stretch(0.0, (1_000.0, 2_000.0, 3_000.0, 4_000.0), 0.0),
        Stretch(1.0, (1_000.0, 2_000.0, 3_000.0, 5_000.0), 7_000.0),
        Stretch(1.0, (1_000.0, 4_000.0, 3_000.0, 5_000.0), 9_000.0),
    ]
    assert render(stretches).splitlines()[2:] == [
        "| none | 1.00 | 2.00 | 3.00 | 4.00 | - |",
        "| every 1 s | 1.00 | 3.00 | 3.00 | 5.00 | 8.0 |",
        "| every 0.1 s | void | void | void | void | void |",
    ]


def test_stretches_with_and_without_scrapes_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--max-lag-ms", str(MAX_LAG_MS)]) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("3 applications, a page of ")
    cells = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in rows[2:]}
    assert list(cells) == ["none", "every 1 s", "every 0.1 s"]
    assert cells["none"][-1].strip() == "-"
    assert 0 < float(cells["every 0.1 s"][-1]) < 1_000
    assert all(float(cell) >= 2.0 for row in cells.values() for cell in row[:4])  # no answer before the model's


def test_stretches_of_a_client_that_is_late_are_told_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--max-lag-ms", "0"]) == 1
    *told, _, _, _, first, second, third = capsys.readouterr().out.splitlines()
    assert len(told) == 3 and all("round 1: void, the client was " in line for line in told)
    assert all(row.count("void") == 5 for row in (first, second, third))
