"""Where the replicas of an instance run, and how rows break them there: processes of this host, or Docker's."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

from bench.own_dockerd import DockerDaemon
from bench.reliability import commanded_container
from clipper.config import ClipperConfig, DockerConfig
from clipper.deploy.docker_spec import CLUSTER_LABEL

PROCESS: Final = "process"
DOCKER: Final = "docker"
KINDS: Final = (PROCESS, DOCKER)
NETWORK: Final = "clipper_bench"
_NUMBERS: Final = itertools.count(1)


class Containers(ABC):
    """What rows do to replicas; a replica is known by the number that its first process has on this host."""

    kind: ClassVar[str]

    @abstractmethod
    def configured(self, config: ClipperConfig, commands: Path) -> ClipperConfig:
        """Return the configuration with these containers; they may write to the directory ``commands``."""

    def kill(self, pid: int) -> None:
        """SIGKILL."""
        os.kill(pid, signal.SIGKILL)

    @abstractmethod
    def freeze(self, pid: int) -> None:
        """Have none of its processes run until `thaw`."""

    @abstractmethod
    def thaw(self, pid: int) -> None:
        """Have it go on."""

    @abstractmethod
    def left(self) -> dict[str, str]:
        """Return id -> name of what an instance has there, or has left there, that is no process of its own."""

    @abstractmethod
    def close(self) -> None:
        """Remove what is left."""


class Processes(Containers):
    """Processes of this host, as shipped."""

    kind = PROCESS

    def configured(self, config: ClipperConfig, commands: Path) -> ClipperConfig:
        return config

    def freeze(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)

    def left(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        return


class DockerContainers(Containers):
    """Containers of a daemon, under a cluster name of their own.

    Parameters
    ----------
    options : mapping
        More of `DockerConfig`.
    """

    kind = DOCKER

    def __init__(self, daemon: DockerDaemon, **options: Any) -> None:
        self._client = daemon.client()
        cluster_name = f"bench-{os.getpid()}-{next(_NUMBERS)}"
        self._docker = DockerConfig(
            host=daemon.host, image=daemon.image, cluster_name=cluster_name, network=NETWORK, **options
        )

    def configured(self, config: ClipperConfig, commands: Path) -> ClipperConfig:
        commands.chmod(0o777)  # the containers' user is another one; nobody else enters the directory above
        program = commanded_container.__file__
        volumes = [f"{program}:{program}:ro", f"{commands}:{commands}:rw"]
        docker = replace(self._docker, extra_container_kwargs=json.dumps({"volumes": volumes}))
        return replace(config, docker=docker, management=replace(config.management, container_manager=DOCKER))

    def freeze(self, pid: int) -> None:
        self._container(pid).pause()

    def thaw(self, pid: int) -> None:
        self._container(pid).unpause()

    def left(self) -> dict[str, str]:
        return {container.id: container.name for container in self._all()}

    def close(self) -> None:
        import docker

        for container in self._all():
            with contextlib.suppress(docker.errors.APIError):  # its removal is under way
                container.remove(force=True)
        self._client.close()

    def _all(self) -> list[Any]:
        label = f"{CLUSTER_LABEL}={self._docker.cluster_name}"
        found: list[Any] = self._client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
        return found

    def _container(self, pid: int) -> Any:
        for container in self._all():
            container.reload()
            state: Mapping[str, Any] = container.attrs["State"]
            if state["Pid"] == pid:
                return container
        raise LookupError(f"no container of {self._docker.cluster_name!r} has the first process {pid}")
