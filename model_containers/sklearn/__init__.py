"""Serves a fitted scikit-learn estimator. Only the names of its files are here: the deployer reads them as well."""

from typing import Final

# In CLIPPER_MODEL_PATH: the estimator in one of the first two, and perhaps the third.
JOBLIB_FILE: Final = "model.joblib"
PICKLE_FILE: Final = "model.pkl"  # cloudpickle or pickle
METADATA_FILE: Final = "metadata.json"  # {"method": one of METHODS}; the first if nothing is said

METHODS: Final = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples")
