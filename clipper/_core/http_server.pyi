import asyncio
from collections.abc import Callable
from typing import final

from clipper._core.http_limits import HttpLimits
from clipper._core.http_request import PredictHandler
from clipper._core.route_table import RouteTable

@final
class HttpServer:
    """What all connections of one worker share; lives on the loop's thread.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    limits : HttpLimits
    handler : PredictHandler
        Answers the predict routes.
    routes : RouteTable
        May be replaced at any time by assigning `routes`; requests already read keep the route they found.
    clock_us : callable, optional
        Monotonic time in microseconds, for tests; by default CLOCK_MONOTONIC, read once per loop turn.
    """

    routes: RouteTable
    limits: HttpLimits
    draining: bool
    open_connections: int
    connections_total: int
    open_requests: int
    requests_total: int
    received_bytes_total: int
    sent_bytes_total: int
    buffered_body_bytes: int
    refusals: dict[str, int]
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: HttpLimits,
        handler: PredictHandler,
        routes: RouteTable,
        *,
        clock_us: Callable[[], int] | None = None,
    ) -> None: ...
    def protocol_factory(self) -> asyncio.Protocol:
        """Make the protocol of one connection; pass the bound method to ``loop.create_server``."""

    @property
    def idle(self) -> bool:
        """True when no request is being read or waits for its answer, and all answers went to their transports."""

    def begin_drain(self, on_idle: Callable[[], None] | None = None) -> None:
        """Close idle connections now, and each other one after the answer to what it has asked so far.

        The caller stops accepting (closes the asyncio server) first. ``on_idle`` is called once, when nothing is left
        to answer; of a client that vanished meanwhile, at the next `flush` or `sweep`.
        """

    def sweep(self, now_us: int) -> None:
        """Close what has passed one of its time limits; called about once a second.

        Parameters
        ----------
        now_us : int
            The present on the server's clock (CLOCK_MONOTONIC in microseconds).
        """

    def abort_all(self) -> None:
        """Drop every connection at once, whatever it waits for."""

    def flush(self) -> int:
        """Write what may leave, one write per connection. Called by the server at the end of every turn that read."""
