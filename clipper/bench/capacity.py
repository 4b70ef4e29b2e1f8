"""Makes the runs that a search asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clipper.bench.measure import Bench, Measurement
from clipper.bench.objective import Objective
from clipper.bench.search import Capacity, CapacitySearch, Phase, SearchOptions, Step

_DURATION_FACTORS: Final = {Phase.ROUGH: 0.25, Phase.SEARCH: 1.0, Phase.CONFIRM: 3.0}
_MOST_FAULTS_IN_A_ROW: Final = 3

Say = Callable[[str, float], None]
"""What is measured now, and how many seconds the rest takes, this run included."""


@dataclass(frozen=True)
class Found:
    """A search with all of its runs; ``void_reason`` is set where the server did not stay whole for long enough."""

    capacity: Capacity | None
    measurements: tuple[Measurement, ...]
    void_reason: str | None = None


def find_capacity(bench: Bench, objective: Objective, options: SearchOptions, say: Say, first_number: int = 0) -> Found:
    """Search the highest rate that keeps an objective.

    A run that the load generator voided ends a bisection from above, as if the rate had failed, and the answer says so.
    Runs that the server voided (a container that stalled, a process that died) are made again, at most three times in a
    row.
    """
    search = CapacitySearch(objective, options)
    made: list[Measurement] = []
    faults = 0
    while (step := search.next_step()) is not None:
        factor = _DURATION_FACTORS[step.phase]
        usual_s = bench.setup.warmup_s + bench.setup.duration_at(step.rate_per_s)
        say(title_of(step), search.runs_left() * usual_s)
        measured = bench.measure(step.rate_per_s, label_of(step), first_number + len(made), factor)
        made.append(measured)
        if measured.void_reason is not None and not measured.is_clients_fault:
            faults += 1
            if faults >= _MOST_FAULTS_IN_A_ROW:
                return Found(None, tuple(made), measured.void_reason)
            continue
        faults = 0
        search.observe(measured.conclusive_evidence(objective, bench.setup.most_other_cores))
    return Found(search.capacity(), tuple(made))


def label_of(step: Step) -> str:
    """Return what a run is called in a report."""
    return f"search {step.repeat}" if step.phase is Phase.SEARCH else step.phase.value


def title_of(step: Step) -> str:
    """Return what is shown while it is made."""
    return f"{label_of(step)}: {step.rate_per_s:,.4g} requests/s"
