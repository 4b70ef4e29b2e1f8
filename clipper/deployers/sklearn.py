"""A fitted scikit-learn estimator."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from clipper.deployers.pickling import save_pickle
from clipper.errors import InvalidArgumentError
from model_containers.sklearn import PICKLE_FILE


class SklearnDeployer:
    """Ships an estimator, or a pipeline, whose ``predict`` takes a batch. Imports scikit-learn only for one."""

    container = "sklearn"

    def accepts(self, model: Any) -> bool:
        """Whether it derives from scikit-learn's base class; a function of the same object is a function."""
        bases = {(base.__module__.split(".")[0], base.__name__) for base in type(model).__mro__}
        return ("sklearn", "BaseEstimator") in bases

    def save(self, model: Any, directory: Path) -> None:
        """Write the pickled estimator.

        Raises
        ------
        InvalidArgumentError
            It cannot predict, is not fitted, or holds something that cannot be pickled.
        """
        name = type(model).__qualname__
        if isinstance(model, type) or not callable(getattr(model, "predict", None)):
            raise InvalidArgumentError(
                f"{getattr(model, '__qualname__', name)} has no method predict",
                hint="give a fitted classifier, regressor or pipeline, or a function that calls what it has",
            )
        if _is_unfitted(model):
            raise InvalidArgumentError(f"the {name} is not fitted", hint="call its fit(X, y) before you deploy it")
        save_pickle(model, directory / PICKLE_FILE)


def _is_unfitted(model: Any) -> bool:
    """Whether scikit-learn says so. Its rule is the names of attributes, so only its own classes are judged by it."""
    while hasattr(model, "steps"):  # a pipeline is as fitted as its last step
        model = model.steps[-1][1]
    if not type(model).__module__.startswith("sklearn."):
        return False
    # It is imported already: there is an object of it.
    not_fitted: type[Exception] = importlib.import_module("sklearn.exceptions").NotFittedError
    try:
        importlib.import_module("sklearn.utils.validation").check_is_fitted(model)
    except not_fitted:
        return True
    except TypeError:  # no fit: nothing to do before
        return False
    return False
