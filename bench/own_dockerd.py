"""A Docker daemon of one's own: started by hand on a private socket, with the base image and nothing else.

For benchmarks and tests of containers, on a machine where nobody runs one; needs root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

INSTALL: Final = "apt-get install -y --no-install-recommends docker.io"
_START_LIMIT_S: Final = 30
_STOP_LIMIT_S: Final = 20
_ROOM_BYTES: Final = 1 << 30


class DaemonError(Exception):
    """The daemon does not start; the message says why."""


class DockerDaemon:
    """One dockerd; its address, and its end and return.

    Bridges work without the firewall's rules, so none are made: nothing outside its directory changes but for the
    bridges themselves, which go with their networks.
    """

    image = "clipper/model-container:test"
    install = INSTALL

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host = f"unix://{directory}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_started(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._process is not None

    def start(self) -> None:
        """Start it, and return when it answers.

        Raises
        ------
        DaemonError
            It is not installed, has ended, or does not answer in time; says the end of its log.
        """
        command, environment = self._command(), os.environ | self._variables()
        if shutil.which(command[0]) is None:
            raise DaemonError(f"{command[0]} is not installed: {self.install}")
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline_s = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise DaemonError(f"{command[0]} does not start:\n{(self.directory / 'log').read_text()[-4000:]}")
            time.sleep(0.05)

    def _command(self) -> list[str]:
        command = ["dockerd", "--host", self.host, "--bridge", "none", "--iptables=false", "--log-level", "warn"]
        command += ["--data-root", str(self.directory / "data"), "--exec-root", str(self.directory / "exec")]
        return [*command, "--pidfile", str(self.directory / "pid")]

    def _variables(self) -> dict[str, str]:
        """Return variables by which the daemon finds NVIDIA's hook, and so takes requests for devices; ours is idle."""
        hooks = self.directory / "hooks"
        hooks.mkdir(exist_ok=True)
        hook = hooks / "nvidia-container-runtime-hook"
        if not hook.is_symlink():
            hook.symlink_to(shutil.which("true") or "/bin/true")
        return {"PATH": f"{hooks}:{os.environ['PATH']}"}

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


@contextlib.contextmanager
def own_daemon(kind: type[DockerDaemon] = DockerDaemon) -> Iterator[DockerDaemon]:
    """Run a daemon for the length of a block, with the base image in it; nothing of either is left afterwards."""
    # In memory where there is room: the daemon waits for the disk at each step of a container's life.
    in_memory = os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > _ROOM_BYTES
    directory = Path(tempfile.mkdtemp(prefix="clipper-dockerd-", dir="/dev/shm" if in_memory else "/tmp"))
    daemon = kind(directory)
    try:
        daemon.start()
        daemon.import_image()
        yield daemon
    finally:
        if daemon.is_started:
            with contextlib.suppress(OSError):
                daemon.remove_containers()
                daemon.remove_networks()
            daemon.stop()
        _unmount_below(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _unmount_below(directory: Path) -> None:
    for line in reversed(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
        target = line.split()[1]
        if target.startswith(f"{directory}/"):
            subprocess.run(["umount", "-l", target], check=False, capture_output=True)
