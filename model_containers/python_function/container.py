"""A Python function shipped by cloudpickle; it is opened here, in the container, and nowhere else."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from model_containers.codec import Inputs
from model_containers.container import ModelContainer
from model_containers.python_function import FUNCTION_FILE
from model_containers.settings import ContainerSettings


class PythonFunctionContainer(ModelContainer):
    """Calls the function with the inputs of a batch; what it returns are the outputs."""

    _function: Callable[[Inputs], Any]

    def load(self, settings: ContainerSettings) -> None:
        """Open the function."""
        path = settings.model_file(FUNCTION_FILE)
        with path.open("rb") as file:
            function = importlib.import_module("cloudpickle").load(file)
        if not callable(function):
            raise TypeError(f"{path} holds a {type(function).__name__}, expected a function of the inputs")
        self._function = function

    def predict_batch(self, inputs: Inputs) -> Any:
        """Return what the function returns."""
        return self._function(inputs)
