"""Reading what ``/metrics`` publishes, and the difference of two readings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.metrics import names
from clipper.metrics.scrape import Buckets, Scrape, grown

TEXT = """\
# TYPE clipper_queries_total counter
clipper_queries_total{application="a"} 10.0
clipper_queries_total{application="b"} 5.0
# TYPE clipper_default_answers_total counter
clipper_default_answers_total{application="a",reason="deadline"} 3.0
clipper_default_answers_total{application="a",reason="refused"} 0.0
# TYPE clipper_query_latency_seconds histogram
clipper_query_latency_seconds_bucket{application="a",le="0.01"} 4.0
clipper_query_latency_seconds_bucket{application="a",le="0.02"} 8.0
clipper_query_latency_seconds_bucket{application="a",le="+Inf"} 10.0
clipper_query_latency_seconds_count{application="a"} 10.0
clipper_query_latency_seconds_sum{application="a"} 0.2
"""


def test_counter_is_read_by_its_labels_and_added_up_without_them() -> None:
    scrape = Scrape(TEXT)
    assert scrape.value(names.APP_QUERIES, application="a") == 10
    assert scrape.value(names.APP_QUERIES) == 15
    assert scrape.value(names.APP_QUERIES, application="nobody") == 0


def test_counter_is_split_by_a_label_without_its_zeros() -> None:
    assert Scrape(TEXT).split(names.APP_DEFAULTS, "reason", application="a") == {"deadline": 3}


def test_histogram_is_read_in_rising_order() -> None:
    buckets = Scrape(TEXT).buckets(names.APP_LATENCY, application="a")
    assert buckets == Buckets((0.01, 0.02, math.inf), (4, 8, 10), 0.2)
    assert buckets.mean == pytest.approx(0.02)


def test_quantile_lies_within_its_bucket_and_beyond_the_last_bound_is_infinite() -> None:
    buckets = Scrape(TEXT).buckets(names.APP_LATENCY, application="a")
    assert buckets.quantile(0.2) == pytest.approx(0.005)
    assert buckets.quantile(0.6) == pytest.approx(0.015)
    assert buckets.quantile(0.99) == math.inf


def test_quantile_of_nothing_is_none() -> None:
    assert Buckets().quantile(0.5) is None
    assert Buckets((1.0, math.inf), (0, 0)).quantile(0.5) is None
    assert Buckets().mean is None


@given(st.lists(st.integers(0, 5), min_size=4, max_size=4), st.lists(st.integers(0, 5), min_size=4, max_size=4))
def test_difference_of_two_readings_is_what_was_added(before: list[int], added: list[int]) -> None:
    def cumulative(counts: list[int]) -> Buckets:
        sums = [float(sum(counts[: index + 1])) for index in range(4)]
        return Buckets((1.0, 2.0, 4.0, math.inf), tuple(sums), float(sum(counts)))

    both = cumulative([one + other for one, other in zip(before, added, strict=True)])
    assert both.since(cumulative(before)) == cumulative(added)


def test_restarted_process_counts_from_zero() -> None:
    earlier = Buckets((1.0, math.inf), (10, 20), 30.0)
    later = Buckets((1.0, math.inf), (1, 2), 3.0)
    assert later.since(earlier) == later
    assert grown(3, 10) == 3
    assert grown(10, 3) == 7
