"""One line on the real system: rounds of searches and overloads, and the simulator on the line as measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.goodput.deployment import Batches, Deployment, Probe, fit_line
from bench.goodput.search import PolicySearch, search_in_turn, search_side_by_side
from bench.lines import SLO_US, Line
from bench.simulate.scenario import AIMD, NO_BATCHING, QUANTILE, Batching, fixed, on_line
from bench.simulate.search import QUICK, Effort, sustainable_rate_per_s

CEILING_SHARE = 12
"""A line whose sustainable rate is more than this part of the front end's ceiling is scaled until it is not."""
FACTORS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100)
OVERLOADS = (2, 4)
FIXED_SHARES = (0.55, 0.75)  # of the objective: batches of the fixed sizes that are searched take so long
FEW_PER_S = 500.0  # below it the policies of a round are measured at the same time: together they are a small load
SLOW_GUESS_RATIO = 0.75  # of the simulator's rate: where the first search for a slow line begins
SIMULATION = Effort(queries=100_000, least_s=10.0, resolution_ratio=1.005)


@dataclass(frozen=True)
class Plan:
    """How a line is measured."""

    rounds: int = 5
    seconds: float = 3.0  # of a probe, at least
    queries: int = 1_500  # of a probe, at least
    max_probes: int = 6  # of one policy in one round
    ceiling_s: int = 4
    with_no_batching: bool = True

    def duration_s(self, rate_per_s: float) -> float:
        """How long a probe at this rate lasts."""
        return max(self.seconds, self.queries / rate_per_s)

    def of_a_slow_line(self) -> Plan:
        """Return the plan with more queries a probe: a line of few queries/s has no other way to weigh one in 100."""
        return dataclasses.replace(self, queries=2 * self.queries)


@dataclass
class Measured:
    """What was seen of one line; all rates per second, one a round."""

    line: str
    factor: float
    base_us: float
    per_item_us: float
    ceiling_per_s: float
    plan: dict[str, Any]
    is_side_by_side: bool
    rates: dict[str, list[float]] = field(default_factory=dict)
    goodputs: dict[str, list[float]] = field(default_factory=dict)
    """By "policy load": "aimd 2"."""
    measured_base_us: float = 0.0
    measured_per_item_us: float = 0.0
    simulated: dict[str, float] = field(default_factory=dict)
    batches: list[list[float]] = field(default_factory=list)
    """(count, items, duration in us) of each probe's batches."""
    void_probes: int = 0
    probes: int = 0

    @property
    def best_fixed(self) -> tuple[str, float]:
        """The fixed size with the highest median."""
        medians = {name: median(rates) for name, rates in self.rates.items() if name.startswith("fixed-")}
        best = max(medians, key=lambda name: medians[name])
        return best, medians[best]

    def goodput_ratios(self, policy: str, load: int) -> list[float]:
        """Goodput over the sustainable rate of the same round."""
        return [
            goodput / sustained
            for goodput, sustained in zip(self.goodputs[f"{policy} {load}"], self.rates[policy], strict=True)
            if sustained > 0
        ]


def scale_for(line: Line, ceiling_per_s: float) -> int:
    """Return the factor on the cost per item at which the line is slow enough for this front end."""
    for factor in FACTORS:
        if line.scaled(factor).two_batch_rate_per_s() <= ceiling_per_s / CEILING_SHARE:
            return factor
    return FACTORS[-1]


def fixed_sizes(line: Line) -> list[int]:
    """Return the fixed sizes to search: at a handful of items those that fit, else by how long their batch takes."""
    sizes = {line.size_within(share * SLO_US) for share in FIXED_SHARES}
    if max(sizes) < 4:
        sizes |= {1, 2, 3}
    return sorted(sizes)


def measure(line: Line, plan: Plan, tell: Callable[[str], None], known: Measured | None = None) -> Measured:
    """Measure a line: find the front end's ceiling, scale the line, and run the rounds.

    Rounds are added to what is known of the line already; ceiling and factor are then those of the first time.
    """
    if known is None:
        with Deployment(line, {}) as alone:
            ceiling = alone.ceiling_per_s(plan.ceiling_s)
        scaled = line.scaled(scale_for(line, ceiling))
        factor = scaled.per_item_us / line.per_item_us
        guess = sustainable_rate_per_s(on_line(scaled, AIMD), _first_guess(scaled), QUICK)
        is_slow = guess < FEW_PER_S
        plan = plan.of_a_slow_line() if is_slow else plan
        measured = Measured(
            line.name, factor, scaled.base_us, scaled.per_item_us, ceiling, dataclasses.asdict(plan), is_slow
        )
        measured.plan["rounds"] = 0
    else:
        measured = known
        plan = plan.of_a_slow_line() if known.is_side_by_side else plan
        scaled = Line(line.name, known.base_us, known.per_item_us)
        guess = median(known.rates["aimd"])
    tell(f"{line.name}: ceiling {measured.ceiling_per_s:,.0f}/s, cost per item times {measured.factor:g}")
    policies = {"aimd": AIMD, "quantile": QUANTILE, **{f"fixed-{n}": fixed(n) for n in fixed_sizes(scaled)}}
    seen: list[Probe] = []
    _measure_rounds(scaled, policies, plan, guess, measured, seen, tell)
    measured.plan["rounds"] += plan.rounds
    measured.probes += len(seen)
    measured.void_probes += sum(probe.void_reason is not None for probe in seen)
    measured.batches += [
        [probe.batches.count, probe.batches.items, probe.batches.duration_us] for probe in seen if probe.batches.count
    ]
    _compare(scaled, measured)
    return measured


def _first_guess(line: Line) -> float:
    return max(0.9 * line.two_batch_rate_per_s() if line.size_within(SLO_US / 2) > 3 else 0.0,
               0.3 * line.capacity_per_s(1))  # fmt: skip


def _measure_rounds(
    line: Line, policies: dict[str, Batching], plan: Plan, guess: float, measured: Measured, seen: list[Probe],
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    before = measured.plan["rounds"]
    with Deployment(line, {**policies, "none": NO_BATCHING}) as system:

        def probe(name: str, rate: float, seed: int) -> Probe:
            found = system.probe(name, rate, plan.duration_s(rate) if name != "none" else 200 / rate, seed)
            seen.append(found)
            return found

        guess = SLOW_GUESS_RATIO * guess if measured.is_side_by_side else _guess_on(system, guess, plan)
        last = {name: measured.rates.get(name, [0.0])[-1] or guess for name in policies}
        for number in range(before, before + plan.rounds):
            names = [*policies][number % len(policies) :] + [*policies][: number % len(policies)]
            searches = [PolicySearch(name, last[name], seed=number + 1, max_probes=plan.max_probes) for name in names]
            (search_side_by_side if measured.is_side_by_side else search_in_turn)(searches, probe)
            for search in searches:
                measured.rates.setdefault(search.policy, []).append(search.rate_per_s)
                last[search.policy] = search.rate_per_s or guess
            for name in ("aimd", "quantile"):
                for load in OVERLOADS:
                    found = probe(name, load * (measured.rates[name][-1] or guess), number + 1)
                    measured.goodputs.setdefault(f"{name} {load}", []).append(found.goodput_per_s)
            tell(f"{line.name}: round {number + 1}: { {n: round(r[-1]) for n, r in measured.rates.items()} }")
        if measured.is_side_by_side:
            measured.rates["none"] = measured.rates["fixed-1"]
        elif plan.with_no_batching and "none" not in measured.rates:
            lone = PolicySearch("none", 0.3 * line.capacity_per_s(1), 1, resolution_ratio=1.2, max_probes=3)
            search_in_turn([lone], probe)
            measured.rates["none"] = [lone.rate_per_s]


def _guess_on(system: Deployment, guess: float, plan: Plan) -> float:
    """Return a rate that the system holds, to begin with: RPC and wake-ups make a line slower than it was meant."""
    rough = PolicySearch("aimd", guess, seed=0, resolution_ratio=1.15, max_probes=8, step_ratio=1.2)
    search_in_turn([rough], lambda name, rate, seed: system.probe(name, rate, plan.duration_s(rate), seed))
    return rough.rate_per_s or guess


def _compare(line: Line, measured: Measured) -> None:
    """Run the simulator on the line as the front end measured it."""
    found = fit_line(line.name, [Batches(*sums) for sums in measured.batches])
    measured.measured_base_us, measured.measured_per_item_us = found.base_us, found.per_item_us
    for name, batching in (("aimd", AIMD), ("quantile", QUANTILE)):
        measured.simulated[name] = sustainable_rate_per_s(on_line(found, batching), _first_guess(found), SIMULATION)
