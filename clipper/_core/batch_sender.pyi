"""What the dispatcher decides becomes messages, answers and timers."""

from typing import final

from clipper._core.dispatcher import BatchSink
from clipper._core.query_processor import QueryProcessor
from clipper._core.rpc_server import RpcServer

@final
class BatchSender(BatchSink):
    """The product's sink: batches go to the RPC, dropped tasks to the query processor."""

    def __init__(self, processor: QueryProcessor) -> None: ...
    def wire(self, rpc: RpcServer) -> None:
        """Join it with the RPC. Called once, before traffic."""
