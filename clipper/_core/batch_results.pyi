"""What becomes of a batch when its replica answers, fails, or is lost."""

from collections.abc import Callable
from typing import final

from clipper._core.model_runtime import ModelRuntime
from clipper._core.query_processor import QueryProcessor
from clipper._core.rpc_server import ReplicaEvents

@final
class BatchResults(ReplicaEvents):
    """Hands results to the query processor.

    Parameters
    ----------
    lookup : callable (name, version) -> ModelRuntime or None
        Asked when a container registers.
    """

    def __init__(self, processor: QueryProcessor, lookup: Callable[[str, str], ModelRuntime | None]) -> None: ...
