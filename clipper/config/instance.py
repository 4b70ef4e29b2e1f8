"""One instance of Clipper: all sections together, and the paths in its run directory."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from clipper.config.control_path import LogConfig, ManagementConfig, SupervisorConfig
from clipper.config.data_path import CoreConfig, FrontendConfig, RpcConfig
from clipper.config.docker import DockerConfig
from clipper.config.network import HttpConfig, ListenConfig, is_loopback
from clipper.config.option import check, describe
from clipper.config.security import SecurityConfig
from clipper.config.storage import StateConfig
from clipper.errors import InvalidArgumentError

CONFIG_FILE_NAME: Final = "config.json"
CONTROL_SOCKET_NAME: Final = "control.sock"
# sockaddr_un.sun_path holds 108 bytes with its final NUL (unix(7)).
MAX_SOCKET_PATH_BYTES: Final = 107


@dataclass(frozen=True, slots=True)
class ClipperConfig:
    """One instance of Clipper: a run directory and the parts of each process.

    Raises
    ------
    InvalidArgumentError
        The sockets in ``run_dir`` would have too long a path, or sections contradict each other: an address that
        other machines reach without a token or keys to guard it.
    """

    run_dir: Path = field(metadata=describe("where sockets, logs, models and state lie"))
    remove_run_dir: bool = False  # by the supervisor, at the end of an orderly stop
    listen: ListenConfig = ListenConfig()
    http: HttpConfig = HttpConfig()
    frontend: FrontendConfig = FrontendConfig()
    core: CoreConfig = CoreConfig()
    rpc: RpcConfig = RpcConfig()
    management: ManagementConfig = field(default_factory=ManagementConfig)
    docker: DockerConfig = DockerConfig()
    state: StateConfig = StateConfig()
    security: SecurityConfig = SecurityConfig()
    supervisor: SupervisorConfig = SupervisorConfig()
    logs: LogConfig = LogConfig()

    def __post_init__(self) -> None:
        check(self)
        self._require_short_socket_paths()
        self._require_guards()

    def _require_short_socket_paths(self) -> None:
        longest = max(
            [self.control_socket_path, *(self.rpc_socket_path(worker) for worker in range(self.frontend.workers))],
            key=lambda path: len(os.fsencode(path)),
        )
        path_bytes = len(os.fsencode(longest))
        if path_bytes > MAX_SOCKET_PATH_BYTES:
            raise InvalidArgumentError(
                f"run_dir={str(self.run_dir)!r} is too long: the socket {longest.name!r} in it would have a path of "
                f"{path_bytes} bytes, and Unix sockets allow {MAX_SOCKET_PATH_BYTES}",
                hint="choose a shorter run_dir, for example under /tmp",
            )

    def _require_guards(self) -> None:
        for name in ("query_host", "management_host"):
            host = getattr(self.listen, name)
            if not is_loopback(host) and self.security.management_token_file is None:
                raise InvalidArgumentError(
                    f"listen.{name}={host!r} is not a loopback address, and there is no management token",
                    hint="set security.management_token_file, or listen on 127.0.0.1 behind a proxy of your own",
                )
        if self.rpc.tcp_host and self.security.rpc_keys_dir is None:
            raise InvalidArgumentError(
                f"rpc.tcp_host={self.rpc.tcp_host!r} lets containers join over TCP, and there are no keys to know "
                "them by",
                hint="set security.rpc_keys_dir, or leave rpc.tcp_host empty: containers of this machine need none",
            )
        if self.uses_docker and self.docker.rpc == "tcp" and not (self.rpc.tcp_host and self.rpc.tcp_port):
            raise InvalidArgumentError(
                "docker.rpc='tcp' needs an address and a port that containers can reach: "
                f"rpc.tcp_host={self.rpc.tcp_host!r}, rpc.tcp_port={self.rpc.tcp_port}",
                hint="for example rpc.tcp_host=0.0.0.0 and rpc.tcp_port=7000, with security.rpc_keys_dir",
            )

    @property
    def query_url(self) -> str:
        """Base URL of the query API, once the supervisor has replaced a port 0 by the real one."""
        return self._with_scheme(self.listen.query_url)

    @property
    def management_url(self) -> str:
        """Base URL of the management API, likewise."""
        return self._with_scheme(self.listen.management_url)

    def _with_scheme(self, url: str) -> str:
        return url if self.security.tls_certificate_file is None else url.replace("http://", "https://", 1)

    @property
    def control_socket_path(self) -> Path:
        """Where management listens for the frontend workers."""
        return self.run_dir / CONTROL_SOCKET_NAME

    @property
    def log_dir(self) -> Path:
        """Where the log files of all processes lie."""
        return self.run_dir / "logs"

    @property
    def model_dir(self) -> Path:
        """Where the files of the models lie, as ``<name>/<version>``."""
        return self.run_dir / "models"

    @property
    def staging_dir(self) -> Path:
        """Where a client puts a model's files before it deploys them."""
        return self.model_dir / ".staging"

    @property
    def uses_docker(self) -> bool:
        """Whether replicas are Docker containers."""
        return self.management.container_manager == "docker"

    @property
    def rpc_socket_dir(self) -> Path:
        """Where the sockets for containers lie; Docker containers see this directory, and nothing beside it."""
        return self.run_dir / "rpc" if self.uses_docker else self.run_dir

    def rpc_socket_path(self, worker: int) -> Path:
        """The socket that worker ``worker`` binds for its containers."""
        return self.rpc_socket_dir / f"rpc-{worker}.sock"

    def to_json(self) -> str:
        """Return the text that `parse_config` reads."""
        return json.dumps(asdict(self), default=str, indent=2, sort_keys=True)

    def write(self) -> None:
        """Store the configuration in the run directory, readable by its owner alone."""
        path = self.run_dir / CONFIG_FILE_NAME
        new_path = path.with_suffix(".new")
        descriptor = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.to_json())
        new_path.replace(path)  # nobody reads half a file
