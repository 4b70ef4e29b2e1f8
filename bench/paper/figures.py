"""The figures by name: how each is measured, written as tables and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.paper import (
    batching_tables,
    cache_rates,
    feedback_rates,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
    figure_8,
    figure_9,
    figure_10,
    figure_11,
    system_tables,
    tables,
)
from bench.paper.stage import Stage


@dataclass(frozen=True)
class Figure:
    """One figure.

    Parameters
    ----------
    measure : callable
        Measures it on a stage; the result has `faults`.
    from_json : callable
        Reads a result back.
    tables : callable
        Writes a result as Markdown, for the document.
    """

    name: str
    title: str
    measure: Callable[[Stage], Any]
    from_json: Callable[[dict[str, Any]], Any]
    tables: Callable[[Any], str]


FIGURES: Final[Mapping[str, Figure]] = {
    figure.name: figure
    for figure in (
        Figure("figure-3", "Latency profiles", figure_3.measure, figure_3.Figure3.from_json, batching_tables.figure_3),
        Figure("figure-4", "Adaptive batching", figure_4.measure, figure_4.Figure4.from_json, batching_tables.figure_4),
        Figure("figure-5", "Delayed batching", figure_5.measure, figure_5.Figure5.from_json, batching_tables.figure_5),
        Figure("figure-6", "Replicas", figure_6.measure, figure_6.Figure6.from_json, batching_tables.figure_6),
        Figure("figure-7", "Agreement", figure_7.measure, figure_7.Figure7.from_json, tables.figure_7),
        Figure("figure-8", "Model failure", figure_8.measure, figure_8.Figure8.from_json, tables.figure_8),
        Figure("figure-9", "Stragglers", figure_9.measure, figure_9.Figure9.from_json, tables.figure_9),
        Figure("figure-10", "Users of their own", figure_10.measure, figure_10.Figure10.from_json, tables.figure_10),
        Figure(
            "figure-11", "A server in C++", figure_11.measure, figure_11.Figure11.from_json, system_tables.figure_11
        ),
        Figure("cache", "Cache hits", cache_rates.measure, cache_rates.CacheRates.from_json, system_tables.cache_rates),
        Figure(
            "feedback",
            "Feedback",
            feedback_rates.measure,
            feedback_rates.FeedbackRates.from_json,
            system_tables.feedback_rates,
        ),
    )
}
