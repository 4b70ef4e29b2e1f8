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
    """Digits to fit models with, and held-out digits to replay.

    Parameters
    ----------
    inputs, fit_inputs : ndarray, shape (n, 64), float64
        Grey values, 0 to 16.
    labels, fit_labels : ndarray, shape (n,), int64
        Which digit it is.
    """

    inputs: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    fit_inputs: npt.NDArray[np.float64]
    fit_labels: npt.NDArray[np.int64]


def fit_models() -> tuple[dict[str, Any], Digits]:
    """Fit both models on half of the data; return them, the better one first, and the data."""
    pixels, labels = load_digits(return_X_y=True)
    fit_pixels, held_pixels, fit_labels, held_labels = train_test_split(
        pixels, labels, test_size=0.5, random_state=0, stratify=labels
    )
    digits = Digits(held_pixels, held_labels, fit_pixels, fit_labels)
    tree = DecisionTreeClassifier(max_depth=5, random_state=0).fit(fit_pixels, fit_labels)
    return {"svm": fit_svm(digits), "tree": tree}, digits


def fit_svm(digits: Digits, penalty: float = 1.0, label_shift: int = 0) -> Any:
    """Fit the better of the two classifiers; with a shift it learns every digit by the name of another one."""
    model = make_pipeline(StandardScaler(), SVC(C=penalty))
    return model.fit(digits.fit_inputs, (digits.fit_labels + label_shift) % 10)
