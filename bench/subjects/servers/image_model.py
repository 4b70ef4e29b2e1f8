"""The IMAGE model as every subject serves it: which of ten colours is nearest to the mean colour of a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FILE = "image_colours.npy"
SHAPE = (3, 224, 224)


def load(directory: Path) -> Callable[[Any], list[Any]]:
    """Return the model: pictures, shape (batch, 3, 224, 224), float32, to a list of class numbers."""
    colours = np.load(directory / FILE)

    def predict(pictures: Any) -> list[Any]:
        means = np.asarray(pictures).reshape(len(pictures), SHAPE[0], -1).mean(axis=2)
        distances = ((means[:, None, :] - colours[None, :, :]) ** 2).sum(axis=2)
        labels: list[Any] = distances.argmin(axis=1).tolist()
        return labels

    return predict
