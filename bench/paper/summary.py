"""One table over all figures: what must hold, what the paper has, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bench.paper.batching_tables import PAPER_BATCH_RATIO, PAPER_REPLICAS, PAPER_THROUGHPUT
from bench.paper.cache_rates import JUDGED_TENTHS, CacheRates
from bench.paper.cache_rates import LEAST_GAIN as LEAST_CACHE_GAIN
from bench.paper.feedback_rates import LEAST_GAIN as LEAST_FEEDBACK_GAIN
from bench.paper.feedback_rates import FeedbackRates
from bench.paper.figure_3 import LEAST_RATIO, Figure3
from bench.paper.figure_4 import LEAST_GAIN, Figure4
from bench.paper.figure_5 import JUDGED_WAIT_US, LEAST_FEWER, Figure5
from bench.paper.figure_6 import LEAST_SCALING, Figure6
from bench.paper.figure_7 import Figure7
from bench.paper.figure_8 import Figure8
from bench.paper.figure_9 import Figure9
from bench.paper.figure_10 import Figure10
from bench.paper.figure_11 import LEAST_OF_TRITON, Figure11
from bench.paper.records import Record
from bench.paper.system_tables import PAPER_FEEDBACK, PAPER_HITS
from bench.paper.tables import PAPER_ENSEMBLE, PAPER_LEARNT, PAPER_OWN
from bench.selection.worlds import PAPER_ERRORS

Line = tuple[str, str, str, str, bool]
"""What was looked at, what must hold, the paper's figure, ours, and whether it holds."""


def summary(records: Mapping[str, Record]) -> str:
    """Return the table over the figures that were measured."""
    lines = ["| | must hold | paper | here | holds |", "|---|---|--:|--:|---|"]
    for name, record in records.items():
        if name in _LINES:
            for what, claim, paper, ours, holds in _LINES[name](record.result):
                lines.append(f"| {what} | {claim} | {paper} | {ours} | {'yes' if holds else '**no**'} |")
    return "\n".join(lines)


def _figure_3(content: dict[str, Any]) -> Iterator[Line]:
    ratio = Figure3.from_json(content).batch_ratio
    if ratio is not None:
        what, claim = "largest batch in 20 ms, linear over kernel SVM", f"at least {LEAST_RATIO:.0f}x"
        yield what, claim, f"{PAPER_BATCH_RATIO}x", f"{ratio:.0f}x", ratio >= LEAST_RATIO


def _figure_4(content: dict[str, Any]) -> Iterator[Line]:
    for row in Figure4.from_json(content).rows:
        least = LEAST_GAIN.get(row.name)
        if least is not None and row.gain is not None:
            published, corrected = PAPER_THROUGHPUT[row.name][3:]
            paper = published if published == corrected else f"{published}, corrected {corrected}"
            what = f"adaptive batching, {row.title}: rate with 99% in time, over none"
            yield what, f"at least {least:g}x", f"{paper}; none in time", f"{row.gain:.1f}x", row.gain >= least


def _figure_5(content: dict[str, Any]) -> Iterator[Line]:
    fewer = Figure5.from_json(content).fewer_batches("linear", JUDGED_WAIT_US)
    if fewer is not None:
        what, claim = f"batches saved by a wait of {JUDGED_WAIT_US / 1e3:g} ms", f"at least {LEAST_FEWER:g}x fewer"
        yield what, claim, "6.3x fewer (throughput 3.3x, corrected 1.0x)", f"{fewer:.1f}x fewer", fewer >= LEAST_FEWER


def _figure_6(content: dict[str, Any]) -> Iterator[Line]:
    figure = Figure6.from_json(content)
    last = figure.rows[-1]
    scaling, paper = figure.scaling(last) or 0.0, PAPER_REPLICAS[last.replicas][0] / PAPER_REPLICAS[1][0]
    what, claim = f"{last.replicas} replicas: rate with 99% in time, over one", f"at least {LEAST_SCALING:g}x"
    yield what, claim, f"{paper:.2f}x", f"{scaling:.2f}x", scaling >= LEAST_SCALING


def _figure_11(content: dict[str, Any]) -> Iterator[Line]:
    share = Figure11.from_json(content).of_triton
    if share is not None:
        what, claim = "rate with 99% in time, beside a server in C++", f"at least {LEAST_OF_TRITON:.0%}"
        yield what, claim, "84% (Python container)", f"{share:.0%}", share >= LEAST_OF_TRITON


def _cache(content: dict[str, Any]) -> Iterator[Line]:
    found = CacheRates.from_json(content)
    for row in found.rows:
        if row.tenths == JUDGED_TENTHS:
            gain, paper = found.gain(row) or 0.0, PAPER_HITS[JUDGED_TENTHS][0] / PAPER_HITS[0][0]
            what, claim = f"rate at {row.tenths * 10}% cache hits, over none", f"at least {LEAST_CACHE_GAIN:g}x"
            yield what, claim, f"{paper:.1f}x", f"{gain:.1f}x", gain >= LEAST_CACHE_GAIN


def _feedback(content: dict[str, Any]) -> Iterator[Line]:
    gain, paper = FeedbackRates.from_json(content).gain or 0.0, PAPER_FEEDBACK["cached"] / PAPER_FEEDBACK["uncached"]
    what, claim = "feedback joined a second, with the cache over without", f"at least {LEAST_FEEDBACK_GAIN:g}x"
    yield what, claim, f"{paper:.2f}x", f"{gain:.2f}x", gain >= LEAST_FEEDBACK_GAIN


def _figure_7(content: dict[str, Any]) -> Iterator[Line]:
    figure = Figure7.from_json(content)
    ours, theirs = figure.vote.wrong / figure.best_member.wrong - 1, PAPER_ENSEMBLE / min(PAPER_ERRORS) - 1
    yield "error of a vote of five beside its best member", "smaller", f"{theirs:+.1%}", f"{ours:+.1%}", ours < 0
    sure, unsure = figure.agreement[str(len(figure.members))]
    if sure.error and unsure.error:
        told = f"{sure.error.mean:.3f} / {unsure.error.mean:.3f}"
        holds = sure.error.mean < unsure.error.mean
        yield "error where all five agree / elsewhere", "smaller where they agree", "0.024 / 0.126", told, holds


def _figure_8(content: dict[str, Any]) -> Iterator[Line]:
    for outcome in Figure8.from_json(content).outcomes:
        if outcome.limit is None:
            continue
        late = f", labels {outcome.delay} queries late" if outcome.delay else ""
        models = "correlated" if outcome.is_correlated else "independent"
        what = f"the best of five models fails, {models} errors{late}; {outcome.title}"
        error = outcome.error
        holds = error.mean <= outcome.limit
        yield what, f"error at most {outcome.limit:.3f}", "below every static choice", str(error), holds


def _figure_9(content: dict[str, Any]) -> Iterator[Line]:
    figure = Figure9.from_json(content)
    most = max(row.members for row in figure.rows)
    for row in figure.rows:
        if row.members == most and row.way == "majority":
            ours = f"{row.mean_us / 1e3:.1f} / {row.p99_us / 1e3:.1f} ms"
            claim = f"p99 within {figure.slo_us / 1e3:.0f} ms, mean far below"
            yield f"{most} members, one straggles: mean / p99", claim, "17.1 / 17.5 ms (8)", ours, not row.faults


def _figure_10(content: dict[str, Any]) -> Iterator[Line]:
    figure = Figure10.from_json(content)
    paper = next(told for told, error in enumerate(PAPER_LEARNT) if error < PAPER_OWN)
    for line in figure.learners:
        if line.few is not None:
            after = figure.better_after(line)
            claim = f"within {line.few}"
            holds = after is not None and after <= line.few
            ours = "never" if after is None else str(after)
            yield "labels until selection by user beats one model for all", claim, str(paper), ours, holds


_LINES: Final[Mapping[str, Callable[[dict[str, Any]], Iterator[Line]]]] = {
    "figure-3": _figure_3,
    "figure-4": _figure_4,
    "figure-5": _figure_5,
    "figure-6": _figure_6,
    "figure-7": _figure_7,
    "figure-8": _figure_8,
    "figure-9": _figure_9,
    "figure-10": _figure_10,
    "figure-11": _figure_11,
    "cache": _cache,
    "feedback": _feedback,
}
