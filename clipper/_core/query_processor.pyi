"""Requests become queries: the parsed body, the plan that holds for it, and the objects that travel."""

from typing import final

from clipper._core.deadline_timer import DeadlineTimer
from clipper._core.decision_log import DecisionLog
from clipper._core.dispatcher import Dispatcher
from clipper._core.http_server import HttpServer
from clipper._core.prediction_cache import PredictionCacheHandle
from clipper._core.rpc_server import RpcServer
from clipper._core.selection import Selection
from clipper._core.slot_pool import SlotPoolHandle

DEFAULT_REPLY_MARGIN_US: int

@final
class QueryProcessor(Selection):
    """Hops 2 to 5, 9 and 10 of one worker; runs on its loop thread.

    Parameters
    ----------
    first_query_id, query_id_step : int
        Ids are first, first + step, ...: workers interleave.
    random_seed : int
        Of the arm draws.
    reply_margin_us : int
        How long before its deadline a query is answered with what is there.
    decisions : DecisionLog, optional
        Remembers what applications that learn have decided; None: nobody does.
    """

    def __init__(
        self,
        slots: SlotPoolHandle,
        cache: PredictionCacheHandle,
        timer: DeadlineTimer,
        *,
        first_query_id: int,
        query_id_step: int = 16,
        random_seed: int = 1,
        reply_margin_us: int = ...,
        decisions: DecisionLog | None = None,
    ) -> None: ...
    def wire(self, server: HttpServer, rpc: RpcServer, dispatcher: Dispatcher) -> None:
        """Join the processor with the two I/O objects and the dispatcher. Called once, before traffic."""
