from collections.abc import Iterable
from typing import final

@final
class Route:
    """Where one path leads.

    Parameters
    ----------
    name : str
        "predict", "metrics", ...: what logs and counters call it.
    target : object
        For a predict route the application's runtime object, handed to the PredictHandler unread. Otherwise a callable
        ``(method: bytes, query: bytes) -> (status: int, content_type: bytes, body: bytes)``, called on the loop's
        thread: it must not block. What it raises is logged and answered with 500. With `takes_body` or
        `answers_later` it is ``(request: RouteRequest) -> None`` and answers by ``request.respond``, at once or later,
        once.
    is_predict : bool
        The request's body goes to the PredictHandler.
    takes_body : bool
        The request's body goes to `target`.
    answers_later : bool
        `target` needs more time than a query should wait, and no body.
    methods : sequence of bytes, optional
        b"GET", b"POST" or both. By default POST for a route that reads a body, and there no other is possible; GET for
        any other. HEAD goes with GET; OPTIONS is always answered.
    """

    name: str
    methods: tuple[bytes, ...]
    target: object
    allow: bytes
    def __init__(
        self,
        name: str,
        target: object,
        *,
        is_predict: bool = False,
        takes_body: bool = False,
        answers_later: bool = False,
        methods: Iterable[bytes] | None = None,
    ) -> None: ...

@final
class RouteTable:
    """An immutable map of paths to routes; a change builds a new table and swaps it in whole.

    Parameters
    ----------
    routes : iterable of (bytes, Route)
        Decoded absolute paths; a trailing slash makes no difference.

    Raises
    ------
    ValueError
        If a path is routed twice or does not start with a slash.
    """

    def __init__(self, routes: Iterable[tuple[bytes, Route]] = ()) -> None: ...
    def __len__(self) -> int: ...
    def lookup(self, url: bytes) -> Route | None:
        """Find the route of a request target as it stands in the request line; None if there is none.

        The query and one trailing slash are left out and the path is percent-decoded. Never raises.
        """
