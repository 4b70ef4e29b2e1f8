"""Real container processes for tests, each with its own log, all of them ended by the fixture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class ContainerProcess:
    """One ``python -m model_containers.<kind>`` process.

    Parameters
    ----------
    kind : str
        Which container, or the path of a script.
    environment : dict
        ``CLIPPER_*`` variables beyond the defaults.
    """

    def __init__(self, kind: str, address: str, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        defaults = {
            "CLIPPER_RPC_ADDRESS": address,
            "CLIPPER_MODEL_NAME": "m",
            "CLIPPER_MODEL_VERSION": "1",
            "CLIPPER_INPUT_TYPE": "doubles",
            "PYTHONPATH": str(ROOT),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CLIPPER_")}
        command = [kind] if kind.endswith(".py") else ["-m", f"model_containers.{kind}"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                env={**inherited, **defaults, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
            )

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def wait(self, limit_s: float = 10.0) -> int:
        """Wait for the end and return the exit code."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the container did not end within {limit_s} s; log:\n{self.log_text()}") from None

    def is_running(self) -> bool:
        """Is the process alive?"""
        return self._process.poll() is None

    def log_text(self) -> str:
        """Return what the container wrote."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End the process whatever it does."""
        if self.is_running():
            self._process.kill()
        self._process.wait()
