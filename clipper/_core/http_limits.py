"""The named limits of the HTTP server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from clipper.errors import InvalidArgumentError

_LARGEST = 2**62  # keeps sums of two limits inside 64 bits
_MIN_HEADER_BYTES = 64


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one worker accepts from its clients. All values are positive integers; there is no "unlimited".

    Raises
    ------
    InvalidArgumentError
        If a value is not a positive integer, or too small for any request to be served.
    """

    # Request line and header fields of one request. nginx takes 4 x 8 KiB, h11 16 KiB. Beyond: 431.
    max_header_bytes: int = 16 * 1024
    # One request body, after chunked decoding. Beyond: 413, before it is read where Content-Length tells.
    max_body_bytes: int = 16 * 1024 * 1024
    # Bodies of all connections together that have come in part and are not whole yet. Beyond: 503. Without it,
    # max_connections clients that stall one byte before the end would hold max_connections * max_body_bytes.
    max_buffered_body_bytes: int = 256 * 1024 * 1024
    # Requests of one connection that are read and not yet answered. At this many, reading pauses.
    max_pipelined_requests: int = 128
    # Answers of one connection that wait behind a slower earlier one, or for the turn's end. Beyond: reading pauses.
    max_pipelined_bytes: int = 1024 * 1024
    # Open connections. Beyond: 503 and the connection is closed.
    max_connections: int = 10_000
    # A connection without a request in progress is closed after this. nginx: 75 s.
    idle_timeout_us: int = 75_000_000
    # A request must have arrived whole this long after its first bytes (method and path). Beyond: 408.
    request_timeout_us: int = 10_000_000
    # A client that takes nothing of its waiting answers for this long is cut off.
    write_timeout_us: int = 30_000_000
    # After a refusal, what the client still sends is read and dropped for this long, so that it gets to see the answer.
    linger_timeout_us: int = 2_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST:
                raise InvalidArgumentError(
                    f"{field.name} must be a positive integer of at most {_LARGEST}, not {value!r}"
                )
        if self.max_header_bytes < _MIN_HEADER_BYTES:
            raise InvalidArgumentError(
                f"max_header_bytes must be at least {_MIN_HEADER_BYTES}, not {self.max_header_bytes}",
                hint="a request line alone needs about that much",
            )
