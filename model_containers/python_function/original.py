"""A function written for the original system: what its Python container gave it, and made of its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


class OriginalFunction:
    """Gives a function a list (arrays, or ``str``), and makes text of each output; it is pickled with the function.

    Parameters
    ----------
    function : callable
        ``function(inputs) -> outputs``.
    input_type : str
        Inputs of ``bytes`` become arrays of int8, as they were.
    """

    def __init__(self, function: Callable[[list[Any]], Iterable[Any]], input_type: str) -> None:
        self.function = function
        self.input_type = input_type

    def __call__(self, inputs: Iterable[Any]) -> list[str]:
        """Evaluate one batch."""
        if self.input_type == "bytes":
            inputs = [np.frombuffer(one, np.int8) for one in inputs]
        return [str(output) for output in self.function(list(inputs))]
