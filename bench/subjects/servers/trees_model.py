"""The TREES model as every subject serves it: LightGBM on one thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILE = "trees.txt"
DIMENSION = 28


def load(directory: Path) -> Callable[[Any], list[Any]]:
    """Return the model: numbers, shape (batch, 28), to a list of classes, 0 or 1."""
    import lightgbm

    booster = lightgbm.Booster(model_file=str(directory / FILE))

    def predict(numbers: Any) -> list[Any]:
        scores = np.asarray(booster.predict(np.asarray(numbers), num_threads=1))
        labels: list[Any] = (scores > 0.5).astype(int).tolist()
        return labels

    return predict
