"""What commands print: results to stdout, as tables, lines or JSON; everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from clipper.errors import ClipperError, DeployError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

# Where nobody looks at it, a table is as wide as what it holds: nothing is cut off before grep or awk see it.
_UNLIMITED_COLUMNS: Final = 10_000


def console(stream: TextIO | None = None) -> Console:
    """Return a console on ``stream`` (default: stdout); colours only where it is a terminal that likes them."""
    from rich.console import Console

    stream = sys.stdout if stream is None else stream
    return Console(file=stream, width=None if stream.isatty() else _UNLIMITED_COLUMNS, highlight=False, markup=False)


def print_json(value: Any) -> None:
    """Print one JSON document; at once, since who reads it in a pipe may wait for it while the command runs on."""
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)


def make_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table with plain headers; a column whose name begins with ``>`` is aligned to the right.

    In a narrow terminal columns of text give way, but not the first one, which says what the line is about.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        is_number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if is_number else "left", no_wrap=is_number or number == 0
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return table


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print a table, or say on stderr what to do where there is nothing to show."""
    if rows:
        show(make_table(columns, rows))
    else:
        say(empty)


def show(renderable: RenderableType) -> None:
    """Print a renderable to stdout; lines without the spaces that fill a table's last column."""
    target = console()
    if target.is_terminal:
        target.print(renderable)
        return
    with target.capture() as capture:
        target.print(renderable)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def styled(text: str, style: str) -> Any:
    """Return ``text`` in a style for a table's cell."""
    from rich.text import Text

    return Text(text, style)


def count(number: int, noun: str) -> str:
    """Return ``1 replica``, ``2 replicas``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def say(text: str) -> None:
    """Tell the user something that is not the result: to stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Tell the user something to look after."""
    console(sys.stderr).print(styled(f"Warning: {text}", "yellow"), soft_wrap=True)


def report(error: ClipperError) -> None:
    """Tell what went wrong, what to do about it, and what a container said last."""
    target = console(sys.stderr)
    target.print(styled("Error: ", "bold red"), error.message.rstrip(), sep="", soft_wrap=True)
    if error.hint:
        target.print(styled("Hint:  ", "bold"), error.hint, sep="", soft_wrap=True)
    if isinstance(error, DeployError) and error.log_tail:
        print_log_tail(error.log_tail, "the container's log ends with:")


def print_log_tail(log_tail: str, title: str) -> None:
    """Show the last lines of a log on stderr."""
    say(title)
    for line in log_tail.rstrip("\n").splitlines():
        say(f"  | {line}")
