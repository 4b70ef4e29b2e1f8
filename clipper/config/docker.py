"""Replicas as Docker containers: the daemon, the image, the network, and what a container may use up."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clipper.config.option import OptionError, check, duration, option

# Docker's own rule for names of containers and networks.
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_NAME_FORM: Final = "up to 63 letters, digits, '_', '.' and '-', a letter or digit first"
_HOST: Final = re.compile(r"((unix:///|tcp://|https?://)\S+)?")
_USER: Final = re.compile(r"(\d{1,10}:\d{1,10})?")
# What Clipper says itself of every container it starts.
OWN_ARGUMENTS: Final = frozenset(
    {"image", "command", "name", "labels", "environment", "detach", "network", "network_mode", "restart_policy"}
    | {"auto_remove", "remove", "user", "entrypoint", "tty", "stdout", "stderr"}
)


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """Used where management.container_manager is docker (docs/docker.md)."""

    host: str = option(
        "",
        "address of the Docker daemon; empty = that of DOCKER_HOST, or unix:///var/run/docker.sock",
        form="nothing, or unix:///PATH or tcp://HOST:PORT",
    )
    cluster_name: str = option(
        "default-cluster", "label of this instance's containers; one at a time has it on a daemon", form=_NAME_FORM
    )
    network: str = option("clipper_network", "bridge network of the containers; made if missing", form=_NAME_FORM)
    image: str = option(
        "",
        "image of the built-in containers, and of programs of management.containers; empty = "
        "clipper/model-container, with Clipper's version as its tag",
    )
    rpc: str = option(
        "ipc",
        "how containers reach the frontends: sockets in a mounted directory, or TCP with keys (rpc.tcp_host)",
        choices=("ipc", "tcp"),
    )
    user: str = option(
        "",
        "numbers of the user and the group that run in containers; empty = Clipper's own, or 65532:65532 if that is "
        "root",
        form="nothing, or UID:GID",
    )
    memory_bytes: int = option(0, "memory of a replica whose version asks for none; 0 = no limit")
    max_processes: int = option(512, "processes and threads of a replica; 0 = no limit", maximum=2**22)
    tmp_bytes: int = option(64 << 20, "size of /tmp, the one directory that containers may write to", minimum=1 << 16)
    pull: bool = option(True, "images named by docker:// that are not there are pulled from their registry")
    call_limit_us: int = duration(30_000_000, "within this the daemon must answer a call", minimum=100_000)
    pull_limit_us: int = duration(600_000_000, "within this an image must be pulled", minimum=1_000_000)
    extra_container_kwargs: str = option(
        "", "further arguments of docker.containers.create() as a JSON object", form="nothing, or a JSON object"
    )

    def __post_init__(self) -> None:
        check(self)
        for name, pattern, form in (
            ("cluster_name", _NAME, _NAME_FORM),
            ("network", _NAME, _NAME_FORM),
            ("host", _HOST, "nothing, or unix:///PATH or tcp://HOST:PORT"),
            ("user", _USER, "nothing, or UID:GID"),
        ):
            if pattern.fullmatch(getattr(self, name)) is None:
                raise OptionError(name, repr(getattr(self, name)), form)
        if self.network in ("host", "none"):
            hint = "containers of this machine reach the frontends by docker.rpc=ipc whatever their network"
            raise OptionError("network", repr(self.network), "the name of a bridge network", hint=hint)
        self._check_extra()

    def _check_extra(self) -> None:
        taken = sorted(OWN_ARGUMENTS & self.extra_arguments.keys())
        if taken:
            expected = f"no {taken[0]!r}, which Clipper says itself"
            raise OptionError("extra_container_kwargs", repr(self.extra_container_kwargs), expected)

    @property
    def extra_arguments(self) -> Mapping[str, Any]:
        """``extra_container_kwargs`` as it is meant."""
        if not self.extra_container_kwargs:
            return {}
        try:
            found = json.loads(self.extra_container_kwargs)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise OptionError("extra_container_kwargs", repr(self.extra_container_kwargs), "nothing, or a JSON object")
        return found
