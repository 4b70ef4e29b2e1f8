"""The second act of the demo: labels flow back, the better model wins traffic, is broken, loses it, comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from clipper import Clipper
from clipper.demo.digits import PIXELS, Digits
from clipper.demo.learning_table import phases_table, picture
from clipper.demo.preprocessing import UPRIGHT, UPSIDE_DOWN, write_pixel_order
from clipper.demo.replay import Replay, Score
from clipper.demo.traffic import TICK_S, Tick, Traffic, total

APPLICATION: Final = "digits-learning"
BETTER, WORSE = "svm:1", "tree:1"
# Wide on purpose, as in the roll-back: a default output is no answer, and nothing is learned from it.
SLO_US: Final = 1_000_000
CLIENTS: Final = 8
# Forgets within some hundred labels, not a thousand as by default: what is to be shown takes seconds, not minutes.
POLICY: Final = {"name": "thompson", "discount": 0.995}
_WON_RATIO: Final = 0.8  # of the traffic of a second: then a model has it
_LEAST_S: Final = 2.0  # so that there is something to see
_MOST_S: Final = 15.0
_NOTICED: Final = ("degraded", "recovered")  # kinds of events: nobody has looked, and it is told all the same
_READ_EVERY_TICKS: Final = 2  # how often management is asked for what has been learned


@dataclass(frozen=True)
class Phase:
    """What the clients saw from one change to the next."""

    label: str
    winner: str
    ticks: list[Tick]
    won_after_s: float | None  # None: the winner has not got the traffic
    end: Tick  # the last second

    @property
    def whole(self) -> Tick:
        """All of it as one interval."""
        return total(self.ticks)


def show_learning(console: Console, clipper: Clipper, digits: Digits, pixel_order: Path) -> bool:
    """Stream digits with their labels while the better model works, fails and works; True if it is not as it should be.

    Parameters
    ----------
    pixel_order : Path
        The file by which the container of the better model is broken and mended.
    """
    # No cache: it would go on giving the answers that the better model gave when it was well.
    clipper.register_application(APPLICATION, "doubles", -1, SLO_US, shape=PIXELS, policy=POLICY, cache=False)
    for model in (BETTER, WORSE):
        clipper.link_model_to_app(APPLICATION, model.partition(":")[0])
    console.print(
        "Every answer is followed by its true label. svm's container reads from a file in which order pixels come;\n"
        "soon that is turned around. Nothing is deployed, nothing fails, the version stays: the answers are wrong.",
        soft_wrap=True,
    )
    replay = Replay(clipper.query_url, digits, [APPLICATION], CLIENTS, tells_labels=True)
    score = replay.scores[APPLICATION]
    stage = _Stage(console, clipper, score)
    replay.start()
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            phases = [
                stage.watch(live, "both are new", BETTER, lambda: None),
                stage.watch(live, "svm sees upside down", WORSE,
                            lambda: write_pixel_order(pixel_order, UPSIDE_DOWN)),
                stage.watch(live, "svm sees well again", BETTER,
                            lambda: write_pixel_order(pixel_order, UPRIGHT)),
            ]  # fmt: skip
    finally:
        replay.stop()
    console.print(phases_table(APPLICATION, phases, (BETTER, WORSE)))
    failed = _sum_up(console, score, phases)
    for event in clipper.policy(APPLICATION).events:
        if event["kind"] in _NOTICED:
            console.print(f"noticed by Clipper: {event['text']}", soft_wrap=True)
    return failed


class _Stage:
    """Lets one phase after the other happen, and shows it."""

    def __init__(self, console: Console, clipper: Clipper, score: Score) -> None:
        self._console = console
        self._clipper = clipper
        self._score = score
        self._traffic = Traffic(score)
        self._learned = clipper.policy(APPLICATION)
        self._begun: list[tuple[str, int]] = []  # label of each phase, number of its first tick

    def watch(self, live: Live, label: str, winner: str, change: Callable[[], None]) -> Phase:
        """Make a change, and watch until the model that is better now has the traffic."""
        traffic = self._traffic
        change()
        traffic.forget()
        first = len(traffic.ticks)
        self._begun.append((label, first))
        start_s, won_after_s = time.monotonic(), None
        while True:
            time.sleep(TICK_S)
            traffic.tick()
            elapsed_s = time.monotonic() - start_s
            if len(traffic.ticks) % _READ_EVERY_TICKS == 0:
                self._learned = self._clipper.policy(APPLICATION)
            live.update(picture(APPLICATION, self._learned, traffic, self._begun, (BETTER, WORSE)), refresh=True)
            if won_after_s is None and traffic.is_full and traffic.now.share_ratio(winner) >= _WON_RATIO:
                won_after_s = elapsed_s
            if (won_after_s is not None and elapsed_s >= _LEAST_S) or elapsed_s >= _MOST_S:
                return Phase(label, winner, traffic.ticks[first:], won_after_s, traffic.now)


def _sum_up(console: Console, score: Score, phases: list[Phase]) -> bool:
    """Print what was seen; True if it is not what the demo promises."""
    refused = score.feedback.total() - score.feedback["joined"]
    console.print(
        f"{score.queries:,} queries and {score.feedback['joined']:,} labels for their answers: "
        f"{score.failures.total():,} failed, {score.defaults:,} default answers, {refused:,} labels refused"
    )
    _, broken, mended = phases
    if all(phase.won_after_s is not None for phase in phases):
        console.print(
            f"traffic moved to {broken.winner} {broken.won_after_s:.1f} s after {BETTER} was broken, and back "
            f"{mended.won_after_s:.1f} s after it was mended"
        )
    else:
        missed = [f"{phase.winner} ({phase.label})" for phase in phases if phase.won_after_s is None]
        console.print(f"[red]that is not as it should be[/red]: no {_WON_RATIO:.0%} of the traffic for {missed}")
        return True
    if score.failures or refused or score.defaults:
        console.print(f"[red]that is not as it should be[/red]: {dict(score.failures)} {dict(score.feedback)}")
        return True
    return False
