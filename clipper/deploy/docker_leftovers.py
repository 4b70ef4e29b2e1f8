"""Containers that a daemon has when management starts: ours go on, what an earlier life left over is removed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipper.deploy.docker_daemon import ContainerGoneError, Daemon
from clipper.deploy.docker_spec import INSTANCE_LABEL, LIFE_LABEL, REPLICA_LABEL, RUN_DIR_LABEL, Surroundings
from clipper.errors import StartError
from clipper.types import ReplicaId

if TYPE_CHECKING:
    from docker.models.containers import Container

_logger = logging.getLogger(__name__)


def adopt(daemon: Daemon, around: Surroundings) -> list[tuple[ReplicaId, Container, int]]:
    """Return the replicas that run, each with its container and the number of its first process.

    Containers of this instance that have ended, or were started by an earlier life of it, are removed.

    Raises
    ------
    StartError
        Another instance has running containers under this cluster's name.
    DaemonGoneError
        The daemon does not answer.
    """
    identity = around.identity
    running = []
    for container in daemon.of_cluster(identity.cluster_name):
        labels = container.labels
        try:
            state = daemon.state(container)
            if labels.get(INSTANCE_LABEL) != identity.instance:
                if state.is_running:
                    raise _taken(identity.cluster_name, labels.get(RUN_DIR_LABEL, "another place"))
                continue
            if state.is_running and labels.get(LIFE_LABEL) == identity.life and labels.get(REPLICA_LABEL):
                running.append((ReplicaId(labels[REPLICA_LABEL]), container, state.pid))
            else:
                _logger.info("removing the container %s, which an earlier life has left", container.name)
                daemon.remove(container)
        except ContainerGoneError:
            continue
    return running


def remove_all(daemon: Daemon, around: Surroundings) -> None:
    """Remove every container of this instance, also those that nobody follows any more; raises `DaemonGoneError`."""
    for container in daemon.of_cluster(around.identity.cluster_name):
        if container.labels.get(INSTANCE_LABEL) == around.identity.instance:
            daemon.remove(container)


def _taken(cluster_name: str, run_dir: str) -> StartError:
    return StartError(
        f"the cluster {cluster_name!r} exists already on this Docker daemon: it is the Clipper in {run_dir!r}",
        hint="choose another docker.cluster_name; if that Clipper runs no more, remove what it has left: docker rm -f "
        f"$(docker ps -aq --filter label=ai.clipper.container.label={cluster_name})",
    )
