"""The processes that start, watch and manage: the supervisor, management, and the logs of all."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clipper.config.option import OptionError, check, duration, option, option_made_by

# UUIDs of devices and of their parts ("MIG-GPU-1f/1/0" with older drivers), and numbers.
_DEVICES_FORM: Final = 'a list of UUIDs and numbers, each once, or of "none" alone'
_DEVICE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,79}")


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Log files of the processes."""

    format: str = option("text", "form of a line: for people, or one JSON object", choices=("text", "json"))
    level: str = option(
        "info", "the least severe line that is written", choices=("debug", "info", "warning", "error", "critical")
    )
    misses_per_second: int = option(
        5,
        "queries without a prediction that are logged, for each application and reason; the others are counted",
        maximum=1_000,
    )
    traces_per_second: int = option(
        10, "queries with the header Clipper-Trace that are followed, in each worker; the others are not", maximum=1_000
    )
    max_bytes: int = option(10 << 20, "size at which a file is rotated", minimum=1024)
    keep_count: int = option(3, "rotated files that are kept beside the current one; 0 = none", maximum=10_000)
    decisions_max_bytes: int = option(
        100 << 20, "the same of a decision file, of applications with learning.log_decisions", minimum=1024
    )
    decisions_keep_count: int = option(
        10, "rotated decision files of an application that are kept beside the current one; 0 = none", maximum=10_000
    )

    def __post_init__(self) -> None:
        check(self)


def _require_order(config: object, smaller: str, larger: str) -> None:
    low, high = getattr(config, smaller), getattr(config, larger)
    if low > high:
        raise OptionError(smaller, str(low), f"at most {larger}={high}")


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    """When the supervisor restarts, and how long it waits for a process that was asked to end."""

    restart_backoff_min_us: int = duration(
        20_000, "before the first restart of a worker or of management; then it doubles", minimum=1
    )
    restart_backoff_max_us: int = duration(10_000_000, "the longest delay of a restart", minimum=1)
    restart_stable_us: int = duration(10_000_000, "a process that lived this long starts again from the shortest delay")
    frontend_drain_limit_us: int = duration(
        15_000_000, "from SIGTERM to SIGKILL of a worker; more than frontend.drain_limit_us lets it end in order"
    )
    container_stop_limit_us: int = duration(10_000_000, "from SIGTERM to SIGKILL of a container, when Clipper ends")
    management_stop_limit_us: int = duration(5_000_000, "from SIGTERM to SIGKILL of management")

    def __post_init__(self) -> None:
        check(self)
        _require_order(self, "restart_backoff_min_us", "restart_backoff_max_us")


@dataclass(frozen=True, slots=True)
class ManagementConfig:
    """The management process: limits of its calls, and how replicas that die are replaced."""

    command: tuple[str, ...] = option(
        (sys.executable, "-m", "clipper.management"),
        "the program of management; --run-dir, --management-fd and --supervisor-fd are added",
        must_not_be_empty=True,
    )
    apply_limit_us: int = duration(
        5_000_000, "within this every worker must have applied a change, or the call fails", minimum=1
    )
    ready_limit_us: int = duration(
        60_000_000, "within this of its start a replica must be ready, or its deployment fails", minimum=1
    )
    drain_limit_us: int = duration(5_000_000, "a replica's batch in flight, before its process is told to end")
    stop_grace_us: int = duration(5_000_000, "from SIGTERM to SIGKILL of a container")
    suspect_grace_us: int = duration(1_000_000, "a suspected replica that has not recovered in this time is replaced")
    suspect_keep_us: int = duration(
        5_000_000,
        "so long, or the longest objective of its queries, a suspect is kept beside its replacement: it may recover",
    )
    replace_backoff_min_us: int = duration(
        100_000, "before a dead replica is replaced; doubles with each failure in a row", minimum=1
    )
    replace_backoff_max_us: int = duration(10_000_000, "the longest delay of a replacement", minimum=1)
    # systemd gives a unit up that is started five times within ten seconds: 2 s a start.
    replace_stable_us: int = duration(2_000_000, "a replica that was ready this long ends a row of failures")
    quarantine_failures: int = option(
        5, "starts that failed in a row, after which a model version is no longer restarted", minimum=1
    )
    learner_flush_interval_us: int = duration(
        1_000_000,
        "what was learned is written to the store this often; feedback that came since is sent again by the workers "
        "when management dies, and lost only if they die, too",
        minimum=10_000,
    )
    evaluation_limit_us: int = duration(
        600_000_000, "within this a policy must have been evaluated on a log, or the call fails", minimum=1
    )
    # What callers of the management port may use up.
    max_connections: int = option(512, "open connections to management; beyond: 503, closed", minimum=1)
    max_head_bytes: int = option(32 << 10, "line and header fields of a management request; beyond: 431", minimum=1024)
    max_request_bytes: int = option(1 << 20, "body of a management request, uploads apart; beyond: 413", minimum=1)
    max_upload_bytes: int = option(1 << 30, "one upload of a model version's files; beyond: 413", minimum=1)
    max_upload_files: int = option(10_000, "files and directories in one upload; beyond: 413", minimum=1)
    head_limit_us: int = duration(
        10_000_000, "from a connection's begin, or a request's first byte, to the end of its header fields", minimum=1
    )
    body_limit_us: int = duration(
        30_000_000, "from there to the end of the body; of an upload: between two pieces of it", minimum=1
    )
    idle_limit_us: int = duration(60_000_000, "between two requests of a connection; beyond: closed", minimum=1)
    write_limit_us: int = duration(
        30_000_000, "a client that takes nothing of its answer for this long is cut off", minimum=1
    )
    staging_ttl_us: int = duration(
        3_600_000_000, "uploaded files that no deployment has taken are removed after this", minimum=1
    )
    container_manager: str = option(
        "process",
        "what replicas run as: processes of this user, or Docker containers (section docker)",
        choices=("process", "docker"),
    )
    gpu_devices: tuple[str, ...] = option(
        (),
        "devices that versions with gpus= are given: UUIDs, or numbers as nvidia-smi shows them; empty = all that it "
        'lists, "none" = no device',
        form=_DEVICES_FORM,
    )
    containers: Mapping[str, tuple[str, ...]] = option_made_by(
        dict, "containers of your own by name, beside the built-in ones: a program and its arguments"
    )

    def __post_init__(self) -> None:
        check(self)
        _require_order(self, "replace_backoff_min_us", "replace_backoff_max_us")
        devices = self.gpu_devices
        is_sound = all(_DEVICE_NAME.fullmatch(name) for name in devices) and len(set(devices)) == len(devices)
        if not is_sound or ("none" in devices and len(devices) > 1):
            raise OptionError("gpu_devices", repr(devices), _DEVICES_FORM)
        for name, command in self.containers.items():
            if not name or not command:
                raise OptionError("containers", repr(dict(self.containers)), "a program and its arguments by each name")
