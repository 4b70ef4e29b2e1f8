"""One table over all figures: what must hold, what the paper has, and what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bench.paper.figure_7 import Figure7
from bench.paper.figure_8 import Figure8
from bench.paper.figure_9 import Figure9
from bench.paper.figure_10 import Figure10
from bench.paper.records import Record
from bench.paper.tables import PAPER_ENSEMBLE, PAPER_LEARNT, PAPER_MEMBERS, PAPER_OWN

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


def _figure_7(content: dict[str, Any]) -> Iterator[Line]:
    figure = Figure7.from_json(content)
    ours, theirs = figure.vote.wrong / figure.best_member.wrong - 1, PAPER_ENSEMBLE / min(PAPER_MEMBERS) - 1
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
    "figure-7": _figure_7,
    "figure-8": _figure_8,
    "figure-9": _figure_9,
    "figure-10": _figure_10,
}
