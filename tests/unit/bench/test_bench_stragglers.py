"""The straggler measurement: what it holds to be kept, and the table that it writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.stragglers import WAYS, Result, render_table

KINDS = {"complete": 0, "decided": 97, "partial": 3}
GOOD = Result(3, WAYS[2], 4_600.0, 4_300.0, 20_500.0, KINDS, 0.34, 0, 1_000.0, None)


def test_majority_within_its_objective_and_far_below_on_average_has_no_faults() -> None:
    assert GOOD.faults == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"p99_us": 21_001.0}, "p99 is 21.0 ms"),
        ({"mean_us": 10_001.0}, "the mean is 10.0 ms: it pays for the tail"),
        ({"failed": 2}, "2 queries without a prediction"),
    ],
)
def test_promise_that_is_not_kept_is_told(changes: dict[str, float], fault: str) -> None:
    (found,) = replace(GOOD, **changes).faults  # type: ignore[arg-type]
    assert found.startswith(fault)


def test_baseline_that_waits_for_all_and_a_run_of_a_late_client_are_not_judged() -> None:
    assert replace(GOOD, p99_us=80_000.0, way=WAYS[0]).faults == []
    assert replace(GOOD, p99_us=80_000.0, void_reason="the client was late").faults == []


def test_table_has_a_row_for_each_run() -> None:
    header, _, row = render_table([GOOD]).splitlines()
    assert header.count("|") == row.count("|")
    assert row == "| 3 | `majority`, 20 ms | 4.6 ms | 4.3 ms | 20.5 ms | 0% | 97% | 3% | 34% |"
