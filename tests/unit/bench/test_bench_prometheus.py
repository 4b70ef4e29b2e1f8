"""Reading a server's metrics before and after a cell."""

from __future__ import annotations

import pytest

from bench.prometheus import counter_lines, growth, misses, parse_metrics, stage_summaries

BEFORE = """\
# HELP clipper_default_answers_total Queries answered with the default output.
# TYPE clipper_default_answers_total counter
clipper_default_answers_total{application="noop",reason="deadline"} 3
clipper_cache_entries 9
clipper_stage_seconds_bucket{le="0.001",model="m",stage="rpc",version="1"} 10
clipper_stage_seconds_bucket{le="+Inf",model="m",stage="rpc",version="1"} 10
clipper_stage_seconds_sum{model="m",stage="rpc",version="1"} 0.005
"""
AFTER = """\
clipper_default_answers_total{application="noop",reason="deadline"} 5
clipper_error_answers_total{application="noop",reason="model_error"} 1
clipper_cache_entries 4
clipper_stage_seconds_bucket{le="0.001",model="m",stage="rpc",version="1"} 110
clipper_stage_seconds_bucket{le="+Inf",model="m",stage="rpc",version="1"} 110
clipper_stage_seconds_sum{model="m",stage="rpc",version="1"} 0.055
"""


def test_misses_are_default_and_error_answers_of_the_cell_alone() -> None:
    assert misses(growth(parse_metrics(BEFORE), parse_metrics(AFTER))) == 3


def test_gauges_do_not_grow() -> None:
    grown = growth(parse_metrics(BEFORE), parse_metrics(AFTER))
    assert not any(name == "clipper_cache_entries" for name, _ in grown)


def test_stage_histogram_is_summarised_over_the_cell_alone() -> None:
    (stage,) = stage_summaries(growth(parse_metrics(BEFORE), parse_metrics(AFTER)))
    assert stage.name == "clipper_stage_seconds m rpc 1"
    assert stage.count == 100
    assert stage.mean == pytest.approx(0.0005)
    assert stage.p50 == pytest.approx(0.0005)


def test_counter_lines_name_the_labels() -> None:
    lines = counter_lines(growth(parse_metrics(BEFORE), parse_metrics(AFTER)))
    assert lines['clipper_default_answers_total{application="noop",reason="deadline"}'] == 2


def test_label_with_escaped_quote_is_read_whole() -> None:
    samples = parse_metrics('x_total{a="say \\"hi\\", you",b="2"} 1')
    assert list(samples) == [("x_total", (("a", 'say \\"hi\\", you'), ("b", "2")))]
