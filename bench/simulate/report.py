"""The questions that the simulator answers, as tables: drop policies, the lines of the paper, disturbances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench.document import table
from bench.lines import FOREST, Line
from bench.simulate import replica_models
from bench.simulate.arrivals import Arrivals, Steps
from bench.simulate.drop_policies import early, goodput_ratio, lazy, shrinking
from bench.simulate.replica_models import Duration
from bench.simulate.scenario import AIMD, NO_BATCHING, QUANTILE, Batching, Scenario, fixed, on_line
from bench.simulate.search import Effort, best_fixed, goodput_per_s, sustainable_rate_per_s
from bench.simulate.world import Source

LOADS = (0.9, 1.2, 2.0, 4.0)
POLICIES = (
    ("late heads only (lazy drop)", lazy),
    ("late heads; the batch shrunk to save the next", shrinking),
    ("heads that the whole batch cannot meet (early drop)", early),
)
OVERLOADS = (2, 4)


def drop_table(duration_s: float) -> str:
    """Goodput by what is dropped, as a share of what batches of half the objective can serve."""
    rows = [
        [name, *(f"{100 * goodput_ratio(policy, FOREST, load, duration_s=duration_s):.0f}%" for load in LOADS)]
        for name, policy in POLICIES
    ]
    return table(["dropped are", *(f"{load:g}x" for load in LOADS)], rows)


@dataclass(frozen=True)
class LineResult:
    """What the simulator found for one line."""

    line: Line
    no_batching_per_s: float
    best: Batching
    best_per_s: float
    rates_per_s: dict[str, float]
    goodputs_per_s: dict[tuple[str, int], float]

    def goodput_ratio(self, controller: str, load: int) -> float:
        """Goodput at so many times the sustainable rate, over that rate."""
        return self.goodputs_per_s[controller, load] / self.rates_per_s[controller]


def measure_line(line: Line, effort: Effort, *, rpc_us: float = 0.0) -> LineResult:
    """Search everything there is to know about one line."""
    scenario = on_line(line, AIMD, rpc_us=rpc_us)
    guess = max(0.95 * line.two_batch_rate_per_s(), 0.3 * line.capacity_per_s(1))
    if line.size_within(scenario.slo_us / 2) < 4:
        guess = 0.3 * line.capacity_per_s(1)  # a handful of items: what comes together decides, not the batch
    best, best_rate = best_fixed(scenario, line, guess, effort)
    none = sustainable_rate_per_s(replace(scenario, batching=NO_BATCHING), 0.3 * line.capacity_per_s(1), effort)
    rates: dict[str, float] = {}
    goodputs: dict[tuple[str, int], float] = {}
    for batching in (AIMD, QUANTILE):
        run = replace(scenario, batching=batching)
        rate = rates[batching.controller] = sustainable_rate_per_s(run, best_rate, effort)
        for load in OVERLOADS:
            goodputs[batching.controller, load] = goodput_per_s(run, load * rate, effort)
    return LineResult(line, none, best, best_rate, rates, goodputs)


def rate(per_s: float) -> str:
    """Write a rate."""
    return f"{per_s:,.0f}" if per_s >= 1000 else f"{per_s:.1f}"


def lines_table(results: Iterable[LineResult]) -> str:
    """Sustainable rates and goodput, a row a line."""
    heads = ["line", "no batching", "two-batch rate", "best fixed size", "`aimd`", "`quantile`"]
    heads += [f"`{name}` at {load}x" for name in ("aimd", "quantile") for load in OVERLOADS]
    rows = []
    for result in results:
        cells = [f"{result.line.name}: {result.line}", rate(result.no_batching_per_s)]
        cells += [rate(result.line.two_batch_rate_per_s())]
        cells += [f"{rate(result.best_per_s)} ({result.best.batch_size})"]
        for name in ("aimd", "quantile"):
            cells.append(
                f"{rate(result.rates_per_s[name])} ({100 * result.rates_per_s[name] / result.best_per_s:.1f}%)"
            )
        cells += [f"{result.goodput_ratio(name, load):.2f}" for name in ("aimd", "quantile") for load in OVERLOADS]
        rows.append(cells)
    return table(heads, rows)


def missed_bars(results: Iterable[LineResult]) -> list[str]:
    """Say which line keeps a controller from 95% of the best fixed size, or its goodput from its sustainable rate."""
    missed = []
    for result in results:
        for name, sustained in result.rates_per_s.items():
            if sustained < 0.95 * result.best_per_s:
                missed.append(
                    f"{result.line.name}: {name} reaches {sustained / result.best_per_s:.3f} of the best size"
                )
            missed += [
                f"{result.line.name}: {name} at {load}x keeps {result.goodput_ratio(name, load):.3f} of its rate"
                for load in OVERLOADS
                if result.goodput_ratio(name, load) < 1
            ]
    return missed


@dataclass(frozen=True)
class Disturbance:
    """Something that a line alone does not have."""

    name: str
    replica: Callable[[int], Duration]
    source: Callable[[float], Source]


def _steady(per_s: float) -> Source:
    return Arrivals(per_s)


def disturbances(line: Line) -> Sequence[Disturbance]:
    """Return what a controller has to live with, for a run of a minute."""
    exact = replica_models.line(line)
    noise = lambda seed: replica_models.noisy(exact, 0.1, seed=seed)  # noqa: E731
    return (
        Disturbance("nothing", lambda _: exact, _steady),
        Disturbance("noise of 10%", noise, _steady),
        Disturbance(
            "a pause of 30 ms every 2 s", lambda seed: replica_models.pausing(exact, 2e6, 3e4, seed=seed), _steady
        ),
        Disturbance("drift of 20% in 20 s", lambda _: replica_models.drifting(exact, 2e7, 0.2), _steady),
        Disturbance("3x slower from 20 s to 23 s", lambda _: replica_models.slowed(exact, 20, 23), _steady),
        Disturbance("bursts: gaps of variation 3", lambda _: exact, lambda per_s: Arrivals(per_s, 3.0)),
        Disturbance(
            "3x the load from 20 s to 23 s",
            lambda _: exact,
            lambda per_s: Steps(((20, Arrivals(per_s)), (3, Arrivals(3 * per_s)), (60, Arrivals(per_s)))),
        ),
    )


def disturbance_table(line: Line, best: Batching, per_s: float, duration_s: float) -> str:
    """Share of the offered queries answered in time, and of those after the disturbance is over, by controller."""
    rows = []
    for disturbance in disturbances(line):
        cells = [disturbance.name]
        for batching in (fixed(best.batch_size), AIMD, QUANTILE):
            scenario = Scenario(
                disturbance.source(per_s), (disturbance.replica,), batching, duration_s=duration_s, seed=3
            )
            outcome = scenario.run()
            cells.append(f"{100 * outcome.between(5, duration_s).in_time_ratio:.1f}%")
            cells.append(f"{100 * outcome.between(25, duration_s).in_time_ratio:.1f}%")
        rows.append(cells)
    heads = [
        "",
        *(f"{name}{part}" for name in ("best fixed", "`aimd`", "`quantile`") for part in ("", ", from 25 s on")),
    ]
    return table(heads, rows)
