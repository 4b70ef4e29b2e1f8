"""A fitted scikit-learn estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipper.deploy.deployers.pickling import save_pickle
from model_containers.sklearn import PICKLE_FILE


class SklearnDeployer:
    """Ships an estimator, or a pipeline, whose ``predict`` takes a batch. Imports nothing of scikit-learn."""

    container = "sklearn"

    def accepts(self, model: Any) -> bool:
        """Whether it derives from scikit-learn's base class and can predict."""
        bases = {(base.__module__.split(".")[0], base.__name__) for base in type(model).__mro__}
        return ("sklearn", "BaseEstimator") in bases and hasattr(model, "predict")

    def save(self, model: Any, directory: Path) -> None:
        """Write the pickled estimator."""
        save_pickle(model, directory / PICKLE_FILE)
