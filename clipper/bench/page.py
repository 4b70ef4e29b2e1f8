"""A page as a list of blocks, and the two ways to write it: Markdown, and one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from clipper.bench.svg import Plot, draw


@dataclass(frozen=True)
class Heading:
    """A title; the first block of a page is its own."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Points:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; columns whose head begins with ``>`` hold figures and stand to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A plot with what there is to say of it; Markdown has the caption alone."""

    plot: Plot
    caption: str


Block = Heading | Text | Points | Table | Figure


def markdown(blocks: Iterable[Block]) -> str:
    """Return a page as Markdown."""
    return "\n\n".join(text for block in blocks if (text := _markdown(block))) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text, is_warning):
            return f"**{text}**" if is_warning else text
        case Points(items):
            return "\n".join(f"* {item}" for item in items)
        case Table(head, rows):
            rule = ["--:" if name.startswith(">") else "---" for name in head]
            lines = [[name.removeprefix(">") for name in head], rule, *rows]
            return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        case Figure():
            return ""


_STYLE: Final = """
:root { --ink: #1b1f24; --muted: #6a737d; --rule: #d8dee4; --paper: #fff; --shade: #f6f8fa;
  --c0: #1769aa; --c1: #c4501b; --c2: #2e7d32; --c3: #7b4fa3; --c4: #a8801a; --c5: #b03060; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --muted: #8b949e; --rule: #30363d; --paper: #0d1117;
  --shade: #161b22; --c0: #58a6ff; --c1: #ff9b5e; --c2: #56d364; --c3: #bc8cff; --c4: #e3b341; --c5: #ff7b9c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; display: block;
  overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--rule); text-align: left; white-space: nowrap; }
th { background: var(--shade); } .n { text-align: right; }
.warning { border-left: 4px solid var(--c1); background: var(--shade); padding: .5rem .8rem; }
figure { margin: 1rem 0; } figcaption { color: var(--muted); font-size: 14px; }
code { font-size: 13px; background: var(--shade); padding: .1rem .25rem; }
svg { width: 100%; height: auto; font-size: 12px; } svg text { fill: var(--ink); }
svg .tick { fill: var(--muted); font-size: 11px; } svg .grid { stroke: var(--rule); stroke-width: .7; }
svg .frame { stroke: var(--muted); fill: none; } svg .line { fill: none; stroke-width: 2; }
svg .level { stroke: var(--c1); stroke-dasharray: 3 3; }
""" + "\n".join(
    f"svg .line.{name} {{ stroke: var(--{name}); }} svg .dot.{name}, svg .fill.{name} {{ fill: var(--{name}); }}"
    for name in ("c0", "c1", "c2", "c3", "c4", "c5", "muted")
)


def html(blocks: Sequence[Block]) -> str:
    """Return a page as one HTML document: no script, no other file, nothing fetched."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "clipper bench")
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(_plain(title))}</title>\n<style>{_STYLE}\n</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Text(text, is_warning):
            return f'<p class="warning">{_inline(text)}</p>' if is_warning else f"<p>{_inline(text)}</p>"
        case Points(items):
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        case Table(head, rows):
            return _html_table(head, rows)
        case Figure(plot, caption):
            return f"<figure>\n{draw(plot)}\n<figcaption>{_inline(caption)}</figcaption>\n</figure>"


def _html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = [' class="n"' if name.startswith(">") else "" for name in head]
    heads = "".join(f"<th{m}>{_inline(name.removeprefix('>'))}</th>" for name, m in zip(head, marks, strict=True))
    lines = "\n".join(
        "<tr>" + "".join(f"<td{m}>{_inline(cell)}</td>" for cell, m in zip(row, marks, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def _inline(text: str) -> str:
    """Escape a text; what stands in backticks is code."""
    pieces = escape(text).split("`")
    if len(pieces) % 2 == 0:  # a lone backtick is one
        return escape(text)
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))


def _plain(text: str) -> str:
    return text.replace("`", "")
