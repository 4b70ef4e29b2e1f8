"""Starting one replica's container: the steps, and what each failure means to who deploys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clipper.deploy.docker_daemon import ContainerGoneError, Daemon, explanation, no_image
from clipper.deploy.docker_spec import (
    INSTANCE_LABEL,
    MODEL_PATH,
    REPLICA_LABEL,
    Surroundings,
    create_arguments,
    program_of,
)
from clipper.deploy.manager import ReplicaSpec
from clipper.errors import DeployError, InvalidArgumentError
from clipper.security.container_rights import share_files

if TYPE_CHECKING:
    from docker.models.containers import Container

_NAME_TAKEN: Final = "that name is already in use"
_NO_PROGRAM: Final = ("no command specified", "no command or entrypoint provided")  # Docker's words, podman's
_ENDED_PID: Final = -1  # of a container that has ended before one could ask


def launch(daemon: Daemon, spec: ReplicaSpec, around: Surroundings) -> tuple[Container, int]:
    """Create and start a replica's container; return it with the number that its first process has on this host.

    Raises
    ------
    DeployError
        It cannot be started; nothing of it is left.
    DaemonGoneError
        The daemon does not answer.
    """
    import docker

    try:
        arguments = create_arguments(spec, around)
        share_files(_model_path(arguments), around.user)
    except InvalidArgumentError as error:
        raise DeployError(f"the container cannot be started: {error.message}") from error
    except OSError as error:
        raise DeployError(f"the container's user {around.user} cannot be let read the model: {error}") from error
    container = _create(daemon, spec, arguments, around)
    try:
        _require_program(daemon, container, arguments)
        with daemon.told():
            container.start()
        pid = daemon.state(container).pid
    except (docker.errors.APIError, ContainerGoneError) as error:
        daemon.remove(container)
        raise DeployError(f"the container cannot be started: {explanation(error)}") from error
    except DeployError:
        daemon.remove(container)
        raise
    return container, pid or _ENDED_PID


def _create(daemon: Daemon, spec: ReplicaSpec, arguments: dict[str, Any], around: Surroundings) -> Container:
    """Create the container; pull its image, or remove what is left of an earlier one of its name, if need be."""
    import docker

    may_pull = around.docker.pull and program_of(tuple(spec.argv), around.docker).is_named_by_caller
    for is_last in (False, False, True):
        try:
            return daemon.create(arguments)
        except docker.errors.ImageNotFound as error:
            if not may_pull:
                raise no_image(arguments["image"]) from error
            daemon.pull(arguments["image"])
            may_pull = False
        except ContainerGoneError as error:  # of the network
            daemon.ensure_network()
            if is_last:
                raise DeployError(f"the container cannot be started: {error}") from error
        except (docker.errors.DockerException, TypeError, ValueError) as error:
            if is_last or not _has_made_room(daemon, error, arguments, spec, around):
                raise DeployError(f"the container cannot be started: {_refusal(error, arguments['image'])}") from error
    raise DeployError(f"the container cannot be started: there is no image {arguments['image']!r}")


def _refusal(error: Exception, image: str) -> str:
    """Return what the daemon said, in our words where its own leave open what is wrong with which image."""
    said = explanation(error)
    if any(words in said.lower() for words in _NO_PROGRAM):
        return (
            f"the image {image!r} names no program to run: expected an ENTRYPOINT that speaks the container contract "
            f"(docs/containers.md); `clipper build-image TAG --from {image} --container NAME` adds a built-in one"
        )
    return f"{image!r} is no name of an image: {said}" if "reference format" in said else said


def _has_made_room(
    daemon: Daemon, error: Exception, arguments: dict[str, Any], spec: ReplicaSpec, around: Surroundings
) -> bool:
    """Whether the container's name was taken, and is free now: what had it was ours, and has ended."""
    # Podman answers 500.
    if getattr(error, "status_code", 0) != 409 and _NAME_TAKEN not in explanation(error):
        return False
    try:
        other = daemon.find(arguments["name"])
    except ContainerGoneError:
        return True
    labels = other.labels
    is_ours = labels.get(INSTANCE_LABEL) == around.identity.instance
    if not is_ours or labels.get(REPLICA_LABEL) != spec.replica_id:
        raise DeployError(
            f"the container cannot be started: its name {arguments['name']!r} is taken by another container; remove "
            "that one, or choose another docker.cluster_name"
        ) from error
    if daemon.state(other).is_running:  # an answer of the daemon was lost: nobody follows that one
        daemon.kill(other, "SIGKILL")
    daemon.remove(other)
    return True


def _require_program(daemon: Daemon, container: Container, arguments: dict[str, Any]) -> None:
    """Refuse a program that the image does not have: its first process, which starts it, would start all the same."""
    program = (arguments.get("entrypoint") or [""])[0]
    if program.startswith("/") and not daemon.has_program(container, program):
        raise DeployError(
            f"the container cannot be started: there is no {program!r} in the image {arguments['image']!r}"
        )


def _model_path(arguments: dict[str, Any]) -> Path:
    sources = [mount["Source"] for mount in arguments["mounts"] if mount["Target"] == MODEL_PATH]
    return Path(sources[0] if sources else "/nonexistent")
