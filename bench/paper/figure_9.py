"""Figure 9: members that straggle. `bench.stragglers` measures; here its runs become a figure of the paper."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from bench import stragglers
from bench.paper.stage import Stage

QUICK_SIZES: Final = (3,)


@dataclass(frozen=True)
class Row:
    """One ensemble answered in one way; times in us."""

    members: int
    way: str
    title: str
    mean_us: float
    p50_us: float
    p99_us: float
    kinds: dict[str, int]
    missing_ratio: float
    client_lag_us: float
    void_reason: str | None
    faults: list[str]


@dataclass(frozen=True)
class Figure9:
    """The whole figure."""

    slo_us: int
    rate_per_s: float
    duration_s: float
    rows: list[Row]
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure9:
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**content, "rows": [Row(**row) for row in content["rows"]]})

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised; a void run shows nothing, and says so."""
        if not self.is_judged:
            return []
        return [f"{row.way} of {row.members}: {fault}" for row in self.rows for fault in row.faults] + [
            f"{row.way} of {row.members}: void, {row.void_reason}" for row in self.rows if row.void_reason
        ]


def measure(stage: Stage) -> Figure9:
    """Measure every way to answer over ensembles of several sizes."""
    sizes = stragglers.SIZES if stage.is_full else QUICK_SIZES
    seconds = ["--duration-s", "10", "--warmup-s", "2"] if stage.is_full else ["--duration-s", "1", "--warmup-s", "0.5"]
    options = stragglers.parse_options(seconds)
    stragglers.register(stage.clipper, sizes)
    rows = [_row(result) for result in stragglers.measure(stage.clipper, options, sizes)]
    return Figure9(stragglers.SLO_US, options.rate_per_s, options.duration_s, rows, is_judged=stage.is_full)


def _row(result: stragglers.Result) -> Row:
    known = asdict(result)
    names = ("members", "mean_us", "p50_us", "p99_us", "kinds", "missing_ratio", "client_lag_us", "void_reason")
    same = {name: known[name] for name in names}
    return Row(way=result.way.name, title=result.way.title, faults=result.faults, **same)
