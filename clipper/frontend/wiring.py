"""Builds the objects of the data path in the order in which a query meets them, and joins them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from clipper._core.batch_results import BatchResults
from clipper._core.batch_sender import BatchSender
from clipper._core.deadline_timer import DeadlineTimer
from clipper._core.decision_log import DecisionLog
from clipper._core.dispatcher import Dispatcher
from clipper._core.http_limits import HttpLimits
from clipper._core.http_server import HttpServer
from clipper._core.model_runtime import ModelRuntime
from clipper._core.prediction_cache import PredictionCacheHandle
from clipper._core.query_processor import QueryProcessor
from clipper._core.route_table import RouteTable
from clipper._core.rpc_liveness import RpcLiveness
from clipper._core.rpc_server import RpcServer
from clipper._core.rpc_transport import RpcTransport
from clipper._core.slot_pool import SlotPoolHandle
from clipper.config import CoreConfig, HttpConfig, RpcConfig
from clipper.errors import StartError
from clipper.types import ReplicaListener

MAX_WORKERS = 16
_QUERY_ID_EPOCH_S = 1_767_225_600  # 2026-01-01T00:00:00Z


@dataclass(frozen=True, slots=True)
class Core:
    """One worker's data path, joined and ready for snapshots."""

    slots: SlotPoolHandle
    cache: PredictionCacheHandle
    processor: QueryProcessor
    server: HttpServer
    rpc: RpcServer
    timer: DeadlineTimer


def build_core(
    loop: asyncio.AbstractEventLoop,
    *,
    worker: int,
    transports: Sequence[RpcTransport],
    find_model: Callable[[str, str], ModelRuntime | None],
    on_replica: ReplicaListener,
    options: CoreConfig | None = None,
    limits: HttpLimits | None = None,
    sessions: RpcConfig | None = None,
) -> Core:
    """Build one worker's data path.

    Parameters
    ----------
    worker : int
        0 to 15; part of every query id.
    transports : sequence of RpcTransport
        Where containers connect.
    find_model : callable (name, version) -> ModelRuntime or None
        Asked when a container registers.
    on_replica : callable (replica_id, model, version, state, reason)
        Told of every change of a replica's state.
    options, limits, sessions
        As configured; default: the defaults of the configuration.

    Raises
    ------
    StartError
        The machine does not give the memory that is configured.
    """
    options = options or CoreConfig()
    sessions = sessions or RpcConfig()
    slots, cache, decisions = _reserve(options)
    timer = DeadlineTimer()
    processor = QueryProcessor(
        slots,
        cache,
        timer,
        first_query_id=first_query_id(worker),
        query_id_step=MAX_WORKERS,
        random_seed=int.from_bytes(os.urandom(8), "little"),
        reply_margin_us=options.reply_margin_us,
        decisions=decisions,
    )
    server = HttpServer(loop, limits or HttpLimits(), processor, RouteTable([]))
    rpc = RpcServer(
        transports,
        BatchResults(processor, find_model),
        on_replica,
        RpcLiveness(
            look_interval_us=sessions.look_interval_us,
            silence_limit_us=sessions.heartbeat_timeout_us,
            overdue_floor_us=sessions.overdue_floor_us,
            first_batch_limit_us=sessions.first_batch_limit_us,
        ),
        heartbeat_interval_us=sessions.heartbeat_interval_us,
    )
    sender = BatchSender(processor)
    sender.wire(rpc)
    dispatcher = Dispatcher(
        slots,
        sender,
        batch_wait_us=options.batch_wait_us,
        hedge_ratio=options.hedge_ratio,
        ahead_ratio=options.ahead_ratio,
    )
    processor.wire(server, rpc, dispatcher)
    loop.add_reader(timer.file_descriptor, processor.on_timer)
    rpc.start(loop)
    return Core(slots, cache, processor, server, rpc, timer)


def _reserve(options: CoreConfig) -> tuple[SlotPoolHandle, PredictionCacheHandle, DecisionLog]:
    try:
        slots, cache = (
            SlotPoolHandle(options.slot_count, options.arena_bytes),
            PredictionCacheHandle(options.cache_bytes),
        )
        seed = int.from_bytes(os.urandom(8), "little")
        return slots, cache, DecisionLog(options.decision_log_bytes, cache, random_seed=seed)
    except (MemoryError, OSError) as error:
        raise StartError(
            f"this machine does not give a worker core.arena_bytes={options.arena_bytes}, "
            f"core.cache_bytes={options.cache_bytes} and core.decision_log_bytes={options.decision_log_bytes}",
            hint="choose less of them",
        ) from error


def http_limits(config: HttpConfig) -> HttpLimits:
    """Return the configured limits in the form of the core, which knows of no configuration."""
    return HttpLimits(**asdict(config))


def first_query_id(worker: int, *, now_s: float | None = None) -> int:
    """The first id of a worker that starts now.

    The low four bits are the worker; above them stand microseconds since 2026 at start, counted up by one a query. A
    worker serves well under a million queries a second, so a restarted one begins above all that it ever gave out; ids
    stay below 2**53, which JSON readers hold exactly, until 2043.
    """
    elapsed_s = (time.time() if now_s is None else now_s) - _QUERY_ID_EPOCH_S
    return int(max(elapsed_s, 0) * 1_000_000) * MAX_WORKERS + worker
