"""Clipper's compose file on the tests' daemon: its images, made offline, and its services."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from clipper.config import DockerConfig
from clipper.deploy.build_image import build_clipper_image
from clipper.deploy.clipper_image import CLIPPER_DISTRIBUTIONS
from clipper.deploy.docker_daemon import Daemon
from clipper.deploy.image_archive import ImageArchive
from tests.support.dockerd import DockerDaemon
from tests.support.repository import ROOT

NEEDS_COMPOSE: Final = (
    pytest.mark.optional("docker-compose", "apt-get install -y --no-install-recommends docker-compose"),
    pytest.mark.optional("redis-server", "apt-get install -y --no-install-recommends redis-server"),
    pytest.mark.optional("prometheus", "apt-get install -y --no-install-recommends prometheus"),
)
CLIPPER, REDIS, PROMETHEUS = "clipper/clipper:test", "redis:test", "prometheus:test"
_FILE: Final = ROOT / "compose" / "compose.yaml"
_LIMIT_S: Final = 60


class Composition:
    """One project of the compose file on free ports, with secrets of its own."""

    def __init__(self, dockerd: DockerDaemon, directory: Path, name: str) -> None:
        self.name = name
        self.secrets = directory / "secrets"
        subprocess.run([ROOT / "compose" / "make-secrets", self.secrets], check=True, capture_output=True)
        with contextlib.ExitStack() as taken:
            doors = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            self.query, self.management, self.prometheus = (f"127.0.0.1:{door.getsockname()[1]}" for door in doors)
        # Debian's docker-compose is a program of the system's Python.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CLIPPER_"))}
        self._environment = kept | {
            "DOCKER_HOST": dockerd.host,
            "COMPOSE_PROJECT_NAME": name,
            "CLIPPER_IMAGE": CLIPPER,
            "REDIS_IMAGE": REDIS,
            "PROMETHEUS_IMAGE": PROMETHEUS,
            "CLIPPER_SECRETS": str(self.secrets),
            "CLIPPER_QUERY_ADDRESS": self.query,
            "CLIPPER_MANAGEMENT_ADDRESS": self.management,
            "PROMETHEUS_ADDRESS": self.prometheus,
        }

    @property
    def token(self) -> str:
        """The management token."""
        return (self.secrets / "management_token").read_text().strip()

    def compose(self, *words: str) -> str:
        """Run docker-compose on the file, and return what it prints."""
        done = subprocess.run(
            ["docker-compose", "-f", str(_FILE), *words],
            env=self._environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout


def make_images(dockerd: DockerDaemon) -> None:
    """Make the images of the three services: Clipper's as a user would without a registry, the others from packages."""
    daemon = Daemon(DockerConfig(host=dockerd.host))
    try:
        build_clipper_image(daemon, CLIPPER, CLIPPER_DISTRIBUTIONS, lambda _: None)
    finally:
        daemon.close()
    _import(dockerd, REDIS, ("redis-server", "redis-cli"), "redis:x:999:999", "data", 999, "/usr/bin/redis-server")
    _import(dockerd, PROMETHEUS, ("prometheus",), "nobody:x:65534:65534", "prometheus", 65534, "/usr/bin/prometheus")


def _import(
    dockerd: DockerDaemon, tag: str, programs: tuple[str, ...], user: str, data: str, uid: int, entry: str
) -> None:
    """Make an image like the official one of a service: its programs, its user, and its directory of data."""
    path = dockerd.directory / "image.tar"
    with tarfile.open(path, "w") as archive:
        image = ImageArchive(archive)
        image.directory("tmp", 0o1777)
        image.directory(data, 0o755, uid)
        image.text("etc/passwd", f"root:x:0:0:::\n{user}:::\n")
        image.text("etc/group", f"root:x:0:\n{user.partition(':')[0]}:x:{uid}:\n")
        for program in programs:
            image.program(Path(shutil.which(program) or program), f"usr/bin/{program}")
    changes = ["ENV PATH=/usr/bin", f"WORKDIR /{data}", f"VOLUME /{data}"]
    if tag == PROMETHEUS:
        changes.append(f"ENTRYPOINT {json.dumps([entry])}")
    with contextlib.closing(dockerd.client()) as client:
        client.api.import_image_from_file(str(path), repository=tag, changes=changes)
    path.unlink()


@contextlib.contextmanager
def composed(dockerd: DockerDaemon, directory: Path, name: str) -> Iterator[Composition]:
    """Bring the services up, and take them down with their volumes."""
    composition = Composition(dockerd, directory, name)
    try:
        composition.compose("up", "-d")
        yield composition
    finally:
        composition.compose("down", "-v", "-t", "0")


def container(docker: Any, composition: Composition, service: str) -> Any:
    """Return a service's container."""
    labels = [f"com.docker.compose.project={composition.name}", f"com.docker.compose.service={service}"]
    (found,) = docker.containers.list(all=True, filters={"label": labels})
    return found
