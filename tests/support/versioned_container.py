"""A container whose outputs tell which version gave them: the input's first element plus an offset of its own.

It is a simulated container (``CLIPPER_SIMULATED_*``), with ``CLIPPER_VERSIONED_OFFSET``, and with
``CLIPPER_VERSIONED_COLD_US`` that its first batch takes longer, as that of a model which compiles itself.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from model_containers import ModelContainer, serve
from model_containers.simulated.container import SimulatedContainer, SimulatedSettings


class VersionedContainer(SimulatedContainer):
    """Adds its offset."""

    def __init__(self) -> None:
        super().__init__(SimulatedSettings.from_environment())
        self._offset = float(os.environ.get("CLIPPER_VERSIONED_OFFSET", "0"))
        self._cold_us = float(os.environ.get("CLIPPER_VERSIONED_COLD_US", "0"))

    def predict_batch(self, inputs: Any) -> Any:
        """Return the first elements, moved by the offset."""
        time.sleep(self._cold_us / 1e6)
        self._cold_us = 0
        return np.asarray(super().predict_batch(inputs)) + self._offset


if __name__ == "__main__":
    container: ModelContainer = VersionedContainer()
    serve(container)
