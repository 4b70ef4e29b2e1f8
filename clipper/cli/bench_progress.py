"""The progress bar of ``clipper bench``: what is measured now, and how long the rest takes."""

from __future__ import annotations

from clipper.bench.progress import Progress


class BenchProgress:
    """Follows a command whose length is only guessed while it runs."""

    def __init__(self) -> None:
        self._progress = Progress(total_cost=0.0)
        self._text = ""
        self._left_s = 0.0

    def say(self, text: str, left_s: float) -> None:
        """Begin the next run; ``left_s`` is what it and those after it take."""
        self._finish_run(left_s)
        self._text = text
        self._progress.show(text)

    def tick(self, share: float) -> None:
        """Show how far the present run is, where a line can be rewritten."""
        if self._progress.stream.isatty():
            self._progress.show(f"{self._text} ({share:.0%})")

    def end(self) -> None:
        """Leave the line."""
        self._progress.end()

    def _finish_run(self, left_s: float) -> None:
        if self._text:
            self._progress.advance(max(0.0, self._left_s - left_s))
        self._left_s = left_s
        self._progress.total_cost = self._progress.done_cost + left_s
