"""Records and the pages rendered from them; results that were made up."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.bench.cost import Cost, ProcessCost
from clipper.bench.curve import order_of, points_of, shares_between
from clipper.bench.histogram import LogHistogram
from clipper.bench.load_run import OUTCOMES, LoadRun, read_client
from clipper.bench.measure import Measurement
from clipper.bench.objective import Objective
from clipper.bench.page import html, markdown
from clipper.bench.report import answer_lines, blocks_of, number
from clipper.bench.results import Result, read_result, write_result
from clipper.bench.search import Bracket, Capacity
from clipper.bench.stages import StageReport, Stretch, faults_between, is_clipper, stages_between
from clipper.bench.svg import Axis, Plot, Series, draw, linear_ticks, log_ticks
from clipper.errors import InvalidArgumentError, NotFoundError
from clipper.metrics.scrape import Scrape

OBJECTIVE = Objective(20_000)
COST = Cost(1_000, (ProcessCost(7, "python <server> & co", 0.5, 500.0, 50 << 20),), is_peak_of_run=False)
STAGES = StageReport(
    (Stretch("digits", "all", 1_000, 900.0, 800.0, 2_000.0),),
    (Stretch("svm:1", "queue", 1_000, 100.0, 90.0, 200.0), Stretch("svm:1", "compute", 40, 300.0, 290.0, 700.0)),
    {"svm:1": 25.0},
    {"deadline": 3.0},
    0.25,
)


def a_run(rate: float, latencies_ms: list[float], **failures: int) -> LoadRun:
    latency = LogHistogram()
    for value in latencies_ms:
        latency.record(round(value * 1e6))
    outcomes = {**dict.fromkeys(OUTCOMES, 0), "answered": len(latencies_ms), **failures}
    seen: dict[str, Any] = {
        "groups": [{"outcomes": outcomes, "latency_ns": latency.to_pairs(), "other_latency_ns": []}],
        "lag_ns": [[10_000, 5]],
        "idle_ratios": [0.5],
        "examples": {"wrong_answer": "200 <b>no</b> | `what`"} if failures else {},
        **dict.fromkeys(("waited", "reconnects", "received_bytes", "cpu_us", "elapsed_us", "next_counter"), 7),
    }
    return dataclasses.replace(read_client(seen, rate, 2.0), void_reason=None)


def measured(rate: float, *latencies_ms: float, **changes: Any) -> Measurement:
    failures = changes.pop("failures", {})
    base = Measurement("run", 1, a_run(rate, list(latencies_ms), **failures), cost=COST, stages=STAGES)
    return dataclasses.replace(base, **changes)


def result(kind: str = "run", *measurements: Measurement, **changes: Any) -> Result:
    host = {"cpu": "a processor", "cores": 2, "memory_gb": 8.0, "kernel": "6", "system": "Debian", "python": "3"}
    setup = {
        "arrivals": "poisson",
        "keys": "unique",
        "duration_s": 2.0,
        "warmup_s": 1.0,
        "connections": 8,
        "threads": 1,
        "seed": 1,
        "most_lag_us": 2_000.0,
        "watched_processes": [7],
        "metrics_url": None,
    }
    return dataclasses.replace(
        Result(
            kind=kind,
            version="1",
            command=("clipper", "bench", kind, "http://h/a b"),
            finished_at="2026-01-01 00:00:00",
            host={**host, "is_servers": True, "started_at": "", "variables": {}},
            target={"url": "http://h/a?x=<1>", "sends": "POST /a", "expects": "right is status 200"},
            setup=setup,
            objective=OBJECTIVE,
            measurements=measurements or (measured(100.0, 1.0, 2.0, 30.0),),
        ),
        **changes,
    )


CAPACITY = Capacity(100.0, True, 95.0, 105.0, "server", (Bracket(98.0, 102.0, False), Bracket(99.0, 103.0, False)))
CURVE = [measured(rate, *[latency] * 100) for rate, latency in ((50.0, 1.0), (100.0, 15.0), (200.0, 90.0))]
RESULTS = {
    "run": result(),
    "run without an objective": result(objective=None),
    "failures": result("run", measured(100.0, 1.0, failures={"wrong_answer": 3, "lost": 1})),
    "search": result("search", measured(100.0, 1.0), measured(200.0, 90.0), capacity=CAPACITY, capacity_per_s=100.0),
    "nothing found": result(
        "search", measured(1.0, 90.0), capacity=Capacity(None, False, None, None, "server", (), ("no rate holds",))
    ),
    "curve": result("curve", *CURVE, points=points_of(CURVE, 100.0, OBJECTIVE), capacity_per_s=100.0),
    "void": result("run", measured(10.0, 1.0, void_reason="process 7 stalled"), void_reason="process 7 stalled"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_record_read_back_renders_the_same_page(name: str, tmp_path: Path) -> None:
    file = tmp_path / "new" / "record.json"
    write_result(RESULTS[name], file)
    again = read_result(file)
    assert markdown(blocks_of(again)) == markdown(blocks_of(RESULTS[name]))
    assert html(blocks_of(again)) == html(blocks_of(RESULTS[name]))
    assert "Infinity" not in file.read_text() and "NaN" not in file.read_text()


@pytest.mark.parametrize("name", RESULTS)
def test_html_is_one_well_formed_file_that_fetches_nothing(name: str) -> None:
    page = html(blocks_of(RESULTS[name]))
    ElementTree.fromstring(re.sub(r"<meta[^>]*>", "", page.removeprefix("<!DOCTYPE html>")))
    assert not re.search(r"<script|<link|<img|@import|url\(|(?:src|href)=", page)
    assert "<1>" not in page


def test_answer_of_a_search_names_rate_interval_and_objective() -> None:
    text = " ".join(answer_lines(RESULTS["search"]))
    assert "100 requests/s" in text and "95 to 105" in text and "p99 within 20 ms" in text and "confirmed" in text


def test_void_result_says_nothing_but_why() -> None:
    (line,) = answer_lines(RESULTS["void"])
    assert line.startswith("VOID: process 7 stalled")
    assert RESULTS["void"].is_met is None


def test_page_tells_failures_doubts_stages_and_cost() -> None:
    page = markdown(blocks_of(RESULTS["failures"]))
    for wanted in (
        "3 wrong_answer",
        "counted as wrong_answer",
        "svm:1 | queue",
        "500.0 seconds",
        "mean batch of svm:1",
    ):
        assert wanted in page, wanted


def test_objective_is_missed_by_one_late_answer_too_many() -> None:
    assert result("run", measured(10.0, *[1.0] * 99, 30.0)).is_met is True
    assert result("run", measured(10.0, *[1.0] * 98, 30.0, 30.0)).is_met is False


def test_points_of_a_curve_are_medians_and_leave_void_runs_out() -> None:
    runs = [measured(50.0, *[1.0] * count) for count in (90, 100, 95)]
    void = measured(75.0, 1.0, void_reason="the client was saturated")
    (point,) = points_of([*runs, void], 100.0, OBJECTIVE)
    assert (point.share, point.runs) == (0.5, 3)
    assert (point.goodput_low_per_s, point.goodput_per_s, point.goodput_high_per_s) == (45.0, 47.5, 50.0)


def test_curve_goes_up_and_down_between_its_ends() -> None:
    shares = shares_between(0.1, 2.0, 20)
    assert (shares[0], shares[-1], len(shares)) == (0.1, 2.0, 20)
    assert order_of((1.0, 2.0), 3) == [1.0, 2.0, 2.0, 1.0, 1.0, 2.0]
    with pytest.raises(InvalidArgumentError):
        shares_between(1.0, 0.5, 5)


@pytest.mark.parametrize(
    "content", ["{}", "[1]", "no json", '{"kind": "run", "schema": 99}', '{"kind": "run", "schema": 1}']
)
def test_file_that_is_no_record_is_refused_with_what_is_wanted(content: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    with pytest.raises(InvalidArgumentError):
        read_result(file)
    with pytest.raises(NotFoundError):
        read_result(tmp_path / "none.json")


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_linear_ticks_are_few_and_within_their_axis(low: float, span: float) -> None:
    span = max(span, abs(low) * 1e-6)  # closer than that the axis is one number
    ticks = linear_ticks(low, low + span)
    assert len(ticks) <= 9
    assert all(low - span * 0.01 <= tick <= low + span * 1.01 for tick in ticks)


@given(st.floats(1e-9, 1e9), st.floats(1.01, 1e12))
def test_log_ticks_are_few_and_within_their_axis(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert len(ticks) <= 9
    assert all(low * 0.99 <= tick <= low * ratio * 1.01 for tick in ticks)


numbers = st.floats(-1e12, 1e12) | st.sampled_from([math.inf, -math.inf, math.nan, 0.0, 1e-300])


@settings(max_examples=40)
@given(st.lists(st.tuples(numbers, numbers), max_size=8), st.booleans())
def test_plot_of_any_numbers_is_well_formed(points: list[tuple[float, float]], is_log: bool) -> None:
    text = draw(Plot(Axis("x", is_log), Axis("y", is_log), (Series("a<b", tuple(points), has_dots=True),)))
    assert "nan" not in text and "inf" not in text
    ElementTree.fromstring(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_345.6, "12,346"), (1.5, "1.5"), (0.0, "0"), (100.0, "100"), (math.inf, "-"), (None, "-"), (99.994, "99.99")],
)
def test_rate_is_written_with_four_digits(value: float | None, text: str) -> None:
    assert number(value) == text


METRICS = """
clipper_http_requests_total {requests}
clipper_queries_total{{application="digits"}} {requests}
clipper_default_answers_total{{application="digits",reason="deadline"}} {defaults}
clipper_query_latency_seconds_bucket{{application="digits",le="0.001"}} {requests}
clipper_query_latency_seconds_bucket{{application="digits",le="+Inf"}} {requests}
clipper_query_latency_seconds_sum{{application="digits"}} {seconds}
clipper_query_latency_seconds_count{{application="digits"}} {requests}
clipper_model_replicas{{model="svm",version="1",state="ready"}} {ready}
clipper_model_replicas{{model="svm",version="1",state="suspect"}} {suspect}
clipper_model_requeues_total{{model="svm",version="1"}} {requeues}
"""


def page(**changes: float) -> str:
    values = {"requests": 100, "defaults": 1, "seconds": 0.05, "ready": 2, "suspect": 0, "requeues": 0, **changes}
    return "# TYPE clipper_http_requests counter\n" + METRICS.format(**values)


def test_stages_are_what_grew_between_two_readings() -> None:
    seen = stages_between(Scrape(page()), Scrape(page(requests=300, seconds=0.15, defaults=4)))
    (whole,) = seen.applications
    assert (whole.of, whole.count) == ("digits", 200)
    assert whole.mean_us == pytest.approx(500)
    assert seen.misses == {"deadline": 3.0}
    assert faults_between(Scrape(page()), Scrape(page(requests=300))) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"requests": 5}, "restarted"),
        ({"requests": 200, "ready": 1}, "2 ready replicas before and 1 after"),
        ({"requests": 200, "suspect": 1}, "became suspect"),
        ({"requests": 200, "requeues": 4}, "replica was lost"),
    ],
)
def test_server_that_did_not_stay_whole_voids_the_run(changes: dict[str, float], why: str) -> None:
    assert any(why in fault for fault in faults_between(Scrape(page()), Scrape(page(**changes))))


def test_page_of_metrics_of_others_is_not_taken_for_clippers() -> None:
    assert is_clipper(page())
    assert not is_clipper("python_gc_objects_collected_total 5\n")
