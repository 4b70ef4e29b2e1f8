"""GET /metrics as a Prometheus server reads it."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from clipper.metrics import names
from clipper.metrics.exposition import CONTENT_TYPE, LATENCY_BOUNDS_US, slices_of
from clipper.metrics.log_buckets import HistogramSnapshot
from clipper.metrics.names import METRICS, Kind, Page, metrics_of
from clipper.metrics.snapshot import ApplicationMetrics, CacheMetrics, HttpMetrics, MetricsSnapshot, ModelMetrics

# 3 values of 50, 1 of 20,000 (bucket 327 ends at 20,479) and 1 of 40,000,000, as the core exports them.
LATENCY = HistogramSnapshot.from_export((5, 40_020_150, 40_000_000, [(50, 3), (327, 1), (678, 1)]))
SNAPSHOT = MetricsSnapshot(
    http=HttpMetrics(requests=9, refusals={"json_error": 2}, connections_open=1, connections_total=4, sent_bytes=77),
    applications=[
        ApplicationMetrics("digits", 20_000, 5, {"deadline": 1}, {"refused": 2}, late=1, predictions={"decided": 3},
                           latency_us=LATENCY),
        ApplicationMetrics('quo"ted\n', 1_000),
    ],
    models=[
        ModelMetrics(
            "svm", "1", queue_depth=3, replicas={"ready": 2}, tasks=5, batches=2, missing=4,
            batch_size=HistogramSnapshot(2, 5, 3, ((2, 1), (3, 1))), stages_us={"parse": LATENCY},
        )
    ],
    cache=CacheMetrics(hits=1, joins=2, misses=3, evictions=4, resident_entries=5, resident_bytes=6, budget_bytes=7),
)  # fmt: skip


def scrape(snapshot: MetricsSnapshot) -> dict[str, Family]:
    assert CONTENT_TYPE.startswith("text/plain")
    body = b"".join(slices_of(snapshot))
    return {family.name: family for family in text_string_to_metric_families(body.decode())}


def value(families: dict[str, Family], family: str, sample: str = "", **labels: str) -> float:
    values = [s.value for s in families[family].samples if s.name == (sample or family) and s.labels == labels]
    assert len(values) == 1, f"{family} {labels}: {families[family].samples}"
    return float(values[0])


def test_every_metric_of_the_table_is_exposed_with_its_type_and_help() -> None:
    families = scrape(SNAPSHOT)
    for metric in metrics_of(Page.QUERY):
        assert families[metric.name].type == metric.kind.value
        assert families[metric.name].documentation == metric.help
        for sample in families[metric.name].samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)
    published = {name for name in families if name.startswith("clipper_")}
    assert published == {metric.name for metric in metrics_of(Page.QUERY)}


def test_empty_snapshot_is_exposed_without_samples_of_applications_or_models() -> None:
    families = scrape(MetricsSnapshot())
    assert value(families, "clipper_http_requests", "clipper_http_requests_total") == 0
    assert families["clipper_queries"].samples == []


def test_counts_are_exposed_under_their_labels() -> None:
    families = scrape(SNAPSHOT)
    total = "clipper_default_answers_total"
    assert value(families, "clipper_default_answers", total, application="digits", reason="deadline") == 1
    assert value(families, "clipper_default_answers", total, application="digits", reason="refused") == 0
    total = "clipper_predictions_total"
    assert value(families, "clipper_predictions", total, application="digits", kind="decided") == 3
    assert value(families, "clipper_predictions", total, application="digits", kind="partial") == 0
    assert value(families, "clipper_model_missing", "clipper_model_missing_total", model="svm", version="1") == 4
    assert value(families, "clipper_http_refusals", "clipper_http_refusals_total", reason="json_error") == 2
    assert value(families, "clipper_model_replicas", model="svm", version="1", state="ready") == 2
    assert value(families, "clipper_model_replicas", model="svm", version="1", state="loading") == 0
    assert value(families, "clipper_slo_seconds", application="digits") == 0.02
    assert value(families, "clipper_slo_seconds", application='quo"ted\n') == 0.001
    assert value(families, "clipper_cache_resident_bytes") == 6


def test_latency_histogram_is_cumulative_in_seconds() -> None:
    families = scrape(SNAPSHOT)
    family = "clipper_query_latency_seconds"
    buckets = {
        float(s.labels["le"]): s.value
        for s in families[family].samples
        if s.name.endswith("_bucket") and s.labels["application"] == "digits"
    }
    assert list(buckets) == sorted(buckets)
    assert [float(f"{bound / 1e6:g}") for bound in LATENCY_BOUNDS_US] == [*buckets][:-1]
    assert (buckets[25e-6], buckets[50e-6], buckets[0.02], buckets[0.035], buckets[10.0]) == (0, 3, 3, 4, 4)
    assert buckets[float("inf")] == value(families, family, f"{family}_count", application="digits") == 5
    assert value(families, family, f"{family}_sum", application="digits") == 40.02015


def test_stage_histogram_carries_model_version_and_stage() -> None:
    families = scrape(SNAPSHOT)
    name = "clipper_stage_seconds"
    assert value(families, name, f"{name}_count", model="svm", version="1", stage="parse") == 5


def test_process_memory_is_exposed_beside_the_counts() -> None:
    assert value(scrape(SNAPSHOT), "process_resident_memory_bytes") > 0


def test_names_of_the_table_follow_the_conventions() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("clipper_") and not metric.name.endswith("_total")
        assert metric.help.endswith(".")
        assert metric.name.endswith(metric.unit)
        if metric.kind is Kind.HISTOGRAM and metric is not names.MODEL_BATCH_SIZE:
            assert metric.unit == "seconds"


def test_page_comes_in_small_pieces_however_much_there_is() -> None:
    many = MetricsSnapshot(
        applications=[
            ApplicationMetrics(f"app-{number}", 20_000, defaults={"deadline": 1}, latency_us=LATENCY)
            for number in range(60)
        ],
        models=[
            ModelMetrics(f"model-{number}", "1", batch_size=LATENCY, stages_us=dict.fromkeys(names.STAGES, LATENCY))
            for number in range(60)
        ],
    )
    pieces = list(slices_of(many))
    of_one_histogram = len(LATENCY_BOUNDS_US) + 3  # and the infinite bucket, the sum, the count
    assert max(piece.count(b"\n") for piece in pieces) <= of_one_histogram + 2
    lines = b"".join(pieces).decode().splitlines()
    heads = [line for line in lines if line.startswith("#")]
    assert len(heads) == len(set(heads))
    assert sum(line.startswith("clipper_stage_seconds_count{") for line in lines) == 60 * len(names.STAGES)
    assert sum(line.startswith("clipper_queries_total{") for line in lines) == 60
