"""Draws the figures on batching, replicas, other servers and the cache; `plots.py` has the others and the files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.paper.batching_tables import PAPER_REPLICAS, PAPER_WAITS
from bench.paper.cache_rates import CacheRates
from bench.paper.feedback_rates import FeedbackRates
from bench.paper.figure_3 import Figure3
from bench.paper.figure_4 import POLICIES, Cell, Figure4
from bench.paper.figure_5 import Figure5
from bench.paper.figure_6 import Figure6
from bench.paper.figure_11 import Figure11
from bench.paper.system_tables import PAPER_HITS


def figure_3(figure: Figure3, panels: Any) -> None:
    """Mean duration over batch size, one curve a container."""
    panel = panels[0]
    for profile in figure.profiles:
        panel.plot(profile.sizes, [us / 1e3 for us in profile.mean_us], marker=".", label=profile.title)
    panel.axhline(figure.slo_us / 1e3, color="black", linestyle=":", label="objective")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xlabel("queries in a batch")
    panel.set_ylabel("ms")
    panel.legend(fontsize=6)


def figure_4(figure: Figure4, panels: Any) -> None:
    """Bars by container and policy: answered under overload, in time under overload, and sustained."""
    panel, at, width = panels[0], np.arange(len(figure.rows)), 0.09
    kinds: tuple[tuple[str, Callable[[Cell], float]], ...] = (
        ("answered", lambda cell: cell.overload.answered_per_s),
        ("in time", lambda cell: cell.overload.goodput_per_s),
        ("sustained", lambda cell: cell.sustained.rate_per_s),
    )
    for policy_at, policy in enumerate(POLICIES):
        for kind_at, (kind, rate_of) in enumerate(kinds):
            shift = (policy_at * len(kinds) + kind_at - 4) * width
            rates = [max(0.1, rate_of(row.of(policy))) for row in figure.rows]
            panel.bar(at + shift, rates, width, label=f"{policy}: {kind}")
    panel.set_yscale("log")
    panel.set_xticks(at, [row.name for row in figure.rows])
    panel.set_ylabel("queries/s")
    panel.legend(fontsize=6, ncols=3)


def figure_5(figure: Figure5, panels: Any) -> None:
    """Mean batch over the wait, ours and the paper's."""
    panel = panels[0]
    for name in dict.fromkeys(row.name for row in figure.rows):
        runs = figure.of(name)
        panel.plot([us / 1e3 for us in runs], [run.batch_size for run in runs.values()], marker="o", label=name)
    panel.plot(
        [us / 1e3 for us in PAPER_WAITS], [seen[2] for seen in PAPER_WAITS.values()], "k:", label="paper, linear"
    )
    panel.set_xlabel("longest wait, ms")
    panel.set_ylabel("queries in a batch")
    panel.legend(fontsize=7)


def figure_6(figure: Figure6, panels: Any) -> None:
    """Rate over that of one replica."""
    panel, counts = panels[0], [row.replicas for row in figure.rows]
    panel.plot(counts, [figure.scaling(row) or 0.0 for row in figure.rows], marker="o", label="99% in time")
    for index, network in enumerate(("10 Gbps", "1 Gbps")):
        theirs = [PAPER_REPLICAS[count][index] / PAPER_REPLICAS[1][index] for count in counts]
        panel.plot(counts, theirs, linestyle=":", marker=".", label=f"paper, {network}")
    panel.set_xlabel("replicas")
    panel.set_ylabel("of one replica's rate")
    panel.set_xticks(counts)
    panel.legend(fontsize=7)


def figure_11(figure: Figure11, panels: Any) -> None:
    """Bars: the best loops, then what each server sustains."""
    loops = [figure.best_loop(runtime) for runtime in dict.fromkeys(loop.runtime for loop in figure.loops)]
    bars = [(f"{loop.runtime}, no server", loop.rate_per_s) for loop in loops if loop]
    bars += [(server.name, server.sustained_per_s) for server in figure.servers]
    _bars(panels[0], bars, "inputs/s")


def cache_rates(found: CacheRates, panels: Any) -> None:
    """Rate over that without hits."""
    panel, tenths = panels[0], [row.tenths for row in found.rows]
    hits = [tenth * 10 for tenth in tenths]
    panel.plot(hits, [found.gain(row) or 0.0 for row in found.rows], marker="o", label="99% in time")
    theirs = [PAPER_HITS[tenth][0] / PAPER_HITS[0][0] for tenth in tenths]
    panel.plot(hits, theirs, "k:", marker=".", label="paper")
    panel.set_xlabel("hits, %")
    panel.set_ylabel("of the rate without hits")
    panel.legend(fontsize=7)


def feedback_rates(found: FeedbackRates, panels: Any) -> None:
    """Bars: joined by the frontend, by way."""
    _bars(panels[0], [(row.name, row.joined_per_s) for row in found.rows], "feedback/s")


def _bars(panel: Any, bars: list[tuple[str, float]], unit: str) -> None:
    panel.bar(range(len(bars)), [height for _, height in bars])
    panel.set_xticks(range(len(bars)), [name for name, _ in bars], rotation=15)
    panel.set_ylabel(unit)
