"""Reading ``/metrics``: values by name and labels, and what happened between two readings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from clipper.metrics.names import Kind, Metric

_BUCKET_LABEL: Final = "le"


@dataclass(frozen=True, slots=True)
class Buckets:
    """A published histogram: how many values did not exceed each of the rising bounds; the last is infinite."""

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
    total: float = 0.0

    @property
    def count(self) -> float:
        """How many values there are."""
        return self.counts[-1] if self.counts else 0.0

    @property
    def mean(self) -> float | None:
        """Their mean; None without values."""
        return self.total / self.count if self.count else None

    def since(self, earlier: Buckets) -> Buckets:
        """Return what was added since an earlier reading; all of it, if the process was restarted meanwhile."""
        if earlier.bounds != self.bounds or earlier.count > self.count:
            return self
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return Buckets(self.bounds, counts, self.total - earlier.total)

    def quantile(self, ratio: float) -> float | None:
        """Return the value that a share of all values do not exceed, linear within its bucket; None without values.

        Above the last finite bound it is infinite.
        """
        if not self.count:
            return None
        rank = ratio * self.count
        for (low, below), (high, reached) in pairwise([(0.0, 0.0), *zip(self.bounds, self.counts, strict=True)]):
            if reached >= rank and reached > below:
                return high if math.isinf(high) else low + (high - low) * (rank - below) / (reached - below)
        return math.inf


class Scrape:
    """One reading of ``/metrics``."""

    def __init__(self, text: str) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        self._samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append((dict(sample.labels), float(sample.value)))

    def value(self, metric: Metric, **labels: str) -> float:
        """Return a counter or gauge, added up over the labels that are not given."""
        name = f"{metric.name}_total" if metric.kind is Kind.COUNTER else metric.name
        return sum(value for _, value in self._matching(name, labels))

    def split(self, metric: Metric, by: str, **labels: str) -> dict[str, float]:
        """Return a counter for each value of one label, those at zero left out."""
        name = f"{metric.name}_total" if metric.kind is Kind.COUNTER else metric.name
        counts: dict[str, float] = {}
        for known, value in self._matching(name, labels):
            counts[known[by]] = counts.get(known[by], 0.0) + value
        return {key: value for key, value in counts.items() if value}

    def label_sets(self, metric: Metric) -> list[dict[str, str]]:
        """Return the labels of each series of a metric, in the order of the page."""
        suffix = {Kind.COUNTER: "_total", Kind.HISTOGRAM: "_count"}.get(metric.kind, "")
        return [labels for labels, _ in self._samples.get(metric.name + suffix, ())]

    def buckets(self, metric: Metric, **labels: str) -> Buckets:
        """Return a histogram, added up over the labels that are not given."""
        counts: dict[float, float] = {}
        for known, value in self._matching(f"{metric.name}_bucket", labels):
            bound = float(known[_BUCKET_LABEL])
            counts[bound] = counts.get(bound, 0.0) + value
        total = sum(value for _, value in self._matching(f"{metric.name}_sum", labels))
        bounds = tuple(sorted(counts))
        return Buckets(bounds, tuple(counts[bound] for bound in bounds), total)

    def _matching(self, name: str, labels: Mapping[str, str]) -> Iterator[tuple[dict[str, str], float]]:
        for known, value in self._samples.get(name, ()):
            if all(known.get(key) == wanted for key, wanted in labels.items()):
                yield known, value


def grown(now: float, then: float) -> float:
    """Return how far a counter has grown; from zero, if the process was restarted meanwhile."""
    return now - then if now >= then else now
