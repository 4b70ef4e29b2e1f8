"""Inputs of 784 numbers, as the paper's MNIST has them, and the kinds of models it measured, fitted to them.

MNIST itself is not at hand everywhere; the digits that scikit-learn ships are, and enlarged to 28 x 28 pixels they make
inputs of the same size, with the same black rim. How long a model takes hardly depends on what it has learnt.
"""

from __future__ import annotations

import struct
import warnings
from functools import cache
from typing import Any, Final

import numpy as np

from bench.loadgen.request import Body
from bench.paper.digits import BRIGHTEST, SIDE, Doubles, Images, split_images

LARGE_SIDE: Final = 28
LARGE: Final = LARGE_SIDE * LARGE_SIDE
_RIM: Final = 2
SEED: Final = 3
FITTED: Final = {
    "linear-svm": "linear SVM (scikit-learn)",
    "logistic": "logistic regression (scikit-learn)",
    "forest": "random forest of 100 (scikit-learn)",
    "kernel-svm": "kernel SVM (scikit-learn)",
}


def enlarged(images: Images) -> Images:
    """Return the images as 28 x 28 pixels of 0 to 1, each pixel three by three, with a rim of two."""
    zoom = (LARGE_SIDE - 2 * _RIM) // SIDE
    small = images.pixels.reshape(-1, SIDE, SIDE) / BRIGHTEST
    large = np.pad(np.kron(small, np.ones((1, zoom, zoom))), ((0, 0), (_RIM, _RIM), (_RIM, _RIM)))
    return Images(np.asarray(large.reshape(-1, LARGE), np.float64), images.labels)


@cache
def large_split() -> tuple[Images, Images]:
    """Return the images to fit models to, and those to ask about."""
    fitted, asked = split_images()
    return enlarged(fitted), enlarged(asked)


@cache
def fit(name: str) -> Any:
    """Fit one of FITTED; a second or two each."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC, LinearSVC

    kinds = {
        "linear-svm": lambda: LinearSVC(max_iter=50, random_state=SEED),
        "logistic": lambda: LogisticRegression(max_iter=20),
        "forest": lambda: RandomForestClassifier(100, random_state=SEED),
        "kernel-svm": lambda: SVC(kernel="rbf", gamma=0.01),
    }
    images = large_split()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kinds[name]().fit(images.pixels, images.labels)


def octets_around_hole(count: int) -> tuple[Body, ...]:
    """Return so many images as raw doubles; the first pixel, which lies in the rim, is the counter's."""
    rows: Doubles = large_split()[1].pixels[:count]
    return tuple(Body(b"", struct.pack(f"<{LARGE - 1}d", *row[1:])) for row in rows)
