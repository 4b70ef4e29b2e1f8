"""What Clipper must reach beside its peers, and whether a run reached it (docs/performance.md; bench/README.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bench.results import Cell, Run, median_of
from bench.rows import BINARY_C128, HIT_C128, LINEAR_C128, NOOP_C1, NOOP_C128, OPEN_LOOP, Row

OURS = "clipper"
# What fails is taken off the throughput; beyond this a figure is no figure, whatever is left of it.
MAX_FAILED_RATIO = 0.001


class Outcome(StrEnum):
    """What a bar came to."""

    PASS = "pass"
    FAIL = "FAIL"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Metric:
    """A figure of a subject on a row; `best` picks the strongest of several peers."""

    of: Callable[[Run, str, str], float | None]  # run, row, subject
    best: Callable[..., float]
    unit: str


def _throughput(run: Run, row: str, subject: str) -> float | None:
    return _median_cell(run, row, subject, lambda cell: cell.requests_per_s)


def _p50(run: Run, row: str, subject: str) -> float | None:
    return _median_cell(run, row, subject, lambda cell: cell.p50_us)


def _cpu(run: Run, row: str, subject: str) -> float | None:
    return _median_cell(run, row, subject, lambda cell: cell.server_cpu_us_per_query)


def _open_loop(run: Run, row: str, subject: str) -> float | None:
    return median_of(run.best_rates(row, subject))


def _median_cell(run: Run, row: str, subject: str, figure: Callable[[Cell], float]) -> float | None:
    return median_of(figure(cell) for cell in run.of(row, subject))


THROUGHPUT = Metric(_throughput, max, "requests/s")
MEDIAN_LATENCY = Metric(_p50, min, "us (p50)")
CPU = Metric(_cpu, min, "CPU us/query")
HIGHEST_RATE = Metric(_open_loop, max, "requests/s")


@dataclass(frozen=True)
class Bar:
    """Clipper's figure over the best peer's figure, of one run.

    Parameters
    ----------
    peer_row : Row
        Where the peers' figure stands; mostly the same row as ours.
    limit : float
        The ratio to reach; to stay under where `is_ceiling`.
    """

    title: str
    row: Row
    peer_row: Row
    peers: tuple[str, ...]
    metric: Metric
    limit: float
    is_ceiling: bool = False

    def holds(self, ratio: float) -> bool:
        """Whether a ratio is good enough."""
        return ratio <= self.limit if self.is_ceiling else ratio >= self.limit


BATCHING = ("triton", "mosec", "torchserve", "bentoml", "litserve", "mlserver", "rayserve")
INLINE = ("granian", "blacksheep", "fastapi")
NGINX = ("nginx",)
TRITON = ("triton",)

BARS = (
    Bar("NOOP c=128, best batching peer", NOOP_C128, NOOP_C128, BATCHING, THROUGHPUT, 3.0),
    Bar("NOOP c=128, nginx", NOOP_C128, NOOP_C128, NGINX, THROUGHPUT, 0.55),
    Bar("LINEAR c=128, Triton", LINEAR_C128, LINEAR_C128, TRITON, THROUGHPUT, 2.5),
    Bar("LINEAR c=128, best inline server", LINEAR_C128, LINEAR_C128, INLINE, THROUGHPUT, 2.0),
    Bar("NOOP c=1 p50, Triton", NOOP_C1, NOOP_C1, TRITON, MEDIAN_LATENCY, 0.7, is_ceiling=True),
    Bar("cache hit path c=128, nginx", HIT_C128, NOOP_C128, NGINX, THROUGHPUT, 0.60),
    Bar("CPU us/query NOOP c=128, nginx", NOOP_C128, NOOP_C128, NGINX, CPU, 2.0, is_ceiling=True),
    Bar("open loop NOOP, best batching peer", OPEN_LOOP, OPEN_LOOP, BATCHING, HIGHEST_RATE, 3.0),
    Bar("binary LINEAR c=128, Triton binary", BINARY_C128, BINARY_C128, TRITON, THROUGHPUT, 2.0),
)


@dataclass(frozen=True)
class Judgement:
    """A bar and what a run says of it."""

    bar: Bar
    ours: float | None
    theirs: float | None
    peer: str | None  # the best one
    ratio: float | None
    outcome: Outcome
    reason: str  # why it was not judged, or what to know


def judge_bar(bar: Bar, run: Run) -> Judgement:
    """Compare medians of one run. A ratio from disturbed cells is shown but judged by nobody."""
    ours = bar.metric.of(run, bar.row.name, OURS)
    figures = {peer: bar.metric.of(run, bar.peer_row.name, peer) for peer in bar.peers}
    known = {peer: figure for peer, figure in figures.items() if figure is not None}
    if ours is None or not known:
        absent = [OURS] if ours is None else []
        absent += [] if known else [" and ".join(bar.peers)]
        reason = f"no figure of {', '.join(absent)}"
        return Judgement(bar, ours, None, None, None, Outcome.NOT_JUDGED, reason)
    theirs = bar.metric.best(known.values())
    peer = next(name for name, figure in known.items() if figure == theirs)
    ratio = ours / theirs
    outcome = Outcome.PASS if bar.holds(ratio) else Outcome.FAIL
    missing = [peer for peer in bar.peers if peer not in known]
    reason = f"without {', '.join(missing)}" if missing else ""
    cells = run.of(bar.row.name, OURS)
    if any(cell.wrong for cell in cells):
        return Judgement(bar, ours, theirs, peer, ratio, Outcome.FAIL, "wrong answers")
    if _is_disturbed(run, bar.row.name, OURS) or _is_disturbed(run, bar.peer_row.name, peer):
        reason = f"disturbed cells; would {outcome.lower()}"
        return Judgement(bar, ours, theirs, peer, ratio, Outcome.NOT_JUDGED, reason)
    failed_ratio = max((cell.failed_ratio for cell in cells), default=0.0)
    if failed_ratio > MAX_FAILED_RATIO:
        reason = f"{failed_ratio:.2%} of the queries got no answer of the model"
        return Judgement(bar, ours, theirs, peer, ratio, Outcome.FAIL, reason)
    return Judgement(bar, ours, theirs, peer, ratio, outcome, reason)


def judge_all(run: Run) -> list[Judgement]:
    """Judge every bar."""
    return [judge_bar(bar, run) for bar in BARS]


def _is_disturbed(run: Run, row: str, subject: str) -> bool:
    cells = run.of(row, subject)
    return bool(cells) and all(cell.is_disturbed for cell in cells)
