"""Figures 3 to 6 as Markdown tables, each with the paper's numbers, and with corrected ones where its raw data differs.

The corrections are our reading of the authors' published logs (github.com/dcrankshaw/clipper-plots, folder `nsdi`).
"""

from __future__ import annotations

from typing import Final

from bench.document import table
from bench.lines import FOREST, KERNEL_SVM, LINEAR, LOGISTIC, NOOP, SPARK
from bench.paper.figure_3 import Figure3, Profile
from bench.paper.figure_4 import POLICIES, Cell, Figure4, Row
from bench.paper.figure_5 import JUDGED_WAIT_US, Figure5
from bench.paper.figure_6 import Figure6
from bench.paper.probes import Probe

# Figure 3: base and cost per item in us of the line through the 99th percentiles, and the largest batch within 20 ms.
PAPER_P99: Final = {
    NOOP.name: (3_560, 11.56, 1_422),
    LINEAR.name: (3_496, 12.69, 1_300),
    LOGISTIC.name: (4_336, 11.68, 1_341),
    FOREST.name: (11_234, 22.27, 393),
    SPARK.name: (1_883, 31.28, 579),
    KERNEL_SVM.name: (6_286, 4_792.0, 3),
}
PAPER_BATCH_RATIO: Final = 241
# Figure 4: queries per second with AIMD, quantile regression and without batching; the gain; and the gain as corrected.
PAPER_THROUGHPUT: Final = {
    LINEAR.name: (48_934, 47_879, 1_920, "25.5x", "10 to 11x"),
    FOREST.name: (22_859, 19_903, 317, "72x", "72x"),
    SPARK.name: (29_350, 27_742, 7_206, "4.07x", "4.07x"),
    KERNEL_SVM.name: (197, 188, 203, "0.97x", "0.97x"),
}
# Figure 5: queries per second by wait in ms, as published, and while the container was alive; mean batch; p99 in ms.
PAPER_WAITS: Final = {
    0: (5_510, 18_100, 5.7, 4.8),
    1_000: (16_452, 18_230, 18.1, 4.7),
    2_000: (18_454, 18_454, 36.8, 3.2),
}
PAPER_SPARK_WAITS: Final = {0: (18_291, 18_291, 16.0, None), 2_000: (18_406, 18_406, 37.6, None)}
# Figure 6: queries per second by number of replicas, over 10 and over 1 Gbps.
PAPER_REPLICAS: Final = {1: (19_478, 19_728), 2: (38_538, 35_456), 3: (57_631, 38_721), 4: (77_122, 38_524)}


def figure_3(figure: Figure3) -> str:
    """The lines, then the batches within the objective."""
    heads = ["container", "the line it was told, us", "mean here, us", "p99 here, us", "largest batch, p99 in 20 ms"]
    heads += ["queries/s in such batches", "paper: p99 line, us", "paper: largest batch"]
    rows = [_profile(profile) for profile in figure.profiles]
    ratio = figure.batch_ratio
    parts = [table(heads, rows)]
    if ratio is not None:
        parts.append(
            f"Largest batch of the linear SVM over the kernel SVM's: {ratio:.0f}x (paper: {PAPER_BATCH_RATIO}x)."
        )
    return "\n\n".join(parts)


def _profile(profile: Profile) -> list[str]:
    asked = "real" if profile.asked is None else _line(*profile.asked)
    paper = PAPER_P99.get(profile.name)
    theirs = ["-", "-"] if paper is None else [_line(*paper[:2]), f"{paper[2]:,}"]
    mean, p99 = profile.line, profile.p99_line
    return [
        profile.title, asked, _line(mean.base_us, mean.per_item_us), _line(p99.base_us, p99.per_item_us),
        f"{profile.max_batch:,}", f"{profile.capacity_per_s:,.0f}", *theirs,
    ]  # fmt: skip


def _line(base_us: float, per_item_us: float) -> str:
    return f"{base_us:,.0f} + {per_item_us:,.2f} b"


def figure_4(figure: Figure4) -> str:
    """What the paper counts and what a user would, then how large batches were."""
    heads = ["container", "batching", "offered/s", "answered/s", "of it in time/s", "p99 ms of the answered"]
    heads += ["at most, 99% in time/s", "over none", "paper: answered/s", "paper: over none", "corrected"]
    rows = [cells for row in figure.rows for cells in _policies(row)]
    batch_heads = ["container", "objective ms", "batching", "mean batch", "mean ms a batch", "CPU us/query"]
    batches = [
        [
            *([row.title, f"{row.slo_us / 1e3:.0f}"] if cell.policy == POLICIES[0] else ["", ""]),
            f"`{cell.policy}`", f"{cell.overload.batch_size:,.1f}", f"{cell.overload.batch_us / 1e3:.1f}",
            f"{cell.overload.server_us:,.0f}",
        ]
        for row in figure.rows for cell in row.cells
    ]  # fmt: skip
    slowed = [f"{row.title} {row.slow_motion:g}x" for row in figure.rows if row.slow_motion != 1]
    parts = [table(heads, rows), f"In the runs with {figure.overload:g} times the load:", table(batch_heads, batches)]
    if slowed:
        parts.append(f"In slow motion, the objective included: {', '.join(slowed)}.")
    return "\n\n".join(parts)


def _policies(row: Row) -> list[list[str]]:
    none = row.of("none").sustained.rate_per_s
    lines = []
    for number, policy in enumerate(POLICIES):
        cell = row.of(policy)
        paper = PAPER_THROUGHPUT.get(row.name)
        theirs = ["-", "-", "-"]
        if paper is not None:
            theirs = [f"{paper[number]:,}", *(paper[3:] if policy == POLICIES[0] else ("", ""))]
        over = f"{cell.sustained.rate_per_s / none:.1f}x" if none and policy != "none" else "-"
        title = row.title if number == 0 else ""
        lines.append([title, f"`{policy}`", *_rates(cell), over, *theirs])
    return lines


def _rates(cell: Cell) -> list[str]:
    load = cell.overload
    void = ", void" if load.void_reason else ""
    return [
        f"{load.offered_per_s:,.0f}", f"{load.answered_per_s:,.0f}{void}", f"{load.goodput_per_s:,.0f}",
        f"{load.answered_p99_us / 1e3:.1f}", f"**{cell.sustained.rate_per_s:,.0f}**",
    ]  # fmt: skip


def figure_5(figure: Figure5) -> str:
    """A table for each container, a row for each wait."""
    heads = ["wait ms", "answered/s", "in time", "batches/s", "mean batch", "mean ms", "p99 ms", "CPU us/query"]
    heads += ["paper: answered/s", "corrected", "paper: mean batch", "paper: p99 ms"]
    parts = []
    for name in dict.fromkeys(row.name for row in figure.rows):
        title = next(row.title for row in figure.rows if row.name == name)
        paper = PAPER_WAITS if name == LINEAR.name else PAPER_SPARK_WAITS
        rows = [
            [f"{wait_us / 1e3:g}", *_waiting(run), *_paper_wait(paper.get(wait_us))]
            for wait_us, run in figure.of(name).items()
        ]
        fewer = figure.fewer_batches(name, JUDGED_WAIT_US)
        told = (
            f"{title}:"
            if fewer is None
            else f"{title}: {fewer:.1f}x fewer batches with a wait of {JUDGED_WAIT_US / 1e3:g} ms."
        )
        parts += [told, table(heads, rows)]
    return "\n\n".join(parts)


def _waiting(run: Probe) -> list[str]:
    void = ", void" if run.void_reason else ""
    return [
        f"{run.answered_per_s:,.0f}{void}", f"{run.in_time_ratio:.2%}", f"{run.batches_per_s:,.0f}",
        f"{run.batch_size:.1f}", f"{run.mean_us / 1e3:.1f}", f"{run.answered_p99_us / 1e3:.1f}", f"{run.server_us:.0f}",
    ]  # fmt: skip


def _paper_wait(known: tuple[int, int, float, float | None] | None) -> list[str]:
    if known is None:
        return ["-"] * 4
    published, corrected, batch, p99 = known
    return [f"{published:,}", f"{corrected:,}", f"{batch:g}", "-" if p99 is None else f"{p99:g}"]


def figure_6(figure: Figure6) -> str:
    """A row for each number of replicas."""
    heads = [
        "replicas",
        "offered/s",
        "answered/s",
        "of it in time/s",
        "p99 ms of the answered",
        "at most, 99% in time/s",
    ]
    heads += ["of one replica's", "paper, 10 Gbps: queries/s", "of one's", "paper, 1 Gbps: queries/s", "of one's"]
    rows = []
    for row in figure.rows:
        scaling = figure.scaling(row)
        theirs = []
        for one, rate in zip(PAPER_REPLICAS[1], PAPER_REPLICAS[row.replicas], strict=True):
            theirs += [f"{rate:,}", f"{rate / one:.2f}x"]
        rows.append([str(row.replicas), *_rates(row.cell), f"{scaling:.2f}x" if scaling else "-", *theirs])
    return table(heads, rows)
