"""Who answers, and how well, of late: what the clients of a replay saw in the last second, and in each one before."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from clipper.demo.replay import Score

TICK_S: Final = 0.25
_WINDOW_TICKS: Final = 4  # "now" is the last second
_BARS: Final = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Tick:
    """What was answered in one interval."""

    answers: Counter[str] = field(default_factory=Counter)  # by model
    correct: Counter[str] = field(default_factory=Counter)

    def share_ratio(self, model: str) -> float:
        """The model's part of the answers; 0 if there were none."""
        return self.answers[model] / max(self.answers.total(), 1)


class Traffic:
    """Reads a score that grows, tick by tick."""

    def __init__(self, score: Score) -> None:
        self.ticks: list[Tick] = []
        self._score = score
        self._window: deque[Tick] = deque(maxlen=_WINDOW_TICKS)
        self._seen = Tick()

    def tick(self) -> None:
        """Take what has come in since the last call as one interval."""
        now = Tick(Counter(self._score.answers_by_model), Counter(self._score.correct_by_model))
        tick = Tick(now.answers - self._seen.answers, now.correct - self._seen.correct)
        self.ticks.append(tick)
        self._window.append(tick)
        self._seen = now

    def forget(self) -> None:
        """Let "now" begin anew: something has been changed."""
        self._window.clear()

    @property
    def now(self) -> Tick:
        """The last second, or what there is of it since the last change."""
        return total(self._window)

    @property
    def is_full(self) -> bool:
        """Whether a whole second has passed since the last change."""
        return len(self._window) == _WINDOW_TICKS


def total(ticks: list[Tick] | deque[Tick]) -> Tick:
    """Return several intervals as one."""
    answers: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for tick in ticks:
        answers.update(tick.answers)
        correct.update(tick.correct)
    return Tick(answers, correct)


def sparkline(ticks: list[Tick], model: str) -> str:
    """Return a model's share of each interval as one character."""
    return "".join(_BARS[min(int(tick.share_ratio(model) * len(_BARS)), len(_BARS) - 1)] for tick in ticks)
