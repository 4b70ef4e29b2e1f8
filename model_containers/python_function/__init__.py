"""Serves a Python function shipped by cloudpickle. Only the name of its file is here: the deployer reads it as well."""

from typing import Final

FUNCTION_FILE: Final = "function.pkl"  # in CLIPPER_MODEL_PATH: cloudpickle of a function inputs -> outputs
