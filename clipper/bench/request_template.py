"""HTTP requests with a hole for a counter, so that unique inputs cost nothing to make."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import StrEnum

from clipper.errors import InvalidArgumentError

FIRST_COUNTER = 10_000_000  # eight digits, none of them a leading zero: JSON wants that, and echoes are digit for digit
COUNTER_COUNT = 90_000_000  # then they begin again


class CounterForm(StrEnum):
    """What stands in a request's hole."""

    NONE = "none"  # there is no hole: the same request each time
    DIGITS = "digits"  # the counter as eight decimal digits
    DOUBLE = "double"  # counter * 1e-8 as a little-endian double
    FLOAT = "float"  # a little-endian float32 from 0.5 up to 1, another one for each of 2^23 counters in a row


HOLE_BYTES = {CounterForm.NONE: 0, CounterForm.DIGITS: 8, CounterForm.DOUBLE: 8, CounterForm.FLOAT: 4}


@dataclass(frozen=True)
class RequestTemplate:
    """One HTTP request with a hole for a counter in its body.

    Parameters
    ----------
    path : str
        With its query, as it goes into the request line.
    before, after : bytes
        The body around the hole; with the form `NONE` all of it may stand in either.
    headers : tuple of (str, str)
        Besides `Host` and `Content-Length`, which are added.
    accept : tuple of bytes
        The body of a right answer to this request holds one of these; none: see `AnswerCheck.accept`.
    group : str
        Requests of one group are counted together; several groups, such as applications with different SLOs, apart.
    """

    path: str
    before: bytes = b""
    after: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    counter: CounterForm = CounterForm.NONE
    method: str = "POST"
    accept: tuple[bytes, ...] = ()
    group: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", self.method) or self.method in ("CONNECT", "HEAD"):
            raise InvalidArgumentError(f"the method {self.method!r} cannot be sent, expected one such as POST or GET")
        if not re.fullmatch(r"/[!-~]*", self.path):
            raise InvalidArgumentError(f"the path {self.path!r} is no HTTP path, expected / and printable ASCII")
        for name, value in self.headers:
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not re.fullmatch(r"[\t -~]*", value):
                raise InvalidArgumentError(f"the header {name!r}: {value!r} cannot be sent")
            if name.lower() in ("content-length", "transfer-encoding", "host", "expect"):
                raise InvalidArgumentError(f"the header {name!r} is set by the load client, expected others")

    def hole(self, counter: int) -> bytes:
        """Return what stands in the hole for this counter."""
        match self.counter:
            case CounterForm.DIGITS:
                return b"%08d" % counter
            case CounterForm.DOUBLE:
                return struct.pack("<d", counter * 1e-8)
            case CounterForm.FLOAT:
                return struct.pack("<I", 0x3F00_0000 | (counter & 0x7F_FFFF))
            case CounterForm.NONE:
                return b""

    def body(self, counter: int) -> bytes:
        """Return the whole body with this counter."""
        return self.before + self.hole(counter) + self.after

    def head(self, authority: str) -> bytes:
        """Return request line and headers, with the blank line that ends them."""
        length = len(self.before) + HOLE_BYTES[self.counter] + len(self.after)
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {authority}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if length or self.method != "GET":
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")
