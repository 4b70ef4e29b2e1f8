"""The Docker daemon of the tests, one for all of a session, and the marks of what needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest

from bench.own_dockerd import INSTALL, DockerDaemon, own_daemon

__all__ = ["NEEDS_DOCKERD", "DockerDaemon", "dockerd"]

_RIGHTS: Final = (
    '[ "$(id -u)" = 0 ] && unshare --mount --net mount -t tmpfs none /mnt && '
    "{ [ -d /sys/fs/cgroup/memory ] || [ -f /sys/fs/cgroup/cgroup.controllers ]; }"
)
NEEDS_DOCKERD: Final = (
    pytest.mark.optional("dockerd", INSTALL),
    pytest.mark.needs_kernel_rights("a Docker daemon of one's own", _RIGHTS),
)


@pytest.fixture(scope="session")
def dockerd() -> Iterator[DockerDaemon]:
    """The daemon of this session, with the base image in it."""
    with own_daemon() as daemon:
        yield daemon
    assert not os.path.exists(daemon.directory / "docker.sock")
