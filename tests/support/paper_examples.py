"""Results of the paper's figures on batching, replicas, other servers, cache and feedback, as a good run has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.lines import FOREST, KERNEL_SVM, LINEAR
from bench.paper.cache_rates import CacheRates
from bench.paper.cache_rates import Row as CacheRow
from bench.paper.feedback_rates import FeedbackRates
from bench.paper.feedback_rates import Row as FeedbackRow
from bench.paper.figure_3 import SIZES, Figure3, Profile
from bench.paper.figure_4 import Cell, Figure4
from bench.paper.figure_4 import Row as BatchingRow
from bench.paper.figure_5 import Figure5
from bench.paper.figure_5 import Row as WaitRow
from bench.paper.figure_6 import Figure6
from bench.paper.figure_6 import Row as ReplicasRow
from bench.paper.figure_11 import Figure11, Loop, Run, Server
from bench.paper.probes import Probe, Sustained

PROBE = Probe(
    offered_per_s=1_000.0, scheduled=2_000, answered_per_s=990.0, in_time_ratio=0.99, mean_us=5_000.0, p50_us=4_000.0,
    p99_us=19_000.0, answered_p99_us=18_000.0, batches_per_s=100.0, batch_size=10.0, batch_us=2_000.0,
    batch_p99_us=3_000.0, server_us=50.0, hit_ratio=0.0, void_reason=None,
)  # fmt: skip


def sustained(rate_per_s: float, **changes: Any) -> Sustained:
    """Return what a search found, with a run that shows it."""
    shown = replace(PROBE, offered_per_s=rate_per_s, **changes) if rate_per_s else None
    return Sustained(rate_per_s, shown, 5, 0)


def profile(name: str, base_us: float, per_item_us: float, overhead_us: float = 300.0) -> Profile:
    """Return durations on a line, a little longer than was asked for."""
    sizes = [size for size in SIZES if base_us + per_item_us * size < 40_000]
    mean_us = [overhead_us + base_us + per_item_us * size for size in sizes]
    return Profile(name, name, (base_us, per_item_us), sizes, mean_us, [1.1 * us for us in mean_us])


def batching(name: str, aimd: float, none: float) -> BatchingRow:
    """Return a container that serves so many with and without batching."""
    cells = [
        Cell(policy, PROBE, sustained(rate)) for policy, rate in (("aimd", aimd), ("quantile", aimd), ("none", none))
    ]
    return BatchingRow(name, name, 2.0, 40_000, cells)


def server(name: str, rate_per_s: float) -> Server:
    """Return a server that sustains so much."""
    run = Run(1_300.0, rate_per_s, 0.99, 4_000.0, 18_000.0, None)
    return Server(name, name, run, rate_per_s, run)


EXAMPLES: dict[str, Any] = {
    "figure-3": Figure3(
        20_000,
        100,
        [
            profile(line.name, line.base_us, line.per_item_us)
            for line in (LINEAR, FOREST, KERNEL_SVM)
        ],
        is_judged=True,
    ),
    "figure-4": Figure4(
        2.0, [batching(LINEAR.name, 7_000.0, 160.0), batching(FOREST.name, 5_000.0, 17.0)], is_judged=True
    ),
    "figure-5": Figure5(
        20_000,
        [
            WaitRow(LINEAR.name, "linear", 0, PROBE),
            WaitRow(LINEAR.name, "linear", 2_000, replace(PROBE, batch_size=40.0)),
        ],
        is_judged=True,
    ),
    "figure-6": Figure6(
        100_000,
        51,
        [ReplicasRow(count, Cell("fixed", PROBE, sustained(1_900.0 * count))) for count in (1, 2, 3, 4)],
        is_judged=True,
    ),
    "figure-11": Figure11(
        20_000,
        [Loop("numpy", 64, 10_000.0, True), Loop("onnxruntime", 64, 14_000.0, True)],
        [server("clipper-numpy", 8_000.0), server("triton", 4_000.0)],
        {},
        is_judged=True,
    ),
    "cache": CacheRates(
        20_000,
        [CacheRow(0, sustained(1_900.0)), CacheRow(9, sustained(18_000.0, hit_ratio=0.9))],
        is_judged=True,
    ),
    "feedback": FeedbackRates(
        [
            FeedbackRow("uncached", 1_500.0, 1_400.0, 30_000.0, 0.0, None),
            FeedbackRow("cached", 6_000.0, 4_000.0, 20_000.0, 0.95, None),
            FeedbackRow("by-id", 3_000.0, 3_000.0, 0.0, 0.95, None),
        ],
        is_judged=True,
    ),
}  # fmt: skip
