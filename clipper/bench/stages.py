"""Where a Clipper spent the time of a run: its own histograms and counters on ``/metrics``, before and after."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from clipper.metrics import names
from clipper.metrics.scrape import Buckets, Scrape, grown

_US_PER_S: Final = 1_000_000
_MISS_COUNTERS: Final = (names.APP_DEFAULTS, names.APP_ERRORS)
_UNWELL_STATES: Final = ("suspect", "closed")


@dataclass(frozen=True)
class Stretch:
    """One histogram of the server over a run, in microseconds.

    Parameters
    ----------
    name : str
        "all" of an application: first byte of a query to its answer's; of a model version the stage.
    of : str
        The application, or model:version.
    """

    of: str
    name: str
    count: int
    mean_us: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True)
class StageReport:
    """What a Clipper says of a run."""

    applications: tuple[Stretch, ...]
    stages: tuple[Stretch, ...]
    mean_batch_sizes: dict[str, float]  # by model:version
    misses: dict[str, float]  # by reason, of all applications
    cache_hit_ratio: float | None

    def to_json(self) -> dict[str, Any]:
        """Return its fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        applications = tuple(Stretch(**stretch) for stretch in record["applications"])
        return cls(**{**record, "applications": applications, "stages": tuple(Stretch(**s) for s in record["stages"])})


def is_clipper(text: str) -> bool:
    """Whether a page of metrics is that of a Clipper's query port."""
    return f"\n{names.APP_QUERIES.name}_total" in f"\n{text}" or f"\n{names.BUILD_INFO.name}" in f"\n{text}"


def stages_between(before: Scrape, after: Scrape) -> StageReport:
    """Return what happened between two readings of one Clipper."""
    applications: list[Stretch] = []
    for labels in after.label_sets(names.APP_LATENCY):
        buckets = after.buckets(names.APP_LATENCY, **labels).since(before.buckets(names.APP_LATENCY, **labels))
        applications += _stretch(labels["application"], "all", buckets)
    stages: list[Stretch] = []
    for labels in after.label_sets(names.MODEL_STAGES):
        buckets = after.buckets(names.MODEL_STAGES, **labels).since(before.buckets(names.MODEL_STAGES, **labels))
        stages += _stretch(f"{labels['model']}:{labels['version']}", labels["stage"], buckets)
    sizes = {}
    for labels in after.label_sets(names.MODEL_BATCH_SIZE):
        size = after.buckets(names.MODEL_BATCH_SIZE, **labels).since(before.buckets(names.MODEL_BATCH_SIZE, **labels))
        if size.mean is not None:
            sizes[f"{labels['model']}:{labels['version']}"] = size.mean
    hits, joins, misses = (
        grown(after.value(metric), before.value(metric))
        for metric in (names.CACHE_HITS, names.CACHE_JOINS, names.CACHE_MISSES)
    )
    looked_up = hits + joins + misses
    return StageReport(
        applications=tuple(applications),
        stages=tuple(sorted(stages, key=lambda stage: (stage.of, names.STAGES.index(stage.name)))),
        mean_batch_sizes=sizes,
        misses=_misses(before, after),
        cache_hit_ratio=(hits + joins) / looked_up if looked_up else None,
    )


def faults_between(before: Scrape, after: Scrape) -> list[str]:
    """Return why the server was not one and the same throughout, as sentences; any of them voids the run."""
    faults = []
    if after.value(names.HTTP_REQUESTS) < before.value(names.HTTP_REQUESTS):
        faults.append("the server was restarted: its counters began anew")
    states_then = _states(before)
    for (model, state), count in _states(after).items():
        if state in _UNWELL_STATES and count > states_then.get((model, state), 0.0):
            faults.append(f"a replica of {model} became {state}")
    ready_then = {model: count for (model, state), count in states_then.items() if state == "ready"}
    for model, count in ready_then.items():
        now = _states(after).get((model, "ready"), 0.0)
        if now != count:
            faults.append(f"{model} had {count:.0f} ready replicas before and {now:.0f} after")
    lost = grown(after.value(names.MODEL_REQUEUES), before.value(names.MODEL_REQUEUES))
    if lost:
        faults.append(f"{lost:.0f} tasks were queued again because their replica was lost")
    return faults


def _states(scrape: Scrape) -> dict[tuple[str, str], float]:
    return {
        (f"{labels['model']}:{labels['version']}", labels["state"]): scrape.value(names.MODEL_REPLICAS, **labels)
        for labels in scrape.label_sets(names.MODEL_REPLICAS)
    }


def _misses(before: Scrape, after: Scrape) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric in _MISS_COUNTERS:
        then = before.split(metric, "reason")
        for reason, value in after.split(metric, "reason").items():
            more = grown(value, then.get(reason, 0.0))
            if more:
                found[reason] = found.get(reason, 0.0) + more
    return found


def _stretch(of: str, name: str, buckets: Buckets) -> Iterable[Stretch]:
    if not buckets.count or buckets.mean is None:
        return
    yield Stretch(
        of=of,
        name=name,
        count=round(buckets.count),
        mean_us=buckets.mean * _US_PER_S,
        p50_us=_quantile_us(buckets, 0.5),
        p99_us=_quantile_us(buckets, 0.99),
    )


def _quantile_us(buckets: Buckets, ratio: float) -> float:
    """Return a quantile; above the last finite bound, that bound: JSON writes no infinity."""
    value = buckets.quantile(ratio) or 0.0
    if math.isinf(value):
        value = buckets.bounds[-2] if len(buckets.bounds) > 1 else 0.0
    return round(value * _US_PER_S, 1)
