"""The LINEAR model as every subject serves it: a scikit-learn LogisticRegression with the harness's coefficients."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

FILE = "linear_model.npz"


def load(file: str) -> LogisticRegression:
    """Return a fitted classifier; the same numbers in every version of scikit-learn."""
    with np.load(file) as saved:
        model = LogisticRegression()
        model.coef_, model.intercept_ = saved["coefficients"], saved["intercepts"]
    model.classes_ = np.arange(len(model.intercept_))
    model.n_features_in_ = model.coef_.shape[1]
    return model
