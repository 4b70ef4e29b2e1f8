"""How a long call tells what it is doing: events for a callable, or a bar, or plain lines.

No event loop and no thread is assumed: it works in a script, in a notebook, and inside a running loop.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clipper.errors import InvalidArgumentError

_BAR_UNITS: Final = 100
# How far each stage is, of the whole; the time goes into loading.
_BEGINS_AT: Final = {
    "saving": 0, "uploading": 5, "registering": 15, "files": 20, "starting": 25, "loading": 30, "stopping": 50,
    "ready": 90, "switching": 90, "done": _BAR_UNITS,
}  # fmt: skip
_REPLICAS: Final = ("loading", "ready")  # which advance with each replica


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long call.

    ``stage`` is ``saving`` or ``uploading`` (in this process), then ``registering``, ``files``, ``starting``,
    ``loading``, ``ready``, ``switching``, ``stopping`` (in the server), and ``done`` at the end.
    """

    stage: str
    detail: str = ""
    ready_replicas: int = 0
    replicas: int = 0
    elapsed_us: int = 0  # since the call began

    def __str__(self) -> str:
        count = f"{self.ready_replicas} of {self.replicas} replicas ready" if self.replicas else ""
        said = ": ".join(filter(None, (self.stage, self.detail or count)))
        return f"{said} ({self.elapsed_us / 1e6:.1f} s)"


ProgressOption = bool | Callable[[Progress], object] | None


class Reporter:
    """Gives each step to the caller, with the time since the call began."""

    def __init__(self, show: Callable[[Progress], object]) -> None:
        self._show = show
        self._started_s = time.monotonic()

    def step(self, stage: str, detail: str = "") -> None:
        """Tell of a step of this process."""
        self._show(Progress(stage, detail, elapsed_us=self._elapsed_us()))

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Tell of an event of the server; the time before it counts, too."""
        known = {name: event[name] for name in ("stage", "detail", "ready_replicas", "replicas") if name in event}
        known.setdefault("stage", event["event"])
        self._show(Progress(**known, elapsed_us=self._elapsed_us()))

    def _elapsed_us(self) -> int:
        return int((time.monotonic() - self._started_s) * 1e6)


@contextlib.contextmanager
def reporter(title: str, option: ProgressOption) -> Iterator[Reporter | None]:
    """Give what ``progress=`` asks for: nothing, the caller's function, or what fits where stderr leads to.

    Raises
    ------
    InvalidArgumentError
        It is neither a boolean nor a callable.
    """
    if option is None or option is False:
        yield None
    elif option is True:
        with _bar(title) if sys.stderr.isatty() else contextlib.nullcontext(_print_line(title)) as show:
            yield Reporter(show)
    elif callable(option):
        yield Reporter(option)
    else:
        raise InvalidArgumentError(f"progress={option!r} is not valid: expected True, False or a function of a step")


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Callable[[Progress], object]]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=_BAR_UNITS, said="")

        def show(progress: Progress) -> None:
            count = f"{progress.ready_replicas}/{progress.replicas} " if progress.replicas else ""
            bar.update(task, completed=_position(progress), said=count + progress.stage)

        yield show


def _position(progress: Progress) -> int:
    if progress.stage in _REPLICAS and progress.replicas:
        begin, end = _BEGINS_AT["loading"], _BEGINS_AT["switching"]
        return begin + (end - begin) * progress.ready_replicas // progress.replicas
    return _BEGINS_AT.get(progress.stage, 0)


def _print_line(title: str) -> Callable[[Progress], object]:
    """One line a change, for notebooks and logs, where a bar cannot be drawn over."""
    last: tuple[str, str, int] | None = None

    def show(progress: Progress) -> None:
        nonlocal last
        said = (progress.stage, progress.detail, progress.ready_replicas)
        if said != last:
            sys.stderr.write(f"{title}: {progress}\n")
            sys.stderr.flush()
        last = said

    return show
