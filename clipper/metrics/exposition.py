"""The Prometheus text of a metrics snapshot, through the official client library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as AnyFamily
from prometheus_client.registry import Collector

from clipper.metrics import names
from clipper.metrics.log_buckets import HistogramSnapshot
from clipper.metrics.names import Kind, Metric
from clipper.metrics.snapshot import (
    ApplicationMetrics,
    CacheMetrics,
    FeedbackMetrics,
    HttpMetrics,
    MetricsSnapshot,
    ModelMetrics,
)
from clipper.version import VERSION

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
Labels = Sequence[str]

LATENCY_BOUNDS_US = (
    *(10, 25, 50, 100, 250, 500),
    *(1_000, 2_500, 5_000, 10_000, 20_000, 35_000, 50_000, 100_000, 250_000, 500_000),
    *(1_000_000, 2_500_000, 5_000_000, 10_000_000),
)
"""Upper bounds of the published latency buckets. The core's 896 buckets would make a page of megabytes; these keep
1-2.5-5 steps from a parse (10 us) to a hopeless wait (10 s), with the usual SLO of 20 ms as a bound of its own."""

BATCH_SIZE_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)

_MICROSECONDS_PER_SECOND = 1_000_000


CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

# Of one family, what is rendered at a time: each takes a tenth of a millisecond or so.
_PART_SAMPLES: Final = 16
_PART_HISTOGRAMS: Final = 1


def slices_of(snapshot: MetricsSnapshot) -> Iterator[bytes]:
    """Yield the page of a worker piece by piece, so that whoever renders it may answer queries in between.

    The order is that of `clipper.metrics.names.METRICS`; the figures of the process come last.
    """
    return _page(_snapshot_families(snapshot))


def page_of(families: Iterable[Family]) -> tuple[str, bytes]:
    """Return ``(content_type, body)`` of a page: which version this is, the counts, and those of the process."""
    return CONTENT_TYPE, b"".join(_page(families))


def _page(families: Iterable[Family]) -> Iterator[bytes]:
    """Yield the text of each family, or of each part: help and type stand before the first one only."""
    build = family_of(names.BUILD_INFO, [((VERSION,), 1)])
    last = ""
    for family in chain((build,), families, ProcessCollector(registry=None).collect()):
        text = generate_latest(_Only(family))
        yield text if family.name != last else text.split(b"\n", 2)[2]
        last = family.name


class _Only(Collector):
    """Collects one family."""

    def __init__(self, family: AnyFamily) -> None:
        self._family = family

    def collect(self) -> Iterable[AnyFamily]:
        return (self._family,)


def _snapshot_families(snapshot: MetricsSnapshot) -> Iterator[Family]:
    yield from _http_families(snapshot.http)
    yield from _application_families(snapshot.applications)
    yield from _feedback_families(snapshot.feedback)
    yield from _model_families(snapshot.models)
    yield from _cache_families(snapshot.cache)


def _http_families(http: HttpMetrics) -> Iterator[Family]:
    yield family_of(names.HTTP_REQUESTS, [((), http.requests)])
    yield family_of(names.HTTP_REFUSALS, [((reason,), count) for reason, count in http.refusals.items()])
    yield family_of(names.HTTP_CONNECTIONS_OPEN, [((), http.connections_open)])
    yield family_of(names.HTTP_CONNECTIONS, [((), http.connections_total)])
    yield family_of(names.HTTP_RECEIVED, [((), http.received_bytes)])
    yield family_of(names.HTTP_SENT, [((), http.sent_bytes)])


def _application_families(applications: Sequence[ApplicationMetrics]) -> Iterator[Family]:
    yield from parts_of(names.APP_QUERIES, [((a.name,), a.queries) for a in applications])
    yield from parts_of(
        names.APP_PREDICTIONS,
        (s for a in applications for s in split_samples((a.name,), a.predictions, names.ANSWER_KINDS)),
    )
    yield from parts_of(
        names.APP_DEFAULTS, (s for a in applications for s in split_samples((a.name,), a.defaults, names.REASONS))
    )
    yield from parts_of(
        names.APP_ERRORS, (s for a in applications for s in split_samples((a.name,), a.errors, names.REASONS))
    )
    yield from parts_of(names.APP_BAD_REQUESTS, [((a.name,), a.bad_requests) for a in applications])
    yield from parts_of(names.APP_SELECTION_FAILURES, [((a.name,), a.selection_failures) for a in applications])
    yield from parts_of(names.APP_LATE, [((a.name,), a.late) for a in applications])
    yield from _seconds_histograms(names.APP_LATENCY, [((a.name,), a.latency_us) for a in applications])
    yield from parts_of(names.APP_SLO, [((a.name,), a.latency_slo_us / _MICROSECONDS_PER_SECOND) for a in applications])


def _feedback_families(feedback: FeedbackMetrics) -> Iterator[Family]:
    applications, log = feedback.applications, feedback.log
    learning = [((a.name,), a) for a in applications if a.learns]
    yield from parts_of(
        names.FEEDBACK, (s for a in applications for s in split_samples((a.name,), a.outcomes, names.FEEDBACK_OUTCOMES))
    )
    yield from parts_of(names.OBSERVATIONS_WAITING, [(labels, a.observations_waiting) for labels, a in learning])
    yield from parts_of(names.OBSERVATIONS_LOST, [(labels, a.observations_lost) for labels, a in learning])
    yield from parts_of(names.DECISIONS, [(labels, a.decisions) for labels, a in learning])
    yield from parts_of(names.DECISION_LINES, [(labels, a.decision_lines) for labels, a in learning])
    yield from parts_of(names.DECISION_LINES_LOST, [(labels, a.decision_lines_lost) for labels, a in learning])
    yield family_of(names.DECISION_LOG_RECORDS, [((), log.records)])
    yield family_of(names.DECISION_LOG_BYTES, [((), log.bytes)])
    yield family_of(names.DECISION_LOG_BUDGET, [((), log.budget_bytes)])
    yield family_of(names.DECISION_LOG_EVICTIONS, [((), log.evictions)])
    yield family_of(names.DECISION_LOG_REFUSALS, [((), log.refusals)])


def _model_families(models: Sequence[ModelMetrics]) -> Iterator[Family]:
    labelled = [((m.name, m.version), m) for m in models]
    yield from parts_of(names.MODEL_TASKS, [(labels, m.tasks) for labels, m in labelled])
    yield from parts_of(names.MODEL_BATCHES, [(labels, m.batches) for labels, m in labelled])
    sizes = [(labels, m.batch_size) for labels, m in labelled]
    yield from _histograms(names.MODEL_BATCH_SIZE, sizes, BATCH_SIZE_BOUNDS, 1)
    yield from parts_of(names.MODEL_QUEUE_DEPTH, [(labels, m.queue_depth) for labels, m in labelled])
    yield from parts_of(names.MODEL_EARLY_DROPS, [(labels, m.early_drops) for labels, m in labelled])
    yield from parts_of(names.MODEL_REFUSED, [(labels, m.refused) for labels, m in labelled])
    yield from parts_of(names.MODEL_NOT_ADMITTED, [(labels, m.not_admitted) for labels, m in labelled])
    yield from parts_of(names.MODEL_REQUEUES, [(labels, m.requeues) for labels, m in labelled])
    yield from parts_of(names.MODEL_FAILURES, [(labels, m.failures) for labels, m in labelled])
    yield from parts_of(names.MODEL_MISSING, [(labels, m.missing) for labels, m in labelled])
    yield from parts_of(names.MODEL_SENT_AHEAD, [(labels, m.sent_ahead) for labels, m in labelled])
    yield from parts_of(names.MODEL_HEDGES, [(labels, m.hedges) for labels, m in labelled])
    yield from parts_of(names.MODEL_HEDGED_TASKS, [(labels, m.hedged_tasks) for labels, m in labelled])
    yield from parts_of(names.MODEL_HEDGE_WINS, [(labels, m.hedge_wins) for labels, m in labelled])
    yield from parts_of(names.MODEL_SHADOW_TASKS, [(labels, m.shadow_tasks) for labels, m in labelled])
    yield from parts_of(names.MODEL_SHADOW_REFUSALS, [(labels, m.shadow_refusals) for labels, m in labelled])
    stages = (((*labels, stage), m.stages_us[stage]) for labels, m in labelled for stage in m.stages_us)
    yield from _seconds_histograms(names.MODEL_STAGES, stages)
    replicas = (s for labels, m in labelled for s in split_samples(labels, m.replicas, names.REPLICA_STATES))
    yield from parts_of(names.MODEL_REPLICAS, replicas)
    yield from parts_of(names.MODEL_CACHE_HITS, [(labels, m.cache_hits) for labels, m in labelled])
    yield from parts_of(names.MODEL_CACHE_JOINS, [(labels, m.cache_joins) for labels, m in labelled])
    yield from parts_of(names.MODEL_CACHE_MISSES, [(labels, m.cache_misses) for labels, m in labelled])


def _cache_families(cache: CacheMetrics) -> Iterator[Family]:
    yield family_of(names.CACHE_HITS, [((), cache.hits)])
    yield family_of(names.CACHE_JOINS, [((), cache.joins)])
    yield family_of(names.CACHE_MISSES, [((), cache.misses)])
    yield family_of(names.CACHE_EVICTIONS, [((), cache.evictions)])
    yield family_of(names.CACHE_ENTRIES, [((), cache.resident_entries)])
    yield family_of(names.CACHE_BYTES, [((), cache.resident_bytes)])
    yield family_of(names.CACHE_BUDGET, [((), cache.budget_bytes)])


def split_samples(labels: Labels, counts: Mapping[str, int], known: Sequence[str]) -> list[tuple[Labels, int]]:
    """One sample for each known value of the last label (a rate needs its zero), then what else was counted."""
    values = [*known, *(value for value in counts if value not in known)]
    return [((*labels, value), counts.get(value, 0)) for value in values]


def family_of(metric: Metric, samples: Iterable[tuple[Labels, float]]) -> CounterMetricFamily | GaugeMetricFamily:
    """Return a counter or gauge with its samples."""
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def parts_of(metric: Metric, samples: Iterable[tuple[Labels, float]]) -> Iterator[Family]:
    """Yield a counter or gauge in parts; one without samples if there are none."""
    return (family_of(metric, part) for part in _parted(samples, _PART_SAMPLES))


def _seconds_histograms(metric: Metric, samples: Iterable[tuple[Labels, HistogramSnapshot]]) -> Iterator[Family]:
    return _histograms(metric, samples, LATENCY_BOUNDS_US, _MICROSECONDS_PER_SECOND)


def _histograms(
    metric: Metric, samples: Iterable[tuple[Labels, HistogramSnapshot]], bounds: Sequence[int], per_unit: int
) -> Iterator[Family]:
    """Coarsen to `bounds`, which like the values are in 1/`per_unit` of the published unit; in parts, too."""
    for part in _parted(samples, _PART_HISTOGRAMS):
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
        for labels, histogram in part:
            counts = histogram.cumulative(bounds)
            buckets = [(f"{bound / per_unit:g}", float(count)) for bound, count in zip(bounds, counts, strict=True)]
            buckets.append(("+Inf", float(histogram.count)))
            family.add_metric(labels, buckets, histogram.sum / per_unit)
        yield family


SampleT = TypeVar("SampleT")


def _parted(samples: Iterable[SampleT], size: int) -> Iterator[list[SampleT]]:
    """Yield lists of at most so many; an empty one if there is nothing."""
    rest = iter(samples)
    yield list(islice(rest, size))
    while part := list(islice(rest, size)):
        yield part
