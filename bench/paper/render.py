"""Writes the recorded figures into the marked places of a document; nothing is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.document import begin_mark, write_into
from bench.paper.figures import FIGURES
from bench.paper.records import Record
from bench.paper.summary import summary


def mark_of(figure: str) -> str:
    """Return the name in the mark of a figure's place."""
    return f"python -m bench.paper {figure}"


def content_of(record: Record) -> str:
    """Return what stands in the place of a figure: its tables, what does not hold, and what it was measured on."""
    figure = FIGURES[record.figure]
    result = figure.from_json(record.result)
    parts = [figure.tables(result)]
    if result.faults:
        parts.append("What does not hold:\n\n" + "\n".join(f"* {fault}" for fault in result.faults))
    parts.append(record.source)
    return "\n\n".join(parts)


SUMMARY: Final = "python -m bench.paper summary"


def render_summary_into(document: Path, records: Mapping[str, Record]) -> None:
    """Write the table over all figures into its place, if the document has one."""
    if begin_mark(SUMMARY) in document.read_text(encoding="utf-8"):
        write_into(document, SUMMARY, summary(records))


def render_into(document: Path, records: Mapping[str, Record]) -> None:
    """Write each recorded figure into its place.

    Raises
    ------
    ValueError
        If the document has no such place, or more than one.
    """
    for name, record in records.items():
        write_into(document, mark_of(name), content_of(record))
