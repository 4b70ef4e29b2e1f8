"""The numbers of ``clipper top`` from two readings, and the picture of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from rich.console import Console

from clipper.cli.activity import Activity, Reading, activity
from clipper.cli.top_view import render, render_trouble
from clipper.metrics.scrape import Scrape

LATENCY = 'clipper_query_latency_seconds_bucket{application="a",le="%s"} %d\n'


def text(queries: int, slow: int, defaults: int, hits: int, batches: int) -> str:
    """Return a page of metrics: fast queries below 10 ms, slow ones below 50 ms."""
    model = 'model="m",version="1"'
    return (
        "# TYPE clipper_queries_total counter\n"
        f'clipper_queries_total{{application="a"}} {queries}\n'
        "# TYPE clipper_default_answers_total counter\n"
        f'clipper_default_answers_total{{application="a",reason="deadline"}} {defaults}\n'
        "# TYPE clipper_query_latency_seconds histogram\n"
        + LATENCY % ("0.01", queries - slow)
        + LATENCY % ("0.05", queries)
        + LATENCY % ("+Inf", queries)
        + f'clipper_query_latency_seconds_sum{{application="a"}} {queries / 100}\n'
        "# TYPE clipper_model_batch_size histogram\n"
        f'clipper_model_batch_size_bucket{{{model},le="8"}} {batches}\n'
        f'clipper_model_batch_size_bucket{{{model},le="+Inf"}} {batches}\n'
        f"clipper_model_batch_size_sum{{{model}}} {batches * 6}\n"
        "# TYPE clipper_model_cache_hits_total counter\n"
        f"clipper_model_cache_hits_total{{{model}}} {hits}\n"
        "# TYPE clipper_model_cache_misses_total counter\n"
        f"clipper_model_cache_misses_total{{{model}}} {batches}\n"
    )


def reading(at_us: int, page: str, **version: Any) -> Reading:
    model = {"name": "m", "version": "1", "is_current": True, "replicas": 2, "ready_replicas": 2,
             "is_quarantined": False, **version}  # fmt: skip
    replica = {"replica_id": "m:1:0", "model": "m", "version": "1", "pid": 7, "state": "ready", "reason": ""}
    return Reading(
        at_us,
        Scrape(page),
        {
            "applications": [{"name": "a", "latency_slo_us": 20_000, "models": ["m"]}],
            "models": [{"name": "m", "versions": [model]}],
            "replicas": [replica],
        },
    )


@pytest.fixture
def measured() -> Activity:
    before = reading(1_000_000, text(queries=1000, slow=0, defaults=7, hits=10, batches=10))
    after = reading(3_000_000, text(queries=1100, slow=50, defaults=9, hits=40, batches=20))
    return activity(after, before)


def test_rates_are_of_the_window_alone(measured: Activity) -> None:
    (application,) = measured.applications
    assert measured.window_us == 2_000_000
    assert application.queries == 100 and application.queries_per_s == 50
    assert application.defaults == 2 and application.miss_reasons == {"deadline": 2}


def test_latencies_are_of_the_window_alone(measured: Activity) -> None:
    (application,) = measured.applications
    assert application.p50_us == pytest.approx(10_000)
    assert application.p99_us is not None and 45_000 < application.p99_us <= 50_000
    assert application.meets_slo is False


def test_batches_and_cache_are_of_the_window_alone(measured: Activity) -> None:
    (model,) = measured.models
    assert model.mean_batch_size == 6
    assert model.cache_hit_ratio == pytest.approx(30 / 40)


def test_window_without_queries_has_no_latency() -> None:
    page = text(queries=1000, slow=0, defaults=7, hits=10, batches=10)
    (application,) = activity(reading(2_000_000, page), reading(1_000_000, page)).applications
    assert application.p50_us is None and application.p99_us is None and application.meets_slo is None


def test_first_reading_tells_what_was_since_the_start_and_no_rate() -> None:
    (application,) = activity(reading(5, text(10, 0, 1, 0, 1)), None).applications
    assert application.queries == 10 and application.queries_per_s == 0


def test_activity_is_json_without_infinities(measured: Activity) -> None:
    assert json.loads(json.dumps(asdict(measured), allow_nan=False))["models"][0]["model"] == "m"


def shown(measured: Activity) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(render(measured, "http://127.0.0.1:1338"))
    return capture.get()


def test_picture_marks_what_is_slower_than_its_slo(measured: Activity) -> None:
    picture = shown(measured)
    assert "✗" in picture and "deadline 2" in picture and "75.0%" in picture and "m:1:0" in picture


def test_picture_of_nothing_says_what_to_do_first() -> None:
    empty = Activity(1_000_000, (), (), (), 0, 0, 0)
    assert "clipper apps register" in shown(empty) and "clipper deploy" in shown(empty)


def test_picture_names_a_quarantine() -> None:
    page = text(10, 0, 0, 0, 1)
    assert "quarantined" in shown(activity(reading(2, page, is_quarantined=True, ready_replicas=0), None))


def test_picture_of_trouble_says_that_it_goes_on() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render_trouble("nothing answers"))
    assert "nothing answers" in capture.get() and "trying again" in capture.get()
