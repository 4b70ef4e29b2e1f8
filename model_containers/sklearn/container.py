"""A fitted scikit-learn estimator (or anything with its methods), opened here, in the container, and nowhere else.

``CLIPPER_MODEL_PATH`` holds the estimator, ``model.joblib`` (joblib) or ``model.pkl`` (cloudpickle), and may hold
``metadata.json``: ``{"method": "predict_proba"}``; the method is ``predict`` if nothing is said.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_containers.codec import Inputs
from model_containers.container import ModelContainer
from model_containers.settings import ContainerSettings, SettingsError
from model_containers.sklearn import JOBLIB_FILE, METADATA_FILE, METHODS, PICKLE_FILE

WARM_UP_DTYPES: Final = {"integers": np.int32, "floats": np.float32, "doubles": np.float64}

logger = logging.getLogger("model_containers")


class SklearnContainer(ModelContainer):
    """Calls one method of the estimator with the inputs of a batch."""

    _method: Callable[[Any], Any]
    _warm_up_input: np.ndarray[Any, np.dtype[Any]] | None = None

    def load(self, settings: ContainerSettings) -> None:
        """Open the estimator and choose its method."""
        estimator = _open_estimator(settings)
        name = _method_name(settings.model_path)
        method = getattr(estimator, name, None)
        if not callable(method):
            raise SettingsError(f"{type(estimator).__name__} has no method {name}")
        self._method = method
        features = getattr(estimator, "n_features_in_", None)
        if features is not None and settings.input_type in WARM_UP_DTYPES:
            self._warm_up_input = np.zeros((1, features), WARM_UP_DTYPES[settings.input_type])

    def warm_up(self) -> None:
        """Predict zeros, where the estimator says how many; that it dislikes them is no reason not to serve."""
        if self._warm_up_input is None:
            return
        try:
            self._method(self._warm_up_input)
        except Exception:
            logger.warning("the estimator does not take zeros, so it starts cold", exc_info=True)

    def predict_batch(self, inputs: Inputs) -> Any:
        """Return what the estimator returns for the batch."""
        return self._method(inputs)


def _open_estimator(settings: ContainerSettings) -> Any:
    if settings.model_path is not None and (settings.model_path / JOBLIB_FILE).is_file():
        return importlib.import_module("joblib").load(settings.model_path / JOBLIB_FILE)
    with settings.model_file(PICKLE_FILE).open("rb") as file:
        return importlib.import_module("cloudpickle").load(file)


def _method_name(model_path: Path | None) -> str:
    if model_path is None or not (model_path / METADATA_FILE).is_file():
        return METHODS[0]
    metadata = json.loads((model_path / METADATA_FILE).read_text())
    name = metadata.get("method", METHODS[0]) if isinstance(metadata, dict) else None
    if name not in METHODS:
        raise SettingsError(f"{METADATA_FILE} has method {name!r}, expected one of {', '.join(METHODS)}")
    return str(name)
