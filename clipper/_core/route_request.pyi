from typing import final

@final
class RouteRequest:
    """A request for a route that is answered in Python, at once or later; made by the HTTP protocol only.

    Attributes
    ----------
    body : bytes
        The whole body; empty for a request without one.
    now_us : int
        CLOCK_MONOTONIC at the start of the loop turn that read its last byte.
    """

    @property
    def body(self) -> bytes: ...
    @property
    def now_us(self) -> int: ...
    def respond(
        self, status: int, body: bytes, *, content_type: bytes = b"application/json", retry_after: bool = False
    ) -> None:
        """Answer, once; a second answer, or one to a client that is gone, does nothing.

        It leaves at the end of the loop turn that read something, or at the server's next flush. `retry_after` says
        that the same request may succeed a second later.
        """
