"""Tables in documents that scripts write: text between two marks, replaced as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCUMENTS = Path(__file__).resolve().parents[1] / "docs"
BATCHING = DOCUMENTS / "batching.md"
END_MARK = "<!-- end -->"


def begin_mark(name: str) -> str:
    """Return the mark after which a script writes."""
    return f"<!-- written by {name} -->"


def replace_between(text: str, name: str, content: str) -> str:
    """Return a document's text with what stands between the marks replaced.

    Raises
    ------
    ValueError
        If the marks are not there exactly once.
    """
    pattern = re.compile(f"({re.escape(begin_mark(name))}\n).*?({re.escape(END_MARK)})", re.DOTALL)
    if len(pattern.findall(text)) != 1 or text.count(begin_mark(name)) != 1:
        raise ValueError(f"the document has no text between {begin_mark(name)!r} and {END_MARK!r}, or more than one")
    return pattern.sub(lambda marks: f"{marks[1]}{content.strip()}\n{marks[2]}", text)


def write_into(document: Path, name: str, content: str) -> None:
    """Write between the marks of a document."""
    document.write_text(replace_between(document.read_text(encoding="utf-8"), name, content), encoding="utf-8")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are figures."""
    lines = [heads, ["---", *("--:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
