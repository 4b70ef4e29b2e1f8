"""``python -m bench.monitoring``: detection delay and false alarms in simulation; --record writes docs/monitoring.md.

Each figure is over many seeds. Nothing here depends on the machine, but for the time that a feedback takes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from bench.document import DOCUMENTS, table, write_into
from bench.machine import describe_machine
from bench.monitoring.detection import (
    OUTPUTS,
    SUBJECTS,
    Cost,
    Delays,
    FalseAlarms,
    OutputRun,
    costs,
    delays,
    false_alarms,
    output_run,
)
from clipper.monitoring.options import DETECTORS

DOCUMENT: Final = DOCUMENTS / "monitoring.md"
LOSSES: Final = (0.02, 0.1, 0.3)
CHANGES: Final = ((0.02, 0.1), (0.1, 0.15), (0.1, 0.2), (0.1, 0.3), (0.1, 0.5), (0.1, 0.9), (0.3, 0.5))
HEALTHY: Final = 2_000  # feedbacks before a change
LIMIT: Final = 5_000  # feedbacks after it
WINDOWS: Final = 50
COST_FEEDBACKS: Final = 50_000
SECTIONS: Final = ("false-alarms", "delays", "outputs", "cost")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and, if asked, write into the document."""
    parser = argparse.ArgumentParser(prog="bench.monitoring", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="runs of each change (default 200)")
    parser.add_argument("--alarm-seeds", type=int, default=20, help="runs of 100,000 feedbacks (default 20)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="measure these alone")
    parser.add_argument("--record", action="store_true", help=f"write the tables into {DOCUMENT.name}")
    options = parser.parse_args(arguments)
    began_s = time.process_time()
    sections: dict[str, Callable[[], str]] = {
        "false-alarms": lambda: render_alarms(
            [false_alarms(subject, loss, options.alarm_seeds, 100_000) for loss in LOSSES for subject in SUBJECTS]
        ),
        "delays": lambda: render_delays(
            [
                delays(subject, before, after, options.seeds, HEALTHY, LIMIT)
                for before, after in CHANGES
                for subject in SUBJECTS
            ]
        ),
        "outputs": lambda: render_outputs(
            [output_run(what, before, after, options.seeds, WINDOWS) for what, before, after in OUTPUTS]
        ),
        "cost": lambda: render_costs([costs(detector, COST_FEEDBACKS) for detector in DETECTORS]),
    }
    for name in options.only or sections:
        text = sections[name]()
        print(f"{name}\n{text}\n")
        if options.record:
            write_into(DOCUMENT, f"bench/monitoring --record, {name}", text)
    print(f"{time.process_time() - began_s:.0f} s")
    return 0


def render_alarms(measured: Sequence[FalseAlarms]) -> str:
    """Return the table of false alarms: a row for each loss, a column for each subject."""
    rows = []
    for loss in LOSSES:
        of_loss = {found.subject: found for found in measured if found.loss == loss}
        rows.append([f"{loss:g}", *(_rate(of_loss[subject]) for subject in SUBJECTS)])
    count = measured[0].feedbacks
    return table(["mean loss", *SUBJECTS], rows) + f"\n\nFalse alarms in {count:,} feedbacks, and in 100,000.\n"


def _rate(found: FalseAlarms) -> str:
    return f"{found.alarms} ({found.alarms / found.feedbacks * 1e5:.2g})"


def render_delays(measured: Sequence[Delays]) -> str:
    """Return the table of delays: a row for each change, a column for each subject."""
    rows = []
    for before, after in CHANGES:
        of_change = {found.subject: found for found in measured if (found.before, found.after) == (before, after)}
        rows.append([f"{before:g} to {after:g}", *(_delay(of_change[subject]) for subject in SUBJECTS)])
    return table(["mean loss", *SUBJECTS], rows)


def _delay(found: Delays) -> str:
    """Return median and 95th percentile, where they were reached; and what share was not noticed in time."""
    runs = len(found.delays) + found.missed
    if runs == 0:
        return "all alarmed before the change"
    remarks = [f"{found.missed / runs:.0%} not in {LIMIT:,}"] if found.missed else []
    remarks += [f"{found.early} alarmed before"] if found.early else []
    if found.missed * 2 >= runs:
        return "; ".join(["-", *remarks])
    padded = [*found.delays, *(LIMIT,) * found.missed]
    late = padded[min(len(padded) - 1, int(len(padded) * 0.95))]
    figures = f"{median(padded):.0f}" + (f" / {late}" if found.missed * 20 < runs else " / -")
    return "; ".join([figures, *remarks])


def render_outputs(measured: Sequence[OutputRun]) -> str:
    """Return the table of outputs: a row for each change."""
    rows = [
        [
            found.what,
            found.measure.upper(),
            f"{found.noticed / found.changed_windows:.0%}",
            f"{found.false_changes} of {found.unchanged_windows:,}",
        ]
        for found in measured
    ]
    return table(["change", "measure", "noticed in its first window", "unchanged windows called changed"], rows)


def render_costs(measured: Sequence[Cost]) -> str:
    """Return the table of costs: a row for each detector, and the machine below it."""
    rows = [[f"`{cost.detector}`", f"{cost.loss_us:.1f} us", f"{cost.output_us:.1f} us"] for cost in measured]
    machine = describe_machine()
    return (
        table(["detector", "a loss", "a sampled output"], rows)
        + f"\n\nCPU time of one model; {machine.cpu}, Python {machine.python}, {machine.started_at[:10]}.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
