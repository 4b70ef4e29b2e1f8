"""The frontend workers: their memory, their timing and their sessions with containers."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from clipper.config.network import HOST_FORM, require_host
from clipper.config.option import OptionError, check, duration, option


@dataclass(frozen=True, slots=True)
class FrontendConfig:
    """The frontend workers."""

    command: tuple[str, ...] = option(
        (sys.executable, "-m", "clipper.frontend"),
        "the program of a worker; --worker, --run-dir and --query-fd are added",
        must_not_be_empty=True,
    )
    # Several workers on one port are not supported yet.
    workers: int = option(1, "processes that answer queries", minimum=1, maximum=1)
    warm_start_limit_us: int = duration(
        2_000_000,
        "how long a worker that starts waits for its snapshot and the replicas that run already, before it takes "
        "connections; these wait meanwhile",
    )
    drain_limit_us: int = duration(
        10_000_000, "how long a worker that was told to end waits for the queries in flight", minimum=0
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """Memory and time of one worker's data path."""

    slot_count: int = option(
        16_384,
        "predict tasks that may wait or be in flight at once; beyond: queries are refused",
        minimum=1,
        maximum=262_144,
    )
    arena_bytes: int = option(
        64 << 20,
        "memory for their inputs; beyond: queries are refused; what is never touched costs nothing",
        minimum=1,
        maximum=128 << 30,
    )
    cache_bytes: int = option(
        32 << 20, "budget of the prediction cache, keys and overheads included; 0 = no cache", maximum=1 << 40
    )
    decision_log_bytes: int = option(
        64 << 20,
        "budget of the decisions that wait for feedback, with their outputs; beyond: the oldest go; 0 = none is kept",
        maximum=1 << 40,
    )
    reply_margin_us: int = duration(500, "how long before its deadline a query is answered with what is there")
    batch_wait_us: int = duration(
        0, "the longest that a batch waits for more queries while its replica is free; 0 = it never waits"
    )
    hedge_ratio: float = option(
        0.03,
        "queries of stuck batches that are sent to a second replica, as a share of all; 0 = none",
        minimum=0,
        maximum=1,
    )
    ahead_ratio: float = option(
        0.1,
        "a second batch is sent ahead where the RPC takes more than this share of a batch's time; 1 = nowhere",
        minimum=0,
        maximum=1,
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """Sessions of a worker with its containers.

    The bounds come from the containers: they show a sign of life every 200 ms, and give a frontend up that shows none
    for 5 s (`model_containers.settings.ContainerLimits`).
    """

    tcp_host: str = option(
        "",
        "address for containers on other machines; empty = Unix sockets only; needs security.rpc_keys_dir",
        form=f"nothing, or {HOST_FORM}",
    )
    tcp_port: int = option(0, "port of the first worker, the next ones follow it; 0 = any free one", maximum=65_535)
    heartbeat_interval_us: int = option(
        500_000, "time between two signs of life to a container", minimum=10_000, maximum=2_500_000
    )
    look_interval_us: int = option(
        100_000,
        "time between two looks at which replicas are silent or overdue",
        minimum=10_000,
        maximum=1_000_000,
    )
    heartbeat_timeout_us: int = duration(
        700_000,
        "a replica that is silent for longer is suspected: it gets no more batches, and its batch goes to others; a "
        "busy one may be silent as long as its batch may take",
        minimum=400_000,
    )
    overdue_floor_us: int = duration(
        700_000, "so is a replica whose batch takes five times the predicted time, and at least this long", minimum=1
    )
    first_batch_limit_us: int = duration(
        10_000_000, "the least limit of a replica's first batch, which may compile its model", minimum=1
    )

    def __post_init__(self) -> None:
        check(self)
        if self.tcp_host:
            require_host("tcp_host", self.tcp_host, also="nothing, or ")
        if self.heartbeat_timeout_us < 2 * self.look_interval_us:
            raise OptionError(
                "heartbeat_timeout_us",
                str(self.heartbeat_timeout_us),
                f"at least twice look_interval_us={self.look_interval_us}",
                hint="silence is measured in looks",
            )
