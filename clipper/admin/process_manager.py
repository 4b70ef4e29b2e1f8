"""`ProcessContainerManager`: a cluster of processes on this machine, under the name that the original's scripts use."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from clipper.admin.container_manager import ContainerManager
from clipper.admin.exceptions import ClipperException, told_as_original
from clipper.admin.images import container_of
from clipper.admin.names import DEFAULT_HTTP_TIMEOUT_REQUEST, DEFAULT_PREDICTION_CACHE_SIZE_BYTES
from clipper.client.clipper import Clipper
from clipper.client.own_instance import own_clients
from clipper.client.startup import wait_for_snapshot
from clipper.config import ClipperConfig, default_run_dir, load_config
from clipper.deploy.containers import to_programs
from clipper.errors import StartError
from clipper.supervisor.launch import RunningSupervisor, launch
from clipper.supervisor.running import find_running, running_config

_logger = logging.getLogger(__name__)
_QUERY_PORT: Final = 1337
_MANAGEMENT_PORT: Final = 1338
_START_LIMIT_US: Final = 60_000_000
_STOP_LIMIT_US: Final = 60_000_000  # above the sum of the supervisor's own limits
_SECOND_SIGNAL_AFTER_US: Final = 200_000
# What the original takes, and a process manager has nothing to do with: argument -> its default.
_WITHOUT_EFFECT: Final = {
    "docker_ip_address": "localhost",
    "use_centralized_log": False,
    "fluentd_port": 24224,
    "clipper_rpc_port": 7000,
    "redis_port": 6379,
    "prometheus_port": 9090,
    "docker_network": "clipper_network",
    "extra_container_kwargs": None,
}


class ProcessContainerManager(ContainerManager):
    """Takes the arguments of the original's ``DockerContainerManager``, in their order.

    A cluster lives until `stop_all`, also when the process that has started it ends; another process finds it by its
    name with `connect`.

    Parameters
    ----------
    cluster_name : str
        Clusters of different names do not know of each other.
    clipper_query_port, clipper_management_port : int
        Where it listens on 127.0.0.1. Another free port is taken, as in the original, if one is not free.
    redis_ip : str, optional
        Refused: the registry is in a file. The other arguments of the original have no effect, and say so if they are
        set.
    run_dir : path, optional
        Where sockets, logs and models lie; it stays after `stop_all`. Default: a directory of the cluster's name under
        ``clipper/clusters`` in ``$XDG_STATE_HOME``, which does not.
    containers : mapping, optional
        Programs by name, which `deploy_model` then takes as ``image``: ``{"mine": [sys.executable, "mine.py"]}``.
    management_url, token, ca_file : str, optional
        Another Clipper that `connect` connects to, such as one that ``clipper start`` runs; not with `start_clipper`.
    """

    def __init__(
        self,
        cluster_name: str = "default-cluster",
        docker_ip_address: str = "localhost",
        use_centralized_log: bool = False,
        fluentd_port: int = 24224,
        clipper_query_port: int = _QUERY_PORT,
        clipper_management_port: int = _MANAGEMENT_PORT,
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
        given = (docker_ip_address, use_centralized_log, fluentd_port, clipper_rpc_port, redis_port, prometheus_port)
        self._warn(dict(zip(_WITHOUT_EFFECT, (*given, docker_network, extra_container_kwargs), strict=True)))
        self._check_redis(redis_ip)
        if not cluster_name or "/" in cluster_name or cluster_name.startswith("."):
            raise ClipperException(f"cluster_name={cluster_name!r} is no name for a cluster: it names a directory")
        self.cluster_name = cluster_name
        self._ports = {"query_port": clipper_query_port, "management_port": clipper_management_port}
        if self._ports["query_port"] == self._ports["management_port"] != 0:
            raise ClipperException(f"The query port and the management port are both {clipper_query_port}")
        self._is_named_dir = run_dir is not None
        # Apart from the directory of `clipper start`, which no cluster of whatever name may remove.
        default = default_run_dir(os.environ).parent / "clusters" / cluster_name
        self._run_dir = default if run_dir is None else Path(run_dir).absolute()
        self._management_url = management_url
        self._token = token
        self._ca_file = ca_file
        self._supervisor: RunningSupervisor | None = None
        with told_as_original():
            self._containers = to_programs(containers or {})

    def _warn(self, given: Mapping[str, Any]) -> None:
        """Tell of the original's arguments that have no effect here, if they are set."""
        for name, value in given.items():
            if value != _WITHOUT_EFFECT[name]:
                _logger.warning("%s=%r has no effect: containers are processes, not Docker's", name, value)

    def _check_redis(self, redis_ip: str | None) -> None:
        if redis_ip is not None:
            raise ClipperException(
                f"redis_ip={redis_ip!r} cannot be used: the registry is in the cluster's run directory. "
                "For a registry in Redis set CLIPPER_STATE__URL=redis://..."
            )

    def _more_options(self) -> Mapping[str, str]:
        """Return what else the cluster is started with: texts by the names of options."""
        return {}

    def start_clipper(self, cache_size: int, qf_http_timeout_request: int) -> None:
        self._require_own("started")
        if running_config(self._run_dir) is not None:
            raise ClipperException(
                f"Cluster {self.cluster_name} cannot be started because it already exists. "
                "Please use ClipperConnection.connect() to connect to it."
            )
        with told_as_original():
            config = self._make_config(cache_size, qf_http_timeout_request)
        try:
            self._supervisor = launch(config, _START_LIMIT_US, outlives_caller=True)
        except StartError as error:
            raise ClipperException(f"Cluster {self.cluster_name} cannot be started: {error}") from error
        try:
            self._connect_to(self._supervisor.config)
        except BaseException:
            self.stop_all(graceful=False)
            raise

    def connect(self) -> None:
        if self._management_url is not None:
            with told_as_original():
                self._clipper = Clipper.connect(self._management_url, token=self._token, ca_file=self._ca_file)
            return
        config = running_config(self._run_dir)
        if config is None:
            raise ClipperException(
                f"Cluster {self.cluster_name} does not run. Please use ClipperConnection.start_clipper() to start it."
            )
        self._connect_to(config)

    def container_of(self, image: str) -> str:
        return container_of(image, self._containers)

    def stop_all(self, graceful: bool = True) -> None:
        self._require_own("stopped")
        self.disconnect()
        running = find_running(self._run_dir)
        if running is not None:
            try:
                running.send_signal(signal.SIGTERM)
                # A second signal kills what is left; the two must not become one.
                if not graceful and not running.wait(_SECOND_SIGNAL_AFTER_US):
                    running.send_signal(signal.SIGTERM)
                if not running.wait(_STOP_LIMIT_US):
                    raise ClipperException(f"Cluster {self.cluster_name} has not ended in time; see its supervisor.log")
            finally:
                running.close()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.process.wait()

    def get_logs(self, logging_dir: str) -> list[str]:
        target = Path(logging_dir)
        target.mkdir(parents=True, exist_ok=True)
        if self._management_url is None:
            sources = sorted(path for path in (self._run_dir / "logs").iterdir() if path.is_file())
            return [shutil.copyfile(source, str(target / source.name)) for source in sources]
        written = []
        with told_as_original():
            for replica in self.clipper.get_replicas():
                path = target / f"{replica.replica_id.replace(':', '_')}.log"
                path.write_text(self.clipper.logs(replica.replica_id, 10_000))
                written.append(str(path))
        return written

    def _make_config(self, cache_size: int, qf_http_timeout_request: int) -> ClipperConfig:
        """Return what the script says, over what the environment and the configuration file say."""
        said = {
            "listen.query_port": (self._ports["query_port"], _QUERY_PORT),
            "listen.management_port": (self._ports["management_port"], _MANAGEMENT_PORT),
            "core.cache_bytes": (cache_size, DEFAULT_PREDICTION_CACHE_SIZE_BYTES),
            "http.request_timeout_us": (qf_http_timeout_request * 1_000_000, DEFAULT_HTTP_TIMEOUT_REQUEST * 1_000_000),
        }
        overrides = {key: str(value) for key, (value, default) in said.items() if value != default}
        overrides.update(self._more_options())
        config = load_config(environment=os.environ, overrides=overrides, run_dir=self._run_dir).config
        listen = replace(
            config.listen,
            query_port=_free_port(config.listen.query_host, config.listen.query_port),
            management_port=_free_port(config.listen.management_host, config.listen.management_port),
        )
        management = replace(config.management, containers={**config.management.containers, **self._containers})
        return replace(config, remove_run_dir=not self._is_named_dir, listen=listen, management=management)

    def _connect_to(self, config: ClipperConfig) -> None:
        with told_as_original():
            self._clipper = Clipper(*own_clients(config))
            wait_for_snapshot(self._clipper.status, config.frontend.workers, _START_LIMIT_US)

    def _require_own(self, verb: str) -> None:
        if self._management_url is not None:
            raise ClipperException(
                f"The Clipper at {self._management_url} cannot be {verb} from here: it is not this manager's own. "
                f"It is {verb} on its machine, with the command clipper"
            )


def _free_port(host: str, port: int) -> int:
    """Return the port, or 0 (any free one) if somebody listens there."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return port
    except OSError:
        _logger.info("port %d is not free: another one is taken", port)
        return 0
