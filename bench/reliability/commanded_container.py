"""A simulated container that does on command what it does by itself only now and then.

Before each batch it looks for the file ``CLIPPER_COMMAND_FILE``. Whoever removes it first carries it out, so one
command is one batch of one replica: ``sleep MICROSECONDS``, or ``hang`` for good. While there is a file of that name
and ``.broken`` it cannot be loaded. Started as a program by its path.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from model_containers import ModelContainer, serve
from model_containers.settings import ContainerSettings
from model_containers.simulated.container import FOREVER_S, SimulatedContainer, SimulatedSettings

COMMAND_VARIABLE = "CLIPPER_COMMAND_FILE"
BROKEN_SUFFIX = ".broken"


class CommandedContainer(SimulatedContainer):
    """Takes its time, and more on command."""

    def __init__(self) -> None:
        super().__init__(SimulatedSettings.from_environment())
        self._file = Path(os.environ[COMMAND_VARIABLE])

    def load(self, settings: ContainerSettings) -> None:
        """Load, unless it is broken."""
        if self._file.with_suffix(BROKEN_SUFFIX).exists():
            raise RuntimeError("broken on command")
        super().load(settings)

    def predict_batch(self, inputs: Any) -> Any:
        """Return the first elements."""
        self._obey()
        return super().predict_batch(inputs)

    def _obey(self) -> None:
        taken = self._file.with_name(f"{self._file.name}-{os.getpid()}")
        try:
            self._file.rename(taken)
        except FileNotFoundError:
            return
        words = taken.read_text(encoding="ascii").split()
        time.sleep(FOREVER_S if words[0] == "hang" else int(words[1]) / 1e6)


if __name__ == "__main__":
    container: ModelContainer = CommandedContainer()
    serve(container)
