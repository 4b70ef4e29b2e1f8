"""A container whose outputs tell which version gave them: the input's first element plus an offset of its own.

It is a simulated container (``CLIPPER_SIMULATED_*``) with ``CLIPPER_VERSIONED_OFFSET``, and with
``CLIPPER_VERSIONED_COLD_US`` that its first batch takes longer, as that of a model which compiles itself. With
``CLIPPER_VERSIONED_HELPER=1`` it spawns a process in a session of its own, which stays when it is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from model_containers import ModelContainer, serve
from model_containers.simulated.container import SimulatedContainer, SimulatedSettings

HELPER = "import signal; signal.pause()"


class VersionedContainer(SimulatedContainer):
    """Adds its offset."""

    def __init__(self) -> None:
        super().__init__(SimulatedSettings.from_environment())
        self._offset = float(os.environ.get("CLIPPER_VERSIONED_OFFSET", "0"))
        self._cold_us = float(os.environ.get("CLIPPER_VERSIONED_COLD_US", "0"))
        if os.environ.get("CLIPPER_VERSIONED_HELPER") == "1":
            subprocess.Popen([sys.executable, "-c", HELPER], start_new_session=True)

    def predict_batch(self, inputs: Any) -> Any:
        """Return the first elements, moved by the offset."""
        time.sleep(self._cold_us / 1e6)
        self._cold_us = 0
        return np.asarray(super().predict_batch(inputs)) + self._offset


if __name__ == "__main__":
    container: ModelContainer = VersionedContainer()
    serve(container)
