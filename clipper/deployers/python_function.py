"""A Python function of a batch, with everything it refers to."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from clipper.deployers.pickling import save_pickle
from clipper.errors import InvalidArgumentError
from model_containers.python_function import FUNCTION_FILE


class PythonFunctionDeployer:
    """Ships a callable ``function(inputs) -> outputs``."""

    container = "python_function"

    def accepts(self, model: Any) -> bool:
        """Whether it can be called, and is no class: calling one makes an object, not a prediction."""
        return callable(model) and not isinstance(model, type)

    def save(self, model: Any, directory: Path) -> None:
        """Write the pickled function.

        Raises
        ------
        InvalidArgumentError
            It cannot be called with one batch, is asynchronous, or refers to something that cannot be pickled.
        """
        _check(model)
        save_pickle(model, directory / FUNCTION_FILE)


def _check(function: Any) -> None:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    if not callable(function):
        raise InvalidArgumentError(
            f"a {name} cannot be called; expected a function of a list of inputs", hint="for example model.predict"
        )
    called = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise InvalidArgumentError(f"{name} is asynchronous; a container calls plain functions", hint="drop async")
    if inspect.isgeneratorfunction(called):
        raise InvalidArgumentError(
            f"{name} is a generator; expected a function that returns one output per input",
            hint="collect the outputs in a list and return that",
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some built-in functions have none
        return
    try:
        signature.bind([])
    except TypeError as error:
        raise InvalidArgumentError(
            f"{name}{signature} cannot be called with one argument, the list of inputs: {error}",
            hint="bind the others first: lambda inputs: f(inputs, other), or functools.partial",
        ) from None
