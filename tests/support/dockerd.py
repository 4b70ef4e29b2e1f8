"""The Docker daemon of the tests, one for all of a session, and the marks of what needs it.

``CLIPPER_TEST_DAEMON=podman`` has podman's Docker-compatible service in its place.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bench.own_dockerd import INSTALL, DockerDaemon, own_daemon
from clipper.supervisor.launch import make_run_dir

__all__ = ["IS_PODMAN", "NEEDS_DOCKERD", "DockerDaemon", "docker_run_dir", "dockerd"]

_RIGHTS: Final = (
    '[ "$(id -u)" = 0 ] && unshare --mount --net mount -t tmpfs none /mnt && '
    "{ [ -d /sys/fs/cgroup/memory ] || [ -f /sys/fs/cgroup/cgroup.controllers ]; }"
)
_INSTALL_PODMAN: Final = "apt-get install -y --no-install-recommends podman runc catatonit netavark aardvark-dns"
IS_PODMAN: Final = os.environ.get("CLIPPER_TEST_DAEMON") == "podman"
NEEDS_DOCKERD: Final = (
    pytest.mark.optional("podman", _INSTALL_PODMAN) if IS_PODMAN else pytest.mark.optional("dockerd", INSTALL),
    pytest.mark.needs_kernel_rights("a Docker daemon of one's own", _RIGHTS),
)


class PodmanService(DockerDaemon):
    """Podman as root behind Docker's API. Its containers are nobody's children: they run on when the service ends."""

    install = _INSTALL_PODMAN

    def _command(self) -> list[str]:
        command = ["podman", "--log-level", "warn"]
        for option in ("root", "runroot", "tmpdir"):
            command += [f"--{option}", str(self.directory / option)]
        return [*command, "system", "service", "--time", "0", self.host]

    def _variables(self) -> dict[str, str]:
        # No systemd is here, crun does not know this kind of cgroups, and limits cannot be raised.
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        text = f"""
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile={limit}:{limit}", "nproc=4096:4096"]
[network]
network_backend = "netavark"
network_config_dir = "{self.directory}/networks"
"""
        (self.directory / "containers.conf").write_text(text)
        return {"CONTAINERS_CONF": str(self.directory / "containers.conf")}


@pytest.fixture(scope="session")
def dockerd() -> Iterator[DockerDaemon]:
    """The daemon of this session, with the base image in it."""
    with own_daemon(PodmanService if IS_PODMAN else DockerDaemon) as daemon:
        yield daemon
    assert not os.path.exists(daemon.directory / "docker.sock")


@pytest.fixture
def docker_run_dir(dockerd: DockerDaemon) -> Iterator[Path]:
    """A run directory of one test; the containers that it started are removed with it."""
    directory = make_run_dir()
    yield directory
    dockerd.remove_containers()
    shutil.rmtree(directory)
