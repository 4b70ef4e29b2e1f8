"""IMAGE: a picture of 3 x 224 x 224 float32 (602 kB, raw) whose mean colour is named. Moving the bytes is the work."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from bench.loadgen.request import HOLE_BYTES, Body
from bench.subjects.servers import image_model
from bench.zoo.questions import SEED, Questions

PICTURES = 4
CLASS_COUNT = 10


@cache
def _colours() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Ten colours that lie apart, shape (10, 3)."""
    return np.random.default_rng(SEED).permutation(
        np.array([[r, g, b] for r in (0.2, 0.8) for g in (0.2, 0.5, 0.8) for b in (0.2, 0.8)], np.float32)
    )[:CLASS_COUNT]


def save(directory: Path) -> None:
    """Write what bench/subjects/servers/image_model.py reads."""
    np.save(directory / image_model.FILE, _colours())


@cache
def questions() -> Questions:
    """Return pictures of noise around one of the colours each.

    The hole takes the first two numbers of 150,528. As digits of ASCII they are floats below 0.001, so no counter moves
    a mean colour by more than 0.00004, where the nearest other colour is 0.3 away.
    """
    random = np.random.default_rng(SEED)
    bodies, answers = [], []
    for label in random.permutation(CLASS_COUNT)[:PICTURES]:
        noise = random.uniform(-0.2, 0.2, image_model.SHAPE)
        picture = (_colours()[label][:, None, None] + noise).astype("<f4")
        bodies.append(Body(b"", picture.tobytes()[HOLE_BYTES:]))
        answers.append(int(label))
    return Questions(tuple(bodies), tuple(answers))
