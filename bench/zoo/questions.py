"""What is asked of a model: inputs around the counter's hole, and the answer to each, whatever the counter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.loadgen.request import Body

BASE_INPUTS = 16  # different inputs, taken in turn, so that the answers differ
SEED = 20_17


@dataclass(frozen=True)
class Questions:
    """Inputs, taken in turn by the counter, and the model's own answers.

    Parameters
    ----------
    bodies : tuple of Body
        The input alone, as a JSON value or as raw little-endian numbers, with the hole where the counter goes.
    answers : tuple
        The answer to each, as it stands in JSON.
    """

    bodies: tuple[Body, ...]
    answers: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.bodies) != len(self.answers) or not self.bodies:
            raise ValueError(f"{len(self.bodies)} inputs and {len(self.answers)} answers")
        if len(set(self.answers)) < 2:
            raise ValueError("a model that always gives the same answer checks nothing")

    def answer(self, counter: int) -> Any:
        """Return the right answer to the request with this counter."""
        return self.answers[counter % len(self.answers)]


def number_arrays(rows: Iterable[Iterable[float]], digits: int) -> tuple[Body, ...]:
    """Return each row as a JSON array whose first number is `0.` and the counter's digits; its own is left out."""
    bodies = []
    for row in rows:
        numbers = [f"{value:.{digits}f}" for value in row]
        bodies.append(Body(b"[0.", ("," + ",".join(numbers[1:]) + "]").encode("ascii")))
    return tuple(bodies)
