"""What Docker is told of one replica: image, program, mounts, limits, labels; computed, with nobody asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clipper.config import DockerConfig, LogConfig
from clipper.deploy.containers import IMAGE_PREFIX
from clipper.deploy.device_environment import container_variables as device_variables
from clipper.deploy.device_environment import default_variables, device_requests
from clipper.deploy.devices import Grant
from clipper.deploy.manager import ReplicaSpec
from clipper.deploy.resources import cpus_of, gpus_of, memory_bytes_of, thread_environment
from clipper.logs import container_variables
from clipper.types import ReplicaId
from clipper.version import VERSION

# The original's label of a cluster's containers, and its path of a model's files.
CLUSTER_LABEL: Final = "ai.clipper.container.label"
MODEL_LABEL: Final = "ai.clipper.model_container.label"
NAME_LABEL: Final = "ai.clipper.name"
REPLICA_LABEL: Final = "ai.clipper.replica"
INSTANCE_LABEL: Final = "ai.clipper.instance"
LIFE_LABEL: Final = "ai.clipper.life"
RUN_DIR_LABEL: Final = "ai.clipper.run_dir"
DEVICES_LABEL: Final = "ai.clipper.devices"
DEFAULT_REPOSITORY: Final = "clipper/model-container"
MODEL_PATH: Final = "/model"
SOCKET_DIR: Final = "/run/clipper"
KEYS_PATH: Final = "/run/clipper.keys"
IMAGE_PYTHON: Final = "python3"
MIN_MEMORY_BYTES: Final = 6 << 20  # Docker's own
LOG_MAX_BYTES: Final = 10 << 20  # of the daemon's own copy, from which ours is written
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose containers they are.

    Parameters
    ----------
    instance : str
        The run directory's mark: another instance has another one, also under the same cluster name.
    life : str
        One run of the supervisor; containers of an earlier one are left over.
    """

    cluster_name: str
    instance: str
    life: str
    run_dir: Path

    def labels(self) -> dict[str, str]:
        """Return the labels that every container of it has."""
        return {
            CLUSTER_LABEL: self.cluster_name,
            INSTANCE_LABEL: self.instance,
            LIFE_LABEL: self.life,
            RUN_DIR_LABEL: str(self.run_dir),
        }


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all replicas of an instance share."""

    docker: DockerConfig
    logs: LogConfig
    identity: Identity
    socket_dir: Path
    user: str  # UID:GID
    keys_file: Path | None = None  # in the form that a container needs, readable for ``user``
    tcp_addresses: tuple[str, ...] = ()  # where containers reach the frontends, if not by sockets


@dataclass(frozen=True, slots=True)
class Program:
    """What a container runs; ``command`` is added to the image's entry point unless ``entrypoint`` replaces that."""

    image: str
    entrypoint: str | None
    command: tuple[str, ...]
    is_named_by_caller: bool  # so it may be pulled


def default_image(config: DockerConfig) -> str:
    """Return the image in which built-in containers run."""
    return config.image or f"{DEFAULT_REPOSITORY}:{VERSION}"


def program_of(argv: tuple[str, ...], config: DockerConfig) -> Program:
    """Return what runs ``argv``: an image's own program for ``docker://IMAGE``, else a program in the default image.

    This machine's Python is the image's, whatever the path of either.
    """
    first, *rest = argv
    if first.startswith(IMAGE_PREFIX):
        return Program(first.removeprefix(IMAGE_PREFIX), None, tuple(rest), is_named_by_caller=True)
    program = IMAGE_PYTHON if first == sys.executable else first
    return Program(default_image(config), program, tuple(rest), is_named_by_caller=False)


def container_name(cluster_name: str, replica_id: ReplicaId) -> str:
    """Return the name of a replica's container; names of models hold neither ``_`` nor ``.``."""
    return f"{cluster_name}.{replica_id.replace(':', '_')}"


def create_arguments(spec: ReplicaSpec, around: Surroundings) -> dict[str, Any]:
    """Return the arguments of ``docker.containers.create``.

    Raises
    ------
    InvalidArgumentError
        A resource is no amount.
    """
    config = around.docker
    program = program_of(tuple(spec.argv), config)
    model_id = spec.replica_id.rpartition(":")[0]
    memory_bytes = memory_bytes_of(spec.resources) or config.memory_bytes
    model_path = Path(spec.env.get("CLIPPER_MODEL_PATH", "/nonexistent"))
    arguments: dict[str, Any] = {
        "image": program.image,
        "command": list(program.command),
        "name": container_name(config.cluster_name, spec.replica_id),
        "labels": {
            **around.identity.labels(),
            MODEL_LABEL: model_id.replace(":", "_"),
            NAME_LABEL: container_name(config.cluster_name, spec.replica_id),
            REPLICA_LABEL: spec.replica_id,
            **({} if spec.grant is None else {DEVICES_LABEL: str(spec.grant)}),
        },
        "environment": {
            **container_variables(around.logs),
            **thread_environment(spec.resources),
            **default_variables(spec.grant),
            **_inside(spec.env, around),
            **device_variables(spec.grant, spec.resources),
        },
        "network": config.network,
        "user": around.user,
        "mounts": _mounts(around, model_path if _has_files(model_path) else None),
        "tmpfs": {"/tmp": f"rw,nosuid,nodev,size={config.tmp_bytes}"},
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "init": True,  # a program that is the first process ignores SIGTERM unless it handles it
        # Clipper replaces replicas itself, after a pause and not without end: it would not see Docker do so.
        "restart_policy": {"Name": "no"},
        "log_config": {"Type": "json-file", "Config": {"max-size": str(LOG_MAX_BYTES), "max-file": "1"}},
    }
    if program.entrypoint is not None:
        arguments["entrypoint"] = [program.entrypoint]
    if config.max_processes:
        arguments["pids_limit"] = config.max_processes
    cpus = cpus_of(spec.resources)
    if cpus:
        arguments["nano_cpus"] = int(cpus * _NANO)
    if memory_bytes:
        arguments |= {"mem_limit": memory_bytes, "memswap_limit": memory_bytes}
    gpus_of(spec.resources)  # may be no amount, in a state that an earlier version has stored
    # These devices and no others, whatever all containers are given.
    requests = {} if spec.grant is None else {"device_requests": device_requests(spec.grant)}
    return {**arguments, **config.extra_arguments, **requests}


def grant_of(labels: Mapping[str, str]) -> Grant | None:
    """Return the devices that a container was started with."""
    return Grant.parse(labels.get(DEVICES_LABEL, ""))


def _inside(env: Mapping[str, str], around: Surroundings) -> dict[str, str]:
    """Return the environment with the paths and addresses that hold inside the container."""
    inside = dict(env)
    if "CLIPPER_MODEL_PATH" in env:
        inside["CLIPPER_MODEL_PATH"] = MODEL_PATH
    if "CLIPPER_RPC_ADDRESS" in env:
        inside["CLIPPER_RPC_ADDRESS"] = _addresses(env["CLIPPER_RPC_ADDRESS"], around)
        if around.keys_file is not None:
            inside["CLIPPER_RPC_KEYS"] = KEYS_PATH
    return inside


def _addresses(text: str, around: Surroundings) -> str:
    """Return where each of the frontends' sockets is reached, in the same order."""
    prefix = f"ipc://{around.socket_dir}/"
    found: list[str] = []
    for address in text.split(","):
        name = address.removeprefix(prefix)
        if not around.tcp_addresses:
            found.append(f"ipc://{SOCKET_DIR}/{name}" if name != address else address)
            continue
        digits = "".join(filter(str.isdigit, name))
        worker = int(digits) if name != address and digits else len(found)
        found.append(around.tcp_addresses[worker % len(around.tcp_addresses)])
    return ",".join(found)


def _mounts(around: Surroundings, model_path: Path | None) -> list[dict[str, Any]]:
    mounts = []
    if around.tcp_addresses and around.keys_file is not None:
        mounts.append(_mount(around.keys_file, KEYS_PATH))
    else:
        mounts.append(_mount(around.socket_dir, SOCKET_DIR))
    if model_path is not None:
        mounts.append(_mount(model_path, MODEL_PATH))
    return mounts


def _has_files(path: Path) -> bool:
    """Whether there is a model to show; an empty directory would hide the one that an image brings."""
    return path.is_dir() and any(path.iterdir())


def _mount(source: Path, target: str) -> dict[str, Any]:
    """Read-only: to connect to a socket one need not write to its directory."""
    return {"Type": "bind", "Source": str(source), "Target": target, "ReadOnly": True}
