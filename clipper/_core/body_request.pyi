from typing import final

@final
class BodyRequest:
    """A request with a body, for a route that is answered in Python; made by the HTTP protocol only.

    Attributes
    ----------
    body : bytes
        The whole body.
    now_us : int
        CLOCK_MONOTONIC at the start of the loop turn that read its last byte.
    """

    @property
    def body(self) -> bytes: ...
    @property
    def now_us(self) -> int: ...
    def respond(self, status: int, body: bytes, *, retry_after: bool = False) -> None:
        """Answer with a JSON body, once; a second answer, or one to a client that is gone, does nothing.

        It leaves at the end of the loop turn that read something, or at the server's next flush. `retry_after` says
        that the same request may succeed a second later.
        """
