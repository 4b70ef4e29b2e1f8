"""A Python function of a batch, with everything it refers to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clipper.deploy.deployers.pickling import save_pickle
from model_containers.python_function import FUNCTION_FILE


class PythonFunctionDeployer:
    """Ships a callable ``function(inputs) -> outputs``."""

    container = "python_function"

    def accepts(self, model: Any) -> bool:
        """Whether it can be called."""
        return callable(model)

    def save(self, model: Any, directory: Path) -> None:
        """Write the pickled function."""
        save_pickle(model, directory / FUNCTION_FILE)
