"""A Docker daemon of the tests' own: started by hand on a private socket, with the base image and nothing else.

``CLIPPER_TEST_DAEMON=podman`` has podman's Docker-compatible service in its place.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

_START_LIMIT_S: Final = 30
_STOP_LIMIT_S: Final = 20
_ROOM_BYTES: Final = 1 << 30
_RIGHTS: Final = (
    '[ "$(id -u)" = 0 ] && unshare --mount --net mount -t tmpfs none /mnt && '
    "{ [ -d /sys/fs/cgroup/memory ] || [ -f /sys/fs/cgroup/cgroup.controllers ]; }"
)
IS_PODMAN: Final = os.environ.get("CLIPPER_TEST_DAEMON") == "podman"
NEEDS_DOCKERD: Final = (
    pytest.mark.optional("podman", "apt-get install -y --no-install-recommends podman runc catatonit")
    if IS_PODMAN
    else pytest.mark.optional("dockerd", "apt-get install -y --no-install-recommends docker.io"),
    pytest.mark.needs_kernel_rights("a Docker daemon of one's own", _RIGHTS),
)


class DockerDaemon:
    """One dockerd; its address, and its end and return.

    Bridges work without the firewall's rules, so none are made: nothing outside its directory changes but for the
    bridges themselves, which go with their networks.
    """

    image = "clipper/model-container:test"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host = f"unix://{directory}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        command, environment = self._command(), os.environ | self._variables()
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline_s = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"{command[0]} does not start:\n{(self.directory / 'log').read_text()[-4000:]}")
            time.sleep(0.05)

    def _command(self) -> list[str]:
        command = ["dockerd", "--host", self.host, "--bridge", "none", "--iptables=false", "--log-level", "warn"]
        command += ["--data-root", str(self.directory / "data"), "--exec-root", str(self.directory / "exec")]
        return [*command, "--pidfile", str(self.directory / "pid")]

    def _variables(self) -> dict[str, str]:
        return {}

    def stop(self) -> None:
        """End it in order; its containers end with it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def client(self) -> Any:
        """Return a client of the SDK; close it."""
        import docker

        return docker.DockerClient(base_url=self.host, timeout=30)

    def remove_containers(self) -> None:
        """Remove whatever a test has left."""
        with contextlib.closing(self.client()) as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                container.remove(force=True)

    def remove_networks(self) -> None:
        """Remove the bridges, which would outlive the daemon."""
        with contextlib.closing(self.client()) as client:
            client.networks.prune()

    def _answers(self) -> bool:
        # The SDK leaves a socket open that could not be connected.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            if door.connect_ex(self.host.removeprefix("unix://")) != 0:
                return False
        with contextlib.closing(self.client()) as client:
            return bool(client.ping())

    def import_image(self) -> None:
        """Make the base image."""
        from clipper.deploy.base_image import image_changes, write_base_image

        archive = self.directory / "image.tar"
        with archive.open("wb") as file:
            write_base_image(file, say=lambda _: None)
        with contextlib.closing(self.client()) as client:
            client.api.import_image_from_file(str(archive), repository=self.image, changes=image_changes())
        archive.unlink()


class PodmanService(DockerDaemon):
    """Podman as root behind Docker's API. Its containers are nobody's children: they run on when the service ends."""

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
network_config_dir = "{self.directory}/networks"
"""
        (self.directory / "containers.conf").write_text(text)
        return {"CONTAINERS_CONF": str(self.directory / "containers.conf")}


@pytest.fixture(scope="session")
def dockerd() -> Iterator[DockerDaemon]:
    """The daemon of this session, with the base image in it."""
    # In memory where there is room: the daemon waits for the disk at each step of a container's life.
    in_memory = os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > _ROOM_BYTES
    directory = Path(tempfile.mkdtemp(prefix="clipper-dockerd-", dir="/dev/shm" if in_memory else "/tmp"))
    daemon = (PodmanService if IS_PODMAN else DockerDaemon)(directory)
    try:
        daemon.start()
        daemon.import_image()
        yield daemon
    finally:
        with contextlib.suppress(OSError):
            daemon.remove_containers()
            daemon.remove_networks()
        daemon.stop()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            target = line.split()[1]
            if target.startswith(f"{directory}/"):
                subprocess.run(["umount", "-l", target], check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)
        assert not os.path.exists(directory / "docker.sock")
