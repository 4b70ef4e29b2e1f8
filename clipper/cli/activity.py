"""What an instance did between two readings: the numbers behind ``clipper top`` and ``clipper status``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipper.metrics import names
from clipper.metrics.scrape import Buckets, Scrape, grown

_US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters and status at one moment (monotonic microseconds)."""

    at_us: int
    scrape: Scrape
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApplicationActivity:
    """One application. A latency is None where there was no query, and at most ``latency_ceiling_us``."""

    name: str
    slo_us: int
    queries: float
    queries_per_s: float
    p50_us: float | None
    p99_us: float | None
    defaults: float
    errors: float
    late: float
    bad_requests: float
    miss_reasons: Mapping[str, float]
    models: tuple[str, ...]

    @property
    def meets_slo(self) -> bool | None:
        """Whether 99% of the answers were in time; None without queries."""
        return None if self.p99_us is None else self.p99_us <= self.slo_us


@dataclass(frozen=True, slots=True)
class ModelActivity:
    """One version of a model."""

    model: str
    version: str
    is_current: bool
    replicas: int
    ready_replicas: int
    is_quarantined: bool
    tasks_per_s: float
    mean_batch_size: float | None
    p99_batch_size: float | None
    compute_p50_us: float | None
    queue_depth: float
    cache_hit_ratio: float | None
    dropped: float
    failures: float


@dataclass(frozen=True, slots=True)
class Activity:
    """The whole instance over a window."""

    window_us: int
    applications: tuple[ApplicationActivity, ...]
    models: tuple[ModelActivity, ...]
    replicas: tuple[Mapping[str, Any], ...]
    connections_open: float
    cache_bytes: float
    cache_budget_bytes: float


def activity(now: Reading, then: Reading | None) -> Activity:
    """Return what happened between two readings; without the earlier one, since the frontend was started.

    Rates then are 0: nobody knows since when.
    """
    window_us = 0 if then is None else max(1, now.at_us - then.at_us)
    before = Scrape("") if then is None else then.scrape
    versions = [version for model in now.status["models"] for version in model["versions"]]
    return Activity(
        window_us=window_us,
        applications=tuple(_application(item, now.scrape, before, window_us) for item in now.status["applications"]),
        models=tuple(_model(item, now.scrape, before, window_us) for item in versions),
        replicas=tuple(now.status["replicas"]),
        connections_open=now.scrape.value(names.HTTP_CONNECTIONS_OPEN),
        cache_bytes=now.scrape.value(names.CACHE_BYTES),
        cache_budget_bytes=now.scrape.value(names.CACHE_BUDGET),
    )


def _application(item: Mapping[str, Any], now: Scrape, then: Scrape, window_us: int) -> ApplicationActivity:
    label = {"application": item["name"]}

    def count(metric: names.Metric) -> float:
        return grown(now.value(metric, **label), then.value(metric, **label))

    latency = now.buckets(names.APP_LATENCY, **label).since(then.buckets(names.APP_LATENCY, **label))
    reasons: dict[str, float] = {}
    for metric in (names.APP_DEFAULTS, names.APP_ERRORS):
        earlier = then.split(metric, "reason", **label)
        for reason, value in now.split(metric, "reason", **label).items():
            misses = grown(value, earlier.get(reason, 0.0))
            if misses:
                reasons[reason] = reasons.get(reason, 0.0) + misses
    queries = count(names.APP_QUERIES)
    return ApplicationActivity(
        name=item["name"],
        slo_us=item["latency_slo_us"],
        queries=queries,
        queries_per_s=_per_s(queries, window_us),
        p50_us=_us(latency, 0.5),
        p99_us=_us(latency, 0.99),
        defaults=count(names.APP_DEFAULTS),
        errors=count(names.APP_ERRORS),
        late=count(names.APP_LATE),
        bad_requests=count(names.APP_BAD_REQUESTS),
        miss_reasons=reasons,
        models=tuple(item["models"]),
    )


def _model(item: Mapping[str, Any], now: Scrape, then: Scrape, window_us: int) -> ModelActivity:
    label = {"model": item["name"], "version": item["version"]}

    def count(metric: names.Metric) -> float:
        return grown(now.value(metric, **label), then.value(metric, **label))

    sizes = now.buckets(names.MODEL_BATCH_SIZE, **label).since(then.buckets(names.MODEL_BATCH_SIZE, **label))
    stage = {**label, "stage": "compute"}
    compute = now.buckets(names.MODEL_STAGES, **stage).since(then.buckets(names.MODEL_STAGES, **stage))
    found = count(names.MODEL_CACHE_HITS) + count(names.MODEL_CACHE_JOINS)
    looked_up = found + count(names.MODEL_CACHE_MISSES)
    return ModelActivity(
        model=item["name"],
        version=item["version"],
        is_current=item["is_current"],
        replicas=item["replicas"],
        ready_replicas=item["ready_replicas"],
        is_quarantined=item["is_quarantined"],
        tasks_per_s=_per_s(count(names.MODEL_TASKS), window_us),
        mean_batch_size=sizes.mean,
        p99_batch_size=sizes.quantile(0.99),
        compute_p50_us=_us(compute, 0.5),
        queue_depth=now.value(names.MODEL_QUEUE_DEPTH, **label),
        cache_hit_ratio=found / looked_up if looked_up else None,
        dropped=count(names.MODEL_EARLY_DROPS) + count(names.MODEL_REFUSED),
        failures=count(names.MODEL_FAILURES),
    )


def _per_s(count: float, window_us: int) -> float:
    return count * _US_PER_S / window_us if window_us else 0.0


def _us(latency: Buckets, ratio: float) -> float | None:
    """Return a quantile of a histogram of seconds in microseconds; an infinite one as the last finite bound.

    JSON cannot write infinity, and what is above the last bound (10 s) is beyond every objective anyway.
    """
    value = latency.quantile(ratio)
    if value is not None and math.isinf(value):
        value = latency.bounds[-2] if len(latency.bounds) > 1 else None
    return None if value is None else round(value * _US_PER_S, 1)
