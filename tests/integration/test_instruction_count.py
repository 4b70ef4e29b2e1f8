"""Counting under callgrind, for real and small; the whole of it is the guard that ``.ci/run`` calls."""

from __future__ import annotations

import pytest

from bench.micro.query_cost import measure

VALGRIND = ("valgrind", "apt-get install -y --no-install-recommends valgrind")


@pytest.mark.optional(*VALGRIND)
@pytest.mark.timeout(300)
def test_counted_query_has_instructions_in_every_hop_and_few_allocations() -> None:
    cost = measure(["noop_alone"])["noop_alone"]
    for part in (
        "HTTP parser (httptools)",
        "body parser",
        "cache",
        "queue",
        "RPC",
        "query: select, gather, reply",
    ):
        assert cost.parts.get(part, 0) > 0, part
    assert cost.instructions == pytest.approx(sum(cost.parts.values()), rel=1e-3)
    assert 1_000 < cost.instructions < 200_000
    assert 0 < cost.mallocs < cost.allocations < 100
