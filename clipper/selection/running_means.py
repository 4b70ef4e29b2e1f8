"""Means of rewards that are kept as a "count" and a "total" for each arm."""

from __future__ import annotations

from collections.abc import Sequence

from clipper.selection.policy import State


def keep_mean(state: State, strength: float, indices: Sequence[int] | None = None) -> None:
    """Let the "count" of arms be at most ``strength``; their "total" goes down with it."""
    for index in range(len(state["count"])) if indices is None else indices:
        count = state["count"][index]
        if count > strength:
            state["total"][index] *= strength / count
            state["count"][index] = strength
