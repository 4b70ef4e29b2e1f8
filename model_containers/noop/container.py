"""A model that does nothing: it returns the first element of each input."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_containers.codec import Inputs
from model_containers.container import ItemError, ModelContainer


def first_elements(inputs: Inputs) -> Any:
    """Return the first element (character, byte) of each input; an empty input fails alone."""
    if isinstance(inputs, np.ndarray):
        if inputs.ndim != 2:
            inputs = inputs.reshape(len(inputs), -1)
        return inputs[:, 0] if inputs.shape[1] else [ItemError("the input is empty")] * len(inputs)
    return [one[0] if len(one) else ItemError("the input is empty") for one in inputs]


class NoopContainer(ModelContainer):
    """Returns the first element of each input: what is left is the cost of everything else."""

    def predict_batch(self, inputs: Inputs) -> Any:
        """Return the first element of each input."""
        return first_elements(inputs)
