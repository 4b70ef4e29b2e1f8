"""Figure 5: what it buys to let a batch wait for more queries.

The paper's wait is set by hand and counts as a part of the batch's duration. Here it is `core.batch_wait_us`, a bound:
a batch that would not gain, or not be in time, does not wait. Each wait has a Clipper of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.lines import LINEAR, SLO_US, SPARK
from bench.paper.probes import Probe, Prober, echo_target
from bench.paper.stage import Stage
from clipper.config import CoreConfig

OFFERED_PER_S: Final = 18_300.0  # what the paper's generator achieved
QUICK_OFFERED_PER_S: Final = 500.0
WAITS_US: Final = (0, 1_000, 2_000, 4_000, 8_000)
QUICK_WAITS_US: Final = (2_000,)
LINES: Final = ((LINEAR, "linear SVM (scikit-learn)"), (SPARK, "linear SVM (PySpark)"))
JUDGED_WAIT_US: Final = 2_000
LEAST_FEWER: Final = 2.0  # batches, at JUDGED_WAIT_US
LEAST_RATE: Final = 0.98  # of what is answered without a wait


@dataclass(frozen=True)
class Row:
    """One container with one wait."""

    name: str
    title: str
    wait_us: int
    probe: Probe


@dataclass(frozen=True)
class Figure5:
    """The whole figure."""

    slo_us: int
    rows: list[Row]
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure5:
        """Read what `dataclasses.asdict` wrote."""
        rows = [Row(**{**row, "probe": Probe(**row["probe"])}) for row in content["rows"]]
        return cls(**{**content, "rows": rows})

    def of(self, name: str) -> Mapping[int, Probe]:
        """Return the runs of a container by wait."""
        return {row.wait_us: row.probe for row in self.rows if row.name == name}

    def fewer_batches(self, name: str, wait_us: int) -> float | None:
        """Return how many times fewer batches a query takes with a wait; None if it was not measured."""
        runs = self.of(name)
        if not {0, wait_us} <= set(runs) or not runs[0].batch_size:
            return None
        return runs[wait_us].batch_size / runs[0].batch_size

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        if not self.is_judged:
            return []
        found = [
            f"{row.title}, wait of {row.wait_us} us: void, {row.probe.void_reason}"
            for row in self.rows
            if row.probe.void_reason
        ]
        runs, fewer = self.of(LINEAR.name), self.fewer_batches(LINEAR.name, JUDGED_WAIT_US)
        if fewer is not None:
            if fewer < LEAST_FEWER:
                found.append(f"a wait of {JUDGED_WAIT_US} us saves {1 - 1 / fewer:.0%} of the batches")
            if runs[JUDGED_WAIT_US].answered_per_s < LEAST_RATE * runs[0].answered_per_s:
                found.append(f"with a wait of {JUDGED_WAIT_US} us fewer queries are answered")
        for row in self.rows:
            if row.probe.answered_p99_us > self.slo_us and not row.probe.void_reason:
                found.append(f"{row.title}, wait of {row.wait_us} us: p99 {row.probe.answered_p99_us / 1e3:.1f} ms")
        return found


def measure(stage: Stage) -> Figure5:
    """Measure every wait on a Clipper of its own, both containers in turn."""
    waits_us = WAITS_US if stage.is_full else QUICK_WAITS_US
    lines = LINES if stage.is_full else LINES[:1]
    rate, seconds = (OFFERED_PER_S, 5.0) if stage.is_full else (QUICK_OFFERED_PER_S, 0.5)
    rows = []
    for wait_us in waits_us:
        with Stage.with_options(stage, CoreConfig(batch_wait_us=wait_us)) as own, Prober(own) as prober:
            for line, title in lines:
                own.deploy_line(line.name, line)
                own.register(line.name, [line.name], {"name": "static"}, SLO_US, 4, cache=False)
                seen = prober.probe(echo_target(line.name, SLO_US), rate, seconds)
                stage.tell(f"{title}, wait {wait_us} us: {seen.batches_per_s:,.0f} batches/s of {seen.batch_size:.1f}")
                rows.append(Row(line.name, title, wait_us, seen))
    return Figure5(SLO_US, rows, is_judged=stage.is_full)
