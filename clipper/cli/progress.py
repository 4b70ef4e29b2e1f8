"""The progress of a call that may take longer than a second: a bar on a terminal, plain lines elsewhere.

Progress goes to stderr, so that stdout holds the result alone.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from clipper.cli.output import console, say
from clipper.errors import ServerError

_STAGES: Final = {
    "registering": "registering",
    "files": "placing its files",
    "starting": "starting containers",
    "loading": "loading the model",
    "ready": "ready",
    "switching": "switching queries over",
    "stopping": "stopping containers",
}


class Show(Protocol):
    """Shows a step: what goes on, how many of how many replicas are ready, and all of it in a sentence."""

    def __call__(self, text: str, ready: int = 0, total: int = 0, detail: str = "") -> None:
        """Replace what was shown before."""


@contextlib.contextmanager
def progress(title: str, counted: str = "ready") -> Iterator[Show]:
    """Show progress until the block ends; ``counted`` says what those of the total are that are given as ready."""
    if sys.stderr.isatty():
        with _bar(title, counted) as show:
            yield show
    else:
        yield _Lines(title, counted)


def follow(events: Iterable[Mapping[str, Any]], title: str) -> Any:
    """Show the events of a long call, and return its result.

    Raises
    ------
    ServerError
        The stream ended without one.
    """
    try:
        with progress(title) as show:
            for event in events:
                if event["event"] == "done":
                    return event["result"]
                stage = _STAGES.get(event["stage"], event["stage"])
                show(stage, event.get("ready_replicas", 0), event.get("replicas", 0), event.get("detail", ""))
    except KeyboardInterrupt:
        say(f"{title}: nobody waits for it any more, and Clipper goes on with it; `clipper status` shows how far it is")
        raise
    raise ServerError("the server ended the call without a result", hint="clipper status shows what is there")


class _Lines:
    """One line for each step that differs from the one before."""

    def __init__(self, title: str, counted: str) -> None:
        self._title, self._counted = title, counted
        self._shown = ""

    def __call__(self, text: str, ready: int = 0, total: int = 0, detail: str = "") -> None:
        count = f" ({ready} of {total} {self._counted})" if total else ""
        line = f"{self._title}: {detail or text + count}"
        if line != self._shown:
            say(line)
            self._shown = line


@contextlib.contextmanager
def _bar(title: str, counted: str) -> Iterator[Callable[..., None]]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(title, total=None, count="")

        def show(text: str, ready: int = 0, total: int = 0, detail: str = "") -> None:
            count = f"{ready}/{total} {counted}" if total else ""
            bar.update(
                task, description=f"{title}: {text}", total=total or None, completed=ready, count=count, refresh=True
            )

        yield show
