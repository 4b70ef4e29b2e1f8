"""The programs that containers run, by name, and the environment of the container contract."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError
from clipper.types import ModelId, ReplicaId

IMAGE_PREFIX: Final = "docker://"  # of a container that is an image, with its own program
_BUILT_IN: Final = ("image_classifier", "noop", "python_function", "simulated", "sklearn", "sum")
# What a caller may set: the parameters of our containers, and the size of their thread pools. Anything else
# (LD_PRELOAD, PYTHONPATH) would let a caller of the management API run a program of its own.
_SETTABLE_PREFIX: Final = "CLIPPER_"
THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# However its characters are escaped, the command that starts a replica stays far below a line of the supervisor's link.
MAX_ENVIRONMENT_BYTES: Final = 64 * 1024
_SETTABLE: Final = frozenset({*THREAD_VARIABLES, "CUDA_VISIBLE_DEVICES"})


def container_argv(container: str, extra: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the program of a container, from the configured ``extra`` ones or the built-in modules.

    ``docker://IMAGE`` is the program of that image; whether images can be run is the container manager's to say.

    Raises
    ------
    InvalidArgumentError
        There is no container of that name, or no image is named.
    """
    if container in extra:
        return tuple(extra[container])
    if container.startswith(IMAGE_PREFIX):
        if not container.removeprefix(IMAGE_PREFIX).strip():
            raise InvalidArgumentError(
                f"the container {container!r} names no image", hint=f"expected {IMAGE_PREFIX}REPOSITORY:TAG"
            )
        return (container,)
    if container not in _BUILT_IN:
        known = ", ".join(sorted({*_BUILT_IN, *extra}))
        raise InvalidArgumentError(f"there is no container {container!r}", hint=f"known: {known}")
    return (sys.executable, "-m", f"model_containers.{container}")


def to_programs(containers: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the caller's own containers in the form of the configuration.

    Raises
    ------
    InvalidArgumentError
        One is not a program and its arguments.
    """
    for name, argv in containers.items():
        if isinstance(argv, str) or not argv or not all(isinstance(word, str) for word in argv):
            raise InvalidArgumentError(
                f"the container {name!r} is {argv!r}: expected a program and its arguments",
                hint='for example [sys.executable, "/path/of/container.py"]',
            )
    return {name: tuple(argv) for name, argv in containers.items()}


def check_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` if a caller may set all of it.

    Raises
    ------
    InvalidArgumentError
        A variable is set by Clipper itself, or may not be set at all; or no environment can hold it.
    """
    size_bytes = 0
    for name, value in environment.items():
        if name in _CONTRACT or not (name.startswith(_SETTABLE_PREFIX) or name in _SETTABLE):
            raise InvalidArgumentError(
                f"the environment variable {name!r} cannot be set for a container",
                hint=f"variables named CLIPPER_* that Clipper does not set itself, and {', '.join(sorted(_SETTABLE))}",
            )
        try:
            size_bytes += len(f"{name}={value}".encode())
        except UnicodeEncodeError:
            size_bytes = -1
        if size_bytes < 0 or "=" in name or "\0" in name + value:
            # Not the value: it may be a secret.
            raise InvalidArgumentError(
                f"no environment can hold the variable {name!r} or its value",
                hint="a name has no '=', and both are text without NUL",
            )
    if size_bytes > MAX_ENVIRONMENT_BYTES:
        raise InvalidArgumentError(
            f"the environment of a container has {size_bytes} bytes; at most {MAX_ENVIRONMENT_BYTES} are allowed",
            hint="a model's files can hold more",
        )
    return dict(environment)


def container_environment(
    model_id: ModelId, input_type: str, replica_id: ReplicaId, rpc_addresses: Sequence[str], model_path: Path
) -> dict[str, str]:
    """Return the environment of the container contract (docs/containers.md)."""
    return {
        "CLIPPER_RPC_ADDRESS": ",".join(rpc_addresses),
        "CLIPPER_MODEL_NAME": model_id.name,
        "CLIPPER_MODEL_VERSION": model_id.version,
        "CLIPPER_INPUT_TYPE": input_type,
        "CLIPPER_REPLICA_ID": replica_id,
        "CLIPPER_MODEL_PATH": str(model_path),
    }


_CONTRACT: Final = frozenset(
    {*container_environment(ModelId("", ""), "", ReplicaId(""), (), Path()), "CLIPPER_RPC_KEYS", "CLIPPER_CHILD_OF"}
)
