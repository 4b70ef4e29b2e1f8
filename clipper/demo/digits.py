"""The data and the models of the demo: scikit-learn's digits, and two classifiers of which one is clearly better."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

PIXELS = 64


class Digits(NamedTuple):
    """Held-out digits to replay.

    Parameters
    ----------
    inputs : ndarray, shape (n, 64), float64
        Grey values, 0 to 16.
    labels : ndarray, shape (n,), int64
        Which digit it is.
    """

    inputs: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]


def fit_models() -> tuple[dict[str, Any], Digits]:
    """Fit both models on half of the data; return them, the better one first, and the other half."""
    pixels, labels = load_digits(return_X_y=True)
    fit_pixels, held_pixels, fit_labels, held_labels = train_test_split(
        pixels, labels, test_size=0.5, random_state=0, stratify=labels
    )
    models = {
        "svm": make_pipeline(StandardScaler(), SVC()),
        "tree": DecisionTreeClassifier(max_depth=5, random_state=0),
    }
    for model in models.values():
        model.fit(fit_pixels, fit_labels)
    return models, Digits(held_pixels, held_labels)
