"""`DockerContainerManager`: a cluster whose replicas are Docker containers, with the original's parameters."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clipper.admin.exceptions import ClipperException, told_as_original
from clipper.admin.images import image_of
from clipper.admin.process_manager import ProcessContainerManager
from clipper.config import load_config
from clipper.deploy.build_image import ModelImage, build_model_image
from clipper.deploy.docker_daemon import Daemon

_logger = logging.getLogger(__name__)
# What the original starts as further containers, and this Clipper has in itself or not at all: argument -> default.
_WITHOUT_EFFECT: Final = {
    "docker_ip_address": "localhost",
    "use_centralized_log": False,
    "fluentd_port": 24224,
    "prometheus_port": 9090,
}


class DockerContainerManager(ProcessContainerManager):
    """Runs the frontends as processes of this machine, and each replica as a container of its Docker daemon.

    Parameters
    ----------
    cluster_name : str
        Label of its containers and part of their names; one cluster of a name runs on a daemon.
    clipper_query_port, clipper_management_port : int
        Where it listens on 127.0.0.1; another free port is taken if one is not free.
    clipper_rpc_port : int
        The first of the ports that containers connect to, where docker.rpc is "tcp"; else they use sockets.
    redis_ip, redis_port : str, int
        Keep the registry in this Redis, instead of in the run directory.
    docker_network : str
        A bridge network, made if it is missing; "host" is refused.
    extra_container_kwargs : mapping, optional
        Further arguments of ``docker.containers.create``, for every replica; what Clipper says itself is refused.
    run_dir, containers, management_url, token, ca_file
        As of `ProcessContainerManager`; ``containers`` are programs in the default image, or
        ``{"mine": ["docker://IMAGE", "argument"]}``.
    """

    def __init__(
        self,
        cluster_name: str = "default-cluster",
        docker_ip_address: str = "localhost",
        use_centralized_log: bool = False,
        fluentd_port: int = 24224,
        clipper_query_port: int = 1337,
        clipper_management_port: int = 1338,
        clipper_rpc_port: int = 7000,
        redis_ip: str | None = None,
        redis_port: int = 6379,
        prometheus_port: int = 9090,
        docker_network: str = "clipper_network",
        extra_container_kwargs: Mapping[str, Any] | None = None,
        *,
        run_dir: str | Path | None = None,
        containers: Mapping[str, Sequence[str]] | None = None,
        management_url: str | None = None,
        token: str | None = None,
        ca_file: str | Path | None = None,
    ) -> None:
        if docker_network == "host":
            raise ClipperException("docker_network='host' is not supported: expected the name of a bridge network")
        try:
            extra = json.dumps(dict(extra_container_kwargs)) if extra_container_kwargs else ""
        except (TypeError, ValueError) as error:
            raise ClipperException(f"extra_container_kwargs cannot be handed on as JSON: {error}") from error
        options = {
            "management.container_manager": "docker",
            "docker.cluster_name": cluster_name,
            "docker.network": docker_network if docker_network != "clipper_network" else "",
            "docker.extra_container_kwargs": extra,
            "rpc.tcp_port": str(clipper_rpc_port) if clipper_rpc_port != 7000 else "",
            "state.url": "" if redis_ip is None else f"redis://{redis_ip}:{redis_port}",
        }
        self._options = {name: value for name, value in options.items() if value}
        super().__init__(
            cluster_name,
            docker_ip_address,
            use_centralized_log,
            fluentd_port,
            clipper_query_port,
            clipper_management_port,
            clipper_rpc_port,
            redis_ip,
            redis_port,
            prometheus_port,
            docker_network,
            extra_container_kwargs,
            run_dir=run_dir,
            containers=containers,
            management_url=management_url,
            token=token,
            ca_file=ca_file,
        )

    def container_of(self, image: str) -> str:
        return image_of(image, self._containers)

    def build_image(
        self,
        name: str,
        version: str,
        model_data_path: str,
        base_image: str,
        container_registry: str | None,
        pkgs_to_install: Sequence[str] | None,
    ) -> str:
        registry = f"{container_registry.rstrip('/')}/" if container_registry else ""
        cluster = re.sub(r"[^a-z0-9.-]+", "-", self.cluster_name.lower())
        model = ModelImage(
            f"{registry}{cluster}-{name}:{version}", base_image, Path(model_data_path), tuple(pkgs_to_install or ())
        )
        with told_as_original():
            daemon = Daemon(
                load_config(environment=os.environ, overrides=self._more_options(), run_dir=self._run_dir).config.docker
            )
            try:
                build_model_image(daemon, model, _logger.info)
                if registry:
                    daemon.push(model.tag)
            finally:
                daemon.close()
        return model.tag

    def _more_options(self) -> Mapping[str, str]:
        return self._options

    def _warn(self, given: Mapping[str, Any]) -> None:
        for name, default in _WITHOUT_EFFECT.items():
            if given[name] != default:
                _logger.warning("%s=%r has no effect: this Clipper starts no such container", name, given[name])

    def _check_redis(self, redis_ip: str | None) -> None:
        """It is usable here."""
