"""The metrics in the original's form."""

from __future__ import annotations

import re
from pathlib import Path

from clipper.admin.metrics_json import to_metrics
from clipper.metrics.names import METRICS
from tests.support.document_tables import published_name
from tests.support.repository import text_of

SCRAPE = """
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1000.0
# TYPE clipper_queries counter
clipper_queries_total{application="digits"} 100.0
# TYPE clipper_default_answers counter
clipper_default_answers_total{application="digits",reason="deadline"} 4.0
clipper_default_answers_total{application="digits",reason="refused"} 1.0
# TYPE clipper_query_latency_seconds histogram
clipper_query_latency_seconds_bucket{application="digits",le="0.001"} 50.0
clipper_query_latency_seconds_bucket{application="digits",le="0.002"} 100.0
clipper_query_latency_seconds_bucket{application="digits",le="+Inf"} 100.0
clipper_query_latency_seconds_sum{application="digits"} 0.1
clipper_query_latency_seconds_count{application="digits"} 100.0
# TYPE clipper_model_tasks counter
clipper_model_tasks_total{model="svm",version="1"} 60.0
# TYPE clipper_model_cache_hits counter
clipper_model_cache_hits_total{model="svm",version="1"} 30.0
# TYPE clipper_model_cache_misses counter
clipper_model_cache_misses_total{model="svm",version="1"} 60.0
"""


def test_scrape_is_told_in_the_originals_four_lists() -> None:
    metrics = to_metrics(SCRAPE, now_s=lambda: 1050.0)
    assert list(metrics) == ["counters", "ratio_counters", "meters", "histograms"]
    assert {"app:digits:num_predictions": {"count": "100"}} in metrics["counters"]
    assert {"model:svm:1:num_predictions": {"count": "60"}} in metrics["counters"]
    assert {"app:digits:default_prediction_ratio": {"ratio": "0.05"}} in metrics["ratio_counters"]
    assert {"model:svm:1:cache_hit_ratio": {"ratio": "0.333333"}} in metrics["ratio_counters"]
    assert {"internal:prediction_cache_hit_ratio": {"ratio": "nan"}} in metrics["ratio_counters"]
    rate = {"unit": "events per second", "rate": "2"}
    assert {"app:digits:prediction_throughput": rate} in metrics["meters"]


def test_percentiles_are_read_off_the_buckets() -> None:
    (latency,) = (
        entry["app:digits:prediction_latency"]
        for entry in to_metrics(SCRAPE)["histograms"]
        if "app:digits:prediction_latency" in entry
    )
    assert latency == {
        "unit": "microseconds", "size": "100", "mean": "1000", "p50": "1000", "p95": "1900", "p99": "1980",
    }  # fmt: skip


def test_percentile_beyond_the_last_bucket_is_its_bound_and_that_of_nothing_is_zero() -> None:
    slow = SCRAPE.replace('le="0.001"} 50.0', 'le="0.001"} 0.0').replace('le="0.002"} 100.0', 'le="0.002"} 0.0')
    empty = slow.replace("} 100.0", "} 0.0")
    for text, expected in ((slow, "2000"), (empty, "0")):
        found = [entry for entry in to_metrics(text)["histograms"] if "app:digits:prediction_latency" in entry]
        assert found[0]["app:digits:prediction_latency"]["p99"] == expected


def test_scrape_of_a_fresh_frontend_has_the_internal_metrics_alone() -> None:
    metrics = to_metrics("")
    assert {name for entry in metrics["counters"] for name in entry} == {
        "internal:prediction_cache_lookups", "internal:aggregate_num_predictions",
    }  # fmt: skip


def test_metrics_that_are_asked_for_are_published() -> None:
    text = text_of(Path("clipper/admin/metrics_json.py"))
    published = {published_name(metric) for metric in METRICS}
    prefixes = {"clipper_model_cache", "clipper_cache"}
    assert set(re.findall(r'"(clipper_[a-z_]+)"', text)) - prefixes <= published
    for prefix in prefixes:
        assert {f"{prefix}_{kind}_total" for kind in ("hits", "joins", "misses")} <= published
