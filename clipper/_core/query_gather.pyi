"""Deadlines, gather and reply (hops 9 and 10): what a query is told, and when."""

from clipper._core.decision_log import DecisionLog
from clipper._core.http_request import PredictHandler
from clipper._core.query_log import QueryLog

class QueryGather(PredictHandler):
    """Answers queries when their members have, or when their deadline comes; `QueryProcessor` starts them."""

    log: QueryLog
    decisions: DecisionLog

    def on_timer(self) -> None:
        """The loop's callback when the deadline timer fires: answers every query that is due, from what is there."""

    @property
    def live_queries(self) -> int:
        """Queries that are not answered yet."""
