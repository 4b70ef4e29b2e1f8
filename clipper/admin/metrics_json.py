"""The metrics of `ClipperConnection.inspect_instance`: those of ``/metrics``, in the original's JSON.

All numbers are strings, as they were. A rate is the mean since the frontend's start, and the original's moving rates
are left out; a histogram's percentiles are read off buckets, and ``min``, ``max`` and ``std_dev`` are left out.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

_PERCENTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_MICROSECONDS: Final = 1_000_000
_Labels = frozenset[tuple[str, str]]


@dataclass(slots=True)
class _Histogram:
    """Cumulative counts by upper bound; several series with the same bounds can be added up."""

    counts: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    total: float = 0.0
    size: float = 0.0

    def percentile(self, share: float) -> float:
        """Return the value below which ``share`` of all lie, evenly spread within its bucket."""
        below, low = 0.0, 0.0
        for bound, count in sorted(self.counts.items()):
            if math.isinf(bound):
                break  # all that is known of these is that they are more
            if count >= share * self.size and count > below:
                return low + (bound - low) * (share * self.size - below) / (count - below)
            below, low = count, bound
        return low if self.size else 0.0


class _Scrape:
    """The samples of one answer of ``/metrics``, by name and labels."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, list[tuple[_Labels, float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples[sample.name].append((frozenset(sample.labels.items()), sample.value))

    def label_sets(self, name: str, *labels: str) -> list[tuple[str, ...]]:
        """Return the distinct values of some labels that a metric has, in order."""
        rows = (dict(found) for found, _ in self._samples[name])
        return sorted({tuple(row[label] for label in labels) for row in rows if all(label in row for label in labels)})

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all series with these labels."""
        return sum(value for found, value in self._samples[name] if labels.items() <= dict(found).items())

    def histogram(self, name: str, **labels: str) -> _Histogram:
        """Return all series with these labels, added up."""
        histogram = _Histogram(total=self.total(f"{name}_sum", **labels), size=self.total(f"{name}_count", **labels))
        for found, value in self._samples[f"{name}_bucket"]:
            row = dict(found)
            if labels.items() <= row.items():
                histogram.counts[float(row["le"])] += value
        return histogram


class _Document:
    """The four lists of the original's answer."""

    def __init__(self, uptime_s: float) -> None:
        self.lists: dict[str, list[dict[str, dict[str, str]]]] = {
            "counters": [], "ratio_counters": [], "meters": [], "histograms": [],
        }  # fmt: skip
        self._uptime_s = uptime_s

    def count(self, name: str, count: float) -> None:
        self.lists["counters"].append({name: {"count": _number(count)}})

    def ratio(self, name: str, part: float, whole: float) -> None:
        ratio = _number(part / whole) if whole else "nan"
        self.lists["ratio_counters"].append({name: {"ratio": ratio}})

    def rate(self, name: str, count: float) -> None:
        rate = count / self._uptime_s if self._uptime_s > 0 else 0.0
        self.lists["meters"].append({name: {"unit": "events per second", "rate": _number(rate)}})

    def histogram(self, name: str, histogram: _Histogram, unit: str, scale: float = 1) -> None:
        values = {"mean": histogram.total / histogram.size if histogram.size else 0.0}
        values |= {key: histogram.percentile(share) for key, share in _PERCENTILES.items()}
        rendered = {key: _number(value * scale) for key, value in values.items()}
        self.lists["histograms"].append({name: {"unit": unit, "size": _number(histogram.size), **rendered}})


def to_metrics(text: str, now_s: Callable[[], float] = time.time) -> dict[str, Any]:
    """Return the original's form of an answer of ``/metrics``."""
    scrape = _Scrape(text)
    started_s = scrape.total("process_start_time_seconds")
    document = _Document(now_s() - started_s if started_s else 0.0)
    for (name,) in scrape.label_sets("clipper_queries_total", "application"):
        _add_application(document, scrape, name)
    models = scrape.label_sets("clipper_model_tasks_total", "model", "version")
    for name, version in models:
        _add_model(document, scrape, name, version)
    _add_internals(document, scrape)
    return dict(document.lists)


def _add_application(document: _Document, scrape: _Scrape, name: str) -> None:
    queries = scrape.total("clipper_queries_total", application=name)
    document.count(f"app:{name}:num_predictions", queries)
    document.rate(f"app:{name}:prediction_throughput", queries)
    defaults = scrape.total("clipper_default_answers_total", application=name)
    document.ratio(f"app:{name}:default_prediction_ratio", defaults, queries)
    latency = scrape.histogram("clipper_query_latency_seconds", application=name)
    document.histogram(f"app:{name}:prediction_latency", latency, "microseconds", _MICROSECONDS)


def _add_model(document: _Document, scrape: _Scrape, name: str, version: str) -> None:
    labels: Mapping[str, str] = {"model": name, "version": version}
    title = f"model:{name}:{version}"
    tasks = scrape.total("clipper_model_tasks_total", **labels)
    document.count(f"{title}:num_predictions", tasks)
    document.rate(f"{title}:prediction_throughput", tasks)
    hits, lookups = _cache(scrape, "clipper_model_cache", labels)
    document.ratio(f"{title}:cache_hit_ratio", hits, lookups)
    document.histogram(f"{title}:batch_size", scrape.histogram("clipper_model_batch_size", **labels), "queries")
    # From its sending to its answer, as the original measured it, is more than a container's own time by the RPC.
    compute = scrape.histogram("clipper_stage_seconds", stage="compute", **labels)
    document.histogram(f"{title}:prediction_latency", compute, "microseconds", _MICROSECONDS)


def _add_internals(document: _Document, scrape: _Scrape) -> None:
    hits, lookups = _cache(scrape, "clipper_cache", {})
    document.count("internal:prediction_cache_lookups", lookups)
    document.ratio("internal:prediction_cache_hit_ratio", hits, lookups)
    tasks = scrape.total("clipper_model_tasks_total")
    document.count("internal:aggregate_num_predictions", tasks)
    document.rate("internal:aggregate_model_throughput", tasks)
    queued = scrape.histogram("clipper_stage_seconds", stage="queue")
    document.histogram("internal:rpc_request_queueing_delay", queued, "microseconds", _MICROSECONDS)


def _cache(scrape: _Scrape, prefix: str, labels: Mapping[str, str]) -> tuple[float, float]:
    kinds: Iterable[str] = ("hits", "joins", "misses")
    hits, joins, misses = (scrape.total(f"{prefix}_{kind}_total", **labels) for kind in kinds)
    return hits, hits + joins + misses


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"
