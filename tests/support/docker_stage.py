"""A Docker manager on the tests' daemon, for which a test speaks as the supervisor."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from clipper.config import DockerConfig, LogConfig
from clipper.deploy.docker import DockerManager
from clipper.deploy.docker_daemon import Daemon
from clipper.deploy.docker_spec import Identity, Surroundings
from clipper.deploy.manager import ManagerEvents, ReplicaExit, RunningReplica
from clipper.deploy.process import ProcessManager
from clipper.security.container_rights import container_user
from tests.support.dockerd import DockerDaemon


@dataclass
class Heard:
    """What a manager has told."""

    running: list[RunningReplica] = field(default_factory=list)
    exits: list[ReplicaExit] = field(default_factory=list)
    closed: int = 0

    def events(self) -> ManagerEvents:
        return ManagerEvents(self.running.append, self.exits.append, self._on_closed)

    def _on_closed(self) -> None:
        self.closed += 1


class DockerStage:
    """One incarnation of management, with a manager of its own over the same run directory."""

    def __init__(self, dockerd: DockerDaemon, run_dir: Path, *, instance: str = "mark", life: str = "life") -> None:
        docker = DockerConfig(host=dockerd.host, image=dockerd.image, cluster_name="stage", network="clipper_stage")
        identity = Identity(docker.cluster_name, instance, life, run_dir)
        around = Surroundings(docker, LogConfig(), identity, run_dir, container_user(docker))

        def surroundings(daemon: Daemon) -> Surroundings:
            daemon.ensure_network()
            return around

        self.heard = Heard()
        self.manager = DockerManager(Daemon(docker), surroundings, ProcessManager(run_dir), run_dir)
        self.manager.events = self.heard.events()
        self._supervisor, self._link = socket.socketpair()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.say("listed")
        try:
            await self.manager.connect(self._link)
        except BaseException:
            await self.leave()
            raise
        self._task = asyncio.create_task(self.manager.serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    def say(self, event: str) -> None:
        """Speak for the supervisor."""
        self._supervisor.sendall(json.dumps({"event": event}).encode() + b"\n")

    async def leave(self) -> None:
        """End this incarnation; containers run on unless Clipper is being stopped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.manager.close(0)
        self._supervisor.close()
