"""Where Clipper leads its peers and where it does not, row by row, with the reason where that is known."""

from __future__ import annotations

from dataclasses import dataclass

from bench.bars import HIGHEST_RATE, MEDIAN_LATENCY, OURS, THROUGHPUT, Metric
from bench.results import Run
from bench.rows import ROWS, Row
from bench.subjects.subject import Role

# Why a peer may be ahead, by row. What a run shows without standing here is shown as unexplained.
REASONS = {
    "noop-c1": (
        "with one query in flight an inline server saves two of the four changes of thread: there is no process "
        "between the model and the socket (docs/performance.md, at one connection)"
    ),
    "image-c8": (
        "moving 600 kB is all the work, and Clipper's cross one socket more than an inline server's, to the container; "
        "wrk, which builds each request in Lua, takes nearly one of the two processors"
    ),
}
UNEXPLAINED = "not explained yet"


@dataclass(frozen=True)
class Standing:
    """Clipper beside all peers on one row.

    Parameters
    ----------
    peers : tuple of (str, float)
        Every peer that has a figure, the best first; floors are none.
    advantage : float
        How many times better than the best peer, above 1 where Clipper leads.
    """

    row: Row
    metric: Metric
    ours: float
    peers: tuple[tuple[str, float], ...]

    @property
    def best(self) -> tuple[str, float]:
        """Name and figure of the best peer."""
        return self.peers[0]

    @property
    def advantage(self) -> float:
        """How many times better Clipper is than the best peer; above 1 it leads."""
        return self._advantage_over(self.best[1])

    @property
    def ahead(self) -> list[str]:
        """Names of the peers that are better."""
        return [name for name, figure in self.peers if self._advantage_over(figure) < 1]

    @property
    def reason(self) -> str:
        """Why some are ahead; empty if none is."""
        return REASONS.get(self.row.name, UNEXPLAINED) if self.ahead else ""

    def _advantage_over(self, figure: float) -> float:
        better, worse = (figure, self.ours) if self.metric.best is min else (self.ours, figure)
        return better / worse if worse else float("inf")


def metric_of(row: Row) -> Metric:
    """Return what a row is judged by: a rate, but latency where one query is in flight."""
    if row.is_open_loop:
        return HIGHEST_RATE
    return MEDIAN_LATENCY if row.connections == 1 else THROUGHPUT


def standing(run: Run, row: Row) -> Standing | None:
    """Compare Clipper with every peer on a row; None where it or all of them have no figure."""
    metric = metric_of(row)
    ours = metric.of(run, row.name, OURS)
    names = [subject.name for subject in run.subjects if subject.role in (Role.BATCHING, Role.INLINE)]
    figures = [(name, metric.of(run, row.name, name)) for name in names]
    known = [(name, figure) for name, figure in figures if figure is not None]
    if ours is None or not known:
        return None
    known.sort(key=lambda peer: peer[1], reverse=metric.best is max)
    return Standing(row, metric, ours, tuple(known))


def standings(run: Run) -> list[Standing]:
    """Compare on every row that was measured."""
    return [found for row in ROWS if (found := standing(run, row)) is not None]
