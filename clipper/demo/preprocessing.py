"""How the demo breaks a model that is served: by the file in which its container keeps how to prepare an input.

Models fail this way in earnest: the code and the weights stay as they are, and what arrives is not what they were
fitted on. Nothing is deployed, no process ends, no error is raised; the answers are wrong.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clipper.demo.digits import PIXELS

UPRIGHT: tuple[int, ...] = tuple(range(PIXELS))
UPSIDE_DOWN: tuple[int, ...] = UPRIGHT[::-1]


def write_pixel_order(path: Path, order: tuple[int, ...]) -> None:
    """Replace the file, in one step: a container that reads it meanwhile sees the old one or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(order))
    fresh.replace(path)


def with_pixel_order(model: Any, path: Path) -> Callable[[Any], list[int]]:
    """Return a function to deploy: it puts the pixels into the order of a file, which it reads when it has changed."""
    order = np.arange(0)
    read_ns = -1  # the file's time when it was last read
    name = str(path)

    # Nested, so that the pickle holds it whole: the container needs nothing of this module.
    def predict(inputs: Any) -> list[int]:
        nonlocal order, read_ns
        changed_ns = os.stat(name).st_mtime_ns
        if changed_ns != read_ns:
            with open(name, encoding="utf-8") as file:
                order = np.array(json.load(file))
            read_ns = changed_ns
        return [int(label) for label in model.predict(np.asarray(inputs)[:, order])]

    return predict
