from collections.abc import Callable
from typing import final

from typing_extensions import disjoint_base

@disjoint_base
class HttpConnection:
    """One client connection as the responder sees it; answered from compiled code (http_request.pxd)."""

@disjoint_base
class PredictHandler:
    """Whoever answers the predict routes; implemented in compiled code (http_request.pxd)."""

@final
class PyPredictHandler(PredictHandler):
    """A predict handler written in Python, for tests and experiments: it costs Python work per query.

    Parameters
    ----------
    call : callable
        ``(route_name: str, body: bytes, is_binary: bool, clipper_batch: int) -> (status, json_body) | None``.
        None defers the answer: the query waits under a ticket, counted from 0 in order of arrival, until `respond`.
        What it raises is logged and answered with 500.
    """

    turns: int
    def __init__(self, call: Callable[[str, bytes, bool, int], tuple[int, bytes] | None]) -> None: ...
    @property
    def waiting(self) -> list[int]:
        """The tickets not yet answered, oldest first."""

    def respond(self, ticket: int, status: int, body: bytes) -> None:
        """Answer a deferred query with a JSON body; it leaves at the server's next flush.

        Raises
        ------
        KeyError
            If no query waits under this ticket.
        """

    def respond_raw(self, ticket: int, response: bytes) -> None:
        """Answer a deferred query with whole HTTP bytes."""

    def is_client_there(self, ticket: int) -> bool:
        """Whether the client of a deferred query is still connected."""

    def keeps_alive(self, ticket: int) -> bool:
        """Whether the connection will stay open after this answer."""
