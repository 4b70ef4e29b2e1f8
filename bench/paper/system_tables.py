"""Figure 11, the cache and feedback as Markdown tables, each with the paper's numbers."""

from __future__ import annotations

from typing import Final

from bench.document import table
from bench.paper.cache_rates import CacheRates
from bench.paper.feedback_rates import WAYS, FeedbackRates
from bench.paper.figure_11 import Figure11, Run

# Figure 11: queries per second of TensorFlow Serving and of Clipper with containers in C++ and in Python, on GPUs.
PAPER_SERVERS: Final = {
    "MNIST, 4 layers": (23_138, 22_269, 19_537),
    "CIFAR-10, AlexNet": (5_519, 5_472, 4_571),
    "ImageNet, Inception-v3": (56.8, 52.5, 47.9),
}
# The authors' unpublished sweep over hits in ten: queries per second on ten processors, and the share in time.
PAPER_HITS: Final = {
    0: (7_823, ""),
    5: (14_847, "98.1%"),
    8: (38_236, "98.5%"),
    9: (80_132, "99.1%"),
    10: (105_951, "none"),
}
# Section 4.2: observations per second with feedback for one query at a time.
PAPER_FEEDBACK: Final = {"uncached": 6_707, "cached": 10_928}


def figure_11(figure: Figure11) -> str:
    """The loops, the servers, and the paper's."""
    loop_heads = ["no server, one thread: inputs/s", *(f"batches of {batch}" for batch in _batches(figure))]
    loops = [
        [runtime, *(f"{loop.rate_per_s:,.0f}" for loop in figure.loops if loop.runtime == runtime)]
        for runtime in dict.fromkeys(loop.runtime for loop in figure.loops)
    ]
    heads = ["", "offered/s", "answered/s", "in time", "mean ms", "p99 ms", "at most, 99% in 20 ms/s", "p99 ms there"]
    heads += ["of the best loop's"]
    rows = []
    for server in figure.servers:
        loop = figure.best_loop("onnxruntime" if server.name.endswith("onnx") else "numpy")
        share = f"{server.sustained_per_s / loop.rate_per_s:.0%}" if loop else "-"
        there = f"{server.sustained.p99_us / 1e3:.1f}" if server.sustained else "-"
        rows.append([server.title, *_run(server.overload), f"**{server.sustained_per_s:,.0f}**", there, share])
    parts = [table(loop_heads, loops), table(heads, rows)]
    parts += [f"{name} is not in the table: {why}." for name, why in figure.missing.items()]
    if figure.of_triton is not None:
        parts.append(f"Clipper's rate within the objective is {figure.of_triton:.0%} of Triton's, both with numpy.")
    paper_heads = ["paper, queries/s", "TensorFlow Serving", "Clipper, C++ container", "Clipper, Python container"]
    paper = [
        [name, f"{served:,g}", f"{compiled:,g} ({compiled / served:.0%})", f"{python:,g} ({python / served:.0%})"]
        for name, (served, compiled, python) in PAPER_SERVERS.items()
    ]
    return "\n\n".join([*parts, table(paper_heads, paper)])


def _batches(figure: Figure11) -> list[int]:
    return sorted({loop.batch for loop in figure.loops})


def _run(run: Run) -> list[str]:
    void = ", void" if run.void_reason else ""
    return [
        f"{run.offered_per_s:,.0f}", f"{run.answered_per_s:,.0f}{void}", f"{run.in_time_ratio:.0%}",
        f"{run.mean_us / 1e3:.1f}", f"{run.p99_us / 1e3:.1f}",
    ]  # fmt: skip


def cache_rates(found: CacheRates) -> str:
    """A row for each share of hot queries."""
    heads = [
        "hot queries",
        "hits, as counted",
        "at most, 99% in time/s",
        "of that without hits",
        "p99 ms",
        "CPU us/query",
    ]
    heads += ["paper: queries/s", "of that without hits", "in time"]
    rows = []
    for row in found.rows:
        probe, gain, theirs = row.probe, found.gain(row), PAPER_HITS.get(row.tenths)
        ours = [f"{probe.answered_p99_us / 1e3:.1f}", f"{probe.server_us:.0f}"] if probe else ["-", "-"]
        paper = ["-", "-", "-"]
        if theirs is not None:
            paper = [f"{theirs[0]:,}", f"{theirs[0] / PAPER_HITS[0][0]:.1f}x", theirs[1] or "-"]
        rows.append([
            f"{row.tenths * 10}%", f"{probe.hit_ratio:.0%}" if probe else "-",
            f"**{row.sustained.rate_per_s:,.0f}**", f"{gain:.1f}x" if gain else "-", *ours, *paper,
        ])  # fmt: skip
    return table(heads, rows)


def feedback_rates(found: FeedbackRates) -> str:
    """A row for each way."""
    heads = [
        "feedback",
        "joined/s",
        "folded by the learner/s",
        "p99 ms of the answers",
        "hits",
        "paper: observations/s",
    ]
    titles = {way.name: way.title for way in WAYS}
    rows = []
    for row in found.rows:
        p99 = f"{row.p99_us / 1e3:.1f}" if row.p99_us else "-"
        paper = f"{PAPER_FEEDBACK[row.name]:,}" if row.name in PAPER_FEEDBACK else "-"
        rates = [f"**{row.joined_per_s:,.0f}**", f"{row.folded_per_s:,.0f}", p99, f"{row.hit_ratio:.0%}", paper]
        rows.append([titles[row.name], *rates])
    paper_gain = PAPER_FEEDBACK["cached"] / PAPER_FEEDBACK["uncached"]
    gain = "-" if found.gain is None else f"{found.gain:.2f}x"
    return f"{table(heads, rows)}\n\nThe cache is worth {gain} (paper: {paper_gain:.2f}x)."
