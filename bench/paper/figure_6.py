"""Figure 6: how the rate grows with the number of replicas.

The paper's are a convolutional network on GPUs in batches of 512, 19,478 queries a second each. Here they are
containers that sleep as long as those batches took, in batches of a tenth of the size: so two cores can serve four.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bench.lines import Line
from bench.paper.figure_4 import Cell
from bench.paper.probes import Probe, Prober, echo_target, search
from bench.paper.stage import Stage

PAPER_BATCH, PAPER_RATE_PER_S = 512, 19_478.0
SHARE: Final = 10
BATCH: Final = PAPER_BATCH // SHARE
CONV: Final = Line("conv", 0.0, SHARE / PAPER_RATE_PER_S * 1e6)
SLO_US: Final = 100_000  # twice the p99 of the paper's batches: a query waits for one batch and rides in the next
REPLICAS: Final = (1, 2, 3, 4)
QUICK_REPLICAS: Final = (1, 2)
OVERLOAD: Final = 1.5
LEAST_SCALING: Final = 3.8  # of four replicas; the paper has 3.95, and the search resolves 4%
NAME: Final = "conv"


@dataclass(frozen=True)
class Row:
    """So many replicas."""

    replicas: int
    cell: Cell


@dataclass(frozen=True)
class Figure6:
    """The whole figure."""

    slo_us: int
    batch: int
    rows: list[Row]
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure6:
        """Read what `dataclasses.asdict` wrote."""
        rows = [Row(row["replicas"], Cell.from_json(row["cell"])) for row in content["rows"]]
        return cls(**{**content, "rows": rows})

    def scaling(self, row: Row) -> float | None:
        """Return the rate within the objective over that of one replica."""
        one = self.rows[0].cell.sustained.rate_per_s
        return row.cell.sustained.rate_per_s / one if one else None

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        if not self.is_judged:
            return []
        found = [
            f"{row.replicas} replicas: void, {row.cell.overload.void_reason}"
            for row in self.rows
            if row.cell.overload.void_reason
        ]
        scaling = self.scaling(self.rows[-1])
        if scaling is None or scaling < LEAST_SCALING * self.rows[-1].replicas / REPLICAS[-1]:
            found.append(f"{self.rows[-1].replicas} replicas serve {scaling or 0:.2f}x what one does")
        return found


def measure(stage: Stage) -> Figure6:
    """Measure each number of replicas, the smallest first."""
    stage.deploy_line(NAME, CONV, batch_size=BATCH)
    stage.register(NAME, [NAME], {"name": "static"}, SLO_US, 4, cache=False)
    target, rows = echo_target(NAME, SLO_US), []
    seconds, max_runs = (4.0, 5) if stage.is_full else (0.5, 1)
    with Prober(stage) as prober:
        for replicas in REPLICAS if stage.is_full else QUICK_REPLICAS:
            stage.clipper.set_num_replicas(NAME, replicas)
            capacity = replicas * CONV.capacity_per_s(BATCH) if stage.is_full else 200.0

            def at(rate: float, seed: int) -> Probe:
                return prober.probe(target, rate, seconds, seed)

            overload = at(OVERLOAD * capacity, 1)
            sustained = search(at, 0.9 * capacity, max_runs)
            stage.tell(
                f"{replicas} replicas: {overload.answered_per_s:,.0f}/s, {sustained.rate_per_s:,.0f}/s sustained"
            )
            rows.append(Row(replicas, Cell("fixed", overload, sustained)))
    return Figure6(SLO_US, BATCH, rows, is_judged=stage.is_full)
