"""The figures by name: how each is measured, written as tables and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.paper import figure_7, figure_8, figure_9, figure_10, tables
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
        Figure("figure-7", "Agreement", figure_7.measure, figure_7.Figure7.from_json, tables.figure_7),
        Figure("figure-8", "Model failure", figure_8.measure, figure_8.Figure8.from_json, tables.figure_8),
        Figure("figure-9", "Stragglers", figure_9.measure, figure_9.Figure9.from_json, tables.figure_9),
        Figure("figure-10", "Users of their own", figure_10.measure, figure_10.Figure10.from_json, tables.figure_10),
    )
}
