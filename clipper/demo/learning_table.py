"""The tables of the second act: who answers now, what has been learned of each model, and how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from clipper import ArmInfo, PolicyInfo
from clipper.demo.traffic import Tick, Traffic, sparkline

if TYPE_CHECKING:
    from clipper.demo.learning import Phase


def picture(
    application: str,
    learned: PolicyInfo,
    traffic: Traffic,
    begun: Sequence[tuple[str, int]],
    models: Sequence[str],
) -> Group:
    """Return what is shown while it happens.

    Parameters
    ----------
    begun : sequence of (str, int)
        What each phase is called, and which of the ticks is its first.
    """
    arms = {arm.arm: arm for arm in learned.arms}
    table = Table(title=f"{application}: {begun[-1][0]}", title_justify="left")
    for column in ("model", "traffic now", "right now", "learned reward", "interval", "learned from"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for model in models:
        table.add_row(model, *_now(traffic.now, model), *_learned(arms.get(model)))
    return Group(table, *_history(traffic, begun, models[0]))


def phases_table(application: str, phases: Sequence[Phase], models: Sequence[str]) -> Table:
    """Return what is shown at the end: a line for each phase."""
    table = Table(title=f"{application}: traffic follows the labels", title_justify="left")
    for column in ("what happened", "queries", *(f"to {model}" for model in models), "accuracy", "won after"):
        table.add_column(column, justify="left" if column == "what happened" else "right")
    for phase in phases:
        table.add_row(
            phase.label,
            f"{phase.whole.answers.total():,}",
            *(f"{phase.end.share_ratio(model):.0%}" for model in models),
            f"{phase.end.correct.total() / max(phase.end.answers.total(), 1):.1%}",
            "-" if phase.won_after_s is None else f"{phase.won_after_s:.1f} s",
        )
    table.caption = "traffic and accuracy: of the last second of each line"
    table.caption_justify = "left"
    return table


def _now(now: Tick, model: str) -> tuple[str, str]:
    answers = now.answers[model]
    return f"{now.share_ratio(model):.0%}", f"{now.correct[model] / answers:.0%}" if answers else "-"


def _learned(arm: ArmInfo | None) -> tuple[str, str, str]:
    if arm is None or arm.mean_reward is None:
        return "-", "-", "-"
    interval = "-" if arm.interval_low is None else f"{arm.interval_low:.2f} to {arm.interval_high:.2f}"
    return f"{arm.mean_reward:.3f}", interval, f"{arm.pulls:,.0f}"


def _history(traffic: Traffic, begun: Sequence[tuple[str, int]], model: str) -> list[Text]:
    """One line for each phase: its part of the model's share over time, behind those before it."""
    lines = []
    ends = [first for _, first in begun[1:]] + [len(traffic.ticks)]
    for (label, first), end in zip(begun, ends, strict=True):
        bars = sparkline(traffic.ticks[first:end], model)
        lines.append(Text(f"{model} {' ' * first}{bars}  {label}", no_wrap=True, overflow="ellipsis"))
    return lines
