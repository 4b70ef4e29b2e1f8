"""Options: one small frozen object per component, the unit in each name, validated where it is created.

The process that starts Clipper writes the effective configuration to ``<run_dir>/config.json``; every other process
of that instance reads its own part from there, so all of them agree and none parses a long command line.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from clipper.errors import InvalidArgumentError

CONFIG_FILE_NAME: Final = "config.json"
CONTROL_SOCKET_NAME: Final = "control.sock"
# sockaddr_un.sun_path holds 108 bytes with its final NUL (unix(7)).
MAX_SOCKET_PATH_BYTES: Final = 107

_Component = TypeVar("_Component")


def _require(condition: bool, name: str, value: object, expected: str) -> None:
    if not condition:
        raise InvalidArgumentError(f"{name}={value!r} is not valid: expected {expected}")


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _require_loopback(name: str, host: str) -> None:
    """Refuse an address that other machines reach: nothing guards it until management tokens exist."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise InvalidArgumentError(
            f"{name}={host!r} is not a loopback address",
            hint="Clipper serves 127.0.0.1 only; put a proxy in front of it to serve other machines",
        )


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """Addresses of the two HTTP ports; the supervisor binds them."""

    query_host: str = "127.0.0.1"
    query_port: int = 1337  # 0 = any free port
    management_host: str = "127.0.0.1"
    management_port: int = 1338  # 0 = any free port
    backlog: int = 4096  # connections that wait for accept; the kernel cuts it to net.core.somaxconn

    def __post_init__(self) -> None:
        for name in ("query", "management"):
            port = getattr(self, f"{name}_port")
            _require(type(port) is int and 0 <= port <= 65535, f"{name}_port", port, "0 (any free port) to 65535")
            _require_loopback(f"{name}_host", getattr(self, f"{name}_host"))
        _require(self.backlog > 0, "backlog", self.backlog, "a positive number")

    @property
    def query_url(self) -> str:
        """Base URL of the query API, once the supervisor has replaced a port 0 by the real one."""
        return _url(self.query_host, self.query_port)

    @property
    def management_url(self) -> str:
        """Base URL of the management API, likewise."""
        return _url(self.management_host, self.management_port)


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Log files of the child processes."""

    max_bytes: int = 10 * 1024 * 1024  # size at which a file is rotated
    keep_count: int = 3  # rotated files kept beside the current one; 0 = none

    def __post_init__(self) -> None:
        _require(self.max_bytes >= 1024, "max_bytes", self.max_bytes, "at least 1024")
        _require(self.keep_count >= 0, "keep_count", self.keep_count, "0 or more")


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """When the supervisor restarts, and how long it waits for a process that was asked to end."""

    restart_backoff_min_us: int = 100_000  # before the first restart
    restart_backoff_max_us: int = 10_000_000  # the delay doubles up to this
    restart_stable_us: int = 10_000_000  # a process that lived this long starts again from the minimum
    frontend_drain_limit_us: int = 15_000_000  # SIGTERM to SIGKILL
    container_stop_limit_us: int = 10_000_000
    management_stop_limit_us: int = 5_000_000

    def __post_init__(self) -> None:
        for name in (
            "restart_stable_us",
            "frontend_drain_limit_us",
            "container_stop_limit_us",
            "management_stop_limit_us",
        ):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more microseconds")
        _require(
            0 < self.restart_backoff_min_us <= self.restart_backoff_max_us,
            "restart_backoff_min_us",
            self.restart_backoff_min_us,
            f"a positive number up to restart_backoff_max_us={self.restart_backoff_max_us}",
        )


@dataclass(frozen=True, slots=True)
class FrontendConfig:
    """The frontend workers."""

    command: tuple[str, ...] = (sys.executable, "-m", "clipper.frontend")  # --worker, --run-dir, --query-fd are added
    workers: int = 1

    def __post_init__(self) -> None:
        _require(len(self.command) > 0, "command", self.command, "a program and its arguments")
        _require(self.workers == 1, "workers", self.workers, "1 (several workers on one port are not supported yet)")


_HTTP_LIMITS: Final = (
    *("max_connections", "max_head_bytes", "max_request_bytes", "max_upload_bytes", "max_upload_files"),
    *("head_limit_us", "body_limit_us", "idle_limit_us", "write_limit_us", "staging_ttl_us"),
)


@dataclass(frozen=True, slots=True)
class ManagementConfig:
    """The management process: limits of its calls, and how replicas that die are replaced."""

    command: tuple[str, ...] = (sys.executable, "-m", "clipper.management")  # --run-dir and the two fds are added
    apply_limit_us: int = 5_000_000  # every worker must have applied a new snapshot within this
    ready_limit_us: int = 60_000_000  # a container must be ready within this of its start
    drain_limit_us: int = 5_000_000  # a replica's batches in flight, before its process is told to end
    stop_grace_us: int = 5_000_000  # SIGTERM to SIGKILL of a container
    replace_backoff_min_us: int = 100_000  # before a dead replica is replaced; doubles with each failure in a row
    replace_backoff_max_us: int = 10_000_000
    replace_stable_us: int = 10_000_000  # a replica that was ready this long ends a row of failures
    quarantine_failures: int = 5  # failures in a row after which a model version is no longer restarted
    # What callers of the management port may use up.
    max_connections: int = 512  # open at a time; one more is answered 503 and closed
    max_head_bytes: int = 32 * 1024  # of a request's line and headers
    max_request_bytes: int = 1024 * 1024  # of a request's body; only uploads are larger
    max_upload_bytes: int = 1024 * 1024 * 1024  # of one uploaded tar
    max_upload_files: int = 10_000  # files and directories in it
    head_limit_us: int = 10_000_000  # from a connection's begin, or a request's first byte, to the end of its headers
    body_limit_us: int = 30_000_000  # from there to the end of the body; of an upload: between two pieces of it
    idle_limit_us: int = 60_000_000  # between two requests of a connection
    write_limit_us: int = 30_000_000  # in which the client takes nothing of its answer
    staging_ttl_us: int = 3_600_000_000  # uploaded files that no deployment has taken are removed after this
    # Extra containers by name, beside the built-in modules of model_containers: a program and its arguments.
    containers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(len(self.command) > 0, "command", self.command, "a program and its arguments")
        positive = ("apply_limit_us", "ready_limit_us", "replace_backoff_min_us", "quarantine_failures", *_HTTP_LIMITS)
        for name in positive:
            _require(getattr(self, name) > 0, name, getattr(self, name), "a positive number")
        for name in ("drain_limit_us", "stop_grace_us", "replace_backoff_max_us", "replace_stable_us"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more microseconds")


@dataclass(frozen=True, slots=True)
class ClipperConfig:
    """One instance of Clipper: a run directory and the parts of each process."""

    run_dir: Path
    remove_run_dir: bool = False  # by the supervisor, at the end of an orderly stop
    listen: ListenConfig = ListenConfig()
    logs: LogConfig = LogConfig()
    supervisor: SupervisorConfig = SupervisorConfig()
    frontend: FrontendConfig = FrontendConfig()
    management: ManagementConfig = field(default_factory=ManagementConfig)

    def __post_init__(self) -> None:
        _require(self.run_dir.is_absolute(), "run_dir", str(self.run_dir), "an absolute path")
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

    def rpc_socket_path(self, worker: int) -> Path:
        """The socket that worker ``worker`` binds for its containers."""
        return self.run_dir / f"rpc-{worker}.sock"

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


def read_config(run_dir: Path) -> ClipperConfig:
    """Return the configuration that was written to ``run_dir``, or the defaults if there is none.

    Raises
    ------
    InvalidArgumentError
        The file is not the configuration of this version of Clipper.
    """
    path = run_dir / CONFIG_FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ClipperConfig(run_dir=run_dir)
    return parse_config(text, run_dir, str(path))


def parse_config(text: str, run_dir: Path, source: str) -> ClipperConfig:
    """Return the configuration that `ClipperConfig.to_json` wrote; ``source`` is for the error.

    Raises
    ------
    InvalidArgumentError
        The text is not the configuration of this version of Clipper.
    """
    try:
        document = json.loads(text)
        return ClipperConfig(
            run_dir=run_dir,
            remove_run_dir=bool(document["remove_run_dir"]),
            listen=_component(ListenConfig, document["listen"]),
            logs=_component(LogConfig, document["logs"]),
            supervisor=_component(SupervisorConfig, document["supervisor"]),
            frontend=_component(FrontendConfig, document["frontend"]),
            management=_component(ManagementConfig, document["management"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgumentError(f"{source} is not a configuration of this version of Clipper: {error!r}") from error


def _component(component: type[_Component], document: Mapping[str, Any]) -> _Component:
    values = dict(document)
    if "command" in values:
        values["command"] = tuple(values["command"])
    if "containers" in values:
        values["containers"] = {name: tuple(command) for name, command in values["containers"].items()}
    return component(**values)
