"""The third act of the demo: a bad version goes live while digits stream in, and is rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from clipper import Clipper
from clipper.demo.digits import PIXELS, Digits, fit_svm
from clipper.demo.replay import Replay, Score

APPLICATION = "digits-live"
MODEL = "svm"
# Wide on purpose: a container that starts takes a small machine's time, and here a default output is to mean that
# nobody was there to answer, and nothing else.
SLO_US = 1_000_000
CLIENTS = 4
_PHASE_S = 0.8
_GOOD_RATIO = 0.9
_BAD_RATIO = 0.5


@dataclass(frozen=True)
class Phase:
    """What the stream saw while one version answered, from the call that made it current to the end of the next."""

    label: str
    queries: int
    correct: int

    @property
    def accuracy_ratio(self) -> float:
        """Share of right answers."""
        return self.correct / self.queries if self.queries else 0.0


def show_rollback(console: Console, clipper: Clipper, digits: Digits) -> bool:
    """Deploy twice and roll back under load, print what the stream saw; True if it is not as it should be."""
    clipper.register_application(APPLICATION, "doubles", -1, SLO_US, shape=PIXELS)
    clipper.link_model_to_app(APPLICATION, MODEL)
    better = fit_svm(digits, penalty=10.0)
    worse = fit_svm(digits, label_shift=1)  # somebody has mixed up the labels
    replay = Replay(clipper.query_url, digits, [APPLICATION], CLIENTS)
    score = replay.scores[APPLICATION]
    replay.start()
    try:
        phases = [
            _watch(console, score, f"{MODEL}:1", lambda: None),
            _watch(console, score, f"{MODEL}:2, better", lambda: clipper.deploy_model(MODEL, 2, better)),
            _watch(console, score, f"{MODEL}:3, bad", lambda: clipper.deploy_model(MODEL, 3, worse)),
            _watch(console, score, f"{MODEL}:2, after rollback", lambda: clipper.rollback(MODEL)),
        ]
    finally:
        replay.stop()
    console.print(_table(phases))
    return _sum_up(console, score, phases)


def _watch(console: Console, score: Score, label: str, change: Callable[[], object]) -> Phase:
    """Make a change while the stream goes on, then look at the answers for a while."""
    with console.status(f"{label}: on its way, while digits stream in"):
        change()
        queries, correct = score.queries, score.correct
        end_s = time.monotonic() + _PHASE_S
        while time.monotonic() < end_s:
            time.sleep(0.05)
    return Phase(label, score.queries - queries, score.correct - correct)


def _table(phases: list[Phase]) -> Table:
    table = Table(title=f"{APPLICATION}: versions of {MODEL!r} under load", title_justify="left")
    for column in ("current version", "queries", "accuracy"):
        table.add_column(column, justify="left" if column == "current version" else "right")
    for phase in phases:
        table.add_row(phase.label, f"{phase.queries:,}", f"{phase.accuracy_ratio:.1%}")
    return table


def _sum_up(console: Console, score: Score, phases: list[Phase]) -> bool:
    *good, bad, back = phases
    failed = score.failures.total()
    console.print(
        f"{score.queries:,} queries while two versions were deployed and one was rolled back: "
        f"{failed:,} failed, {score.defaults:,} default answers; "
        f"accuracy fell to {bad.accuracy_ratio:.1%} and came back to {back.accuracy_ratio:.1%}"
    )
    is_seen = all(phase.accuracy_ratio > _GOOD_RATIO for phase in (*good, back)) and bad.accuracy_ratio < _BAD_RATIO
    if failed or score.defaults or not is_seen:
        console.print(f"[red]that is not as it should be[/red]: {dict(score.failures)}")
        return True
    return False
