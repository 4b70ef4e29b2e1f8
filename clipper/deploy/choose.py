"""The container manager that a configuration asks for."""

from __future__ import annotations

import os
from pathlib import Path

from clipper.config import ClipperConfig
from clipper.deploy.docker import DockerManager
from clipper.deploy.docker_daemon import Daemon, DaemonGoneError
from clipper.deploy.docker_spec import Identity, Surroundings
from clipper.deploy.process import ProcessManager
from clipper.errors import InvalidArgumentError, StartError
from clipper.security.container_rights import container_user, copy_keys, share_directory

_KEYS_COPY = "docker-rpc.keys"
_WILDCARDS = ("0.0.0.0", "::")


def make_manager(config: ClipperConfig, instance: str) -> ProcessManager | DockerManager:
    """Return the manager of a configuration, not connected yet.

    Parameters
    ----------
    instance : str
        The run directory's mark.

    Raises
    ------
    StartError
        The Docker SDK is not installed.
    """
    link = ProcessManager(config.log_dir)
    if not config.uses_docker:
        return link
    life = life_of(os.getppid())
    return DockerManager(
        Daemon(config.docker), lambda daemon: _surroundings(daemon, config, instance, life), link, config.log_dir
    )


def life_of(pid: int) -> str:
    """Return a text that this process alone has, on this machine and since it was booted."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    started = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    return f"{boot}.{pid}.{started}"


def _surroundings(daemon: Daemon, config: ClipperConfig, instance: str, life: str) -> Surroundings:
    user = container_user(config.docker)
    try:
        gateway = daemon.ensure_network()
    except DaemonGoneError as error:
        raise StartError(str(error), hint="is it running? docker.host, or DOCKER_HOST, says where") from error
    identity = Identity(config.docker.cluster_name, instance, life, config.run_dir)
    if config.docker.rpc == "ipc":
        try:
            share_directory(config.rpc_socket_dir, user)
        except OSError as error:
            raise StartError(
                f"the containers' user docker.user={user!r} cannot be let use the sockets: {error.strerror}",
                hint="leave docker.user empty, or start Clipper as root or as that user",
            ) from error
        return Surroundings(config.docker, config.logs, identity, config.rpc_socket_dir, user)
    keys_dir = config.security.rpc_keys_dir
    if keys_dir is None:
        raise InvalidArgumentError("docker.rpc='tcp' needs security.rpc_keys_dir")
    host = gateway if config.rpc.tcp_host in _WILDCARDS else config.rpc.tcp_host
    written = f"[{host}]" if ":" in host else host
    return Surroundings(
        config.docker,
        config.logs,
        identity,
        config.rpc_socket_dir,
        user,
        copy_keys(keys_dir / "container.keys", config.run_dir / _KEYS_COPY, user),
        tuple(f"tcp://{written}:{config.rpc.tcp_port + worker}" for worker in range(config.frontend.workers)),
    )
