"""Subjects that bench/install_peers.py puts into virtual environments of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bench.install_peers import PEERS_DIR, peer_python, why_not_installed
from bench.subjects.subject import Subject
from bench.workloads import Workload

# Servers written in Python have a route of each workload's name: bench/subjects/servers/models.py.
EVERY_ROUTE: Mapping[Workload, str] = {workload: f"/{workload.value}" for workload in Workload}
JSON_ROUTES: Mapping[Workload, str] = {
    workload: path for workload, path in EVERY_ROUTE.items() if not workload.is_binary
}


class PeerSubject(Subject):
    """A subject with an environment under bench/.peers, called by its name."""

    distributions: ClassVar[tuple[str, ...]]  # whose versions are told

    def missing(self) -> str | None:
        """Whether its environment is there, and why not."""
        return why_not_installed(self.environment_name())

    def environment_name(self) -> str:
        """Return the name of its environment."""
        return self.name

    def python(self) -> str:
        """Return the interpreter of its environment."""
        return str(peer_python(self.environment_name()))

    def program(self, name: str) -> Path:
        """Return a program of its environment."""
        return PEERS_DIR / self.environment_name() / "bin" / name

    def version(self) -> str:
        """Ask the environment's own metadata."""
        script = "import importlib.metadata as m, sys; print(', '.join(f'{d} {m.version(d)}' for d in sys.argv[1:]))"
        command = [self.python(), "-c", script, *self.distributions]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
