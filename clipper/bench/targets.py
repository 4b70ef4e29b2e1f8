"""Where requests go, what they are, and which answers are right."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from clipper.errors import InvalidArgumentError

FIRST_COUNTER = 10_000_000  # eight digits, none of them a leading zero: JSON wants that, and echoes are digit for digit
COUNTER_COUNT = 90_000_000  # then they begin again
MAX_GROUPS = 64
MAX_REQUESTS = 1_000_000
DEFAULT_TEXT = b'"default":true'  # what an answer of Clipper holds that is its application's default output


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


@dataclass(frozen=True)
class AnswerCheck:
    """What an answer is taken for; every one is looked at.

    Parameters
    ----------
    statuses : tuple of int
        Those of an answer.
    rejected_statuses : tuple of int
        Those with which a server says that it has too much to do; any other is an error.
    default_text : bytes
        An answer that holds this is a default output, not the model's; empty: there is no such thing.
    accept : tuple of bytes
        A right answer holds one of these; none: anything goes.
    echoes_counter : bool
        A right answer holds the counter's eight digits.
    is_json : bool
        White space between the tokens of an answer does not count; the texts above are written without.
    """

    statuses: tuple[int, ...] = (200,)
    rejected_statuses: tuple[int, ...] = (429, 503)
    default_text: bytes = b""
    accept: tuple[bytes, ...] = ()
    echoes_counter: bool = False
    is_json: bool = False

    def __post_init__(self) -> None:
        if not self.statuses:
            raise InvalidArgumentError("there is no status of an answer, expected one or more, such as 200")
        for status in (*self.statuses, *self.rejected_statuses):
            if not 200 <= status <= 599:
                raise InvalidArgumentError(f"{status} is no status of an answer, expected 200 to 599")
        if both := set(self.statuses) & set(self.rejected_statuses):
            raise InvalidArgumentError(f"{sorted(both)} cannot be both an answer and a refusal")


@dataclass(frozen=True)
class Target:
    """A server under load.

    Parameters
    ----------
    url : str
        `http://HOST[:PORT][/...]`; only host and port are used.
    requests : tuple of RequestTemplate
        The counter chooses among them in turn.
    """

    url: str
    requests: tuple[RequestTemplate, ...]
    check: AnswerCheck = AnswerCheck()

    def __post_init__(self) -> None:
        split_url(self.url)
        if not 1 <= len(self.requests) <= MAX_REQUESTS:
            raise InvalidArgumentError(f"there are {len(self.requests)} requests, expected 1 to {MAX_REQUESTS}")
        if len(self.groups) > MAX_GROUPS:
            raise InvalidArgumentError(f"there are {len(self.groups)} groups, expected at most {MAX_GROUPS}")
        if self.check.echoes_counter and any(one.counter is not CounterForm.DIGITS for one in self.requests):
            raise InvalidArgumentError("an answer cannot echo the counter of a request that does not hold its digits")

    @property
    def host(self) -> str:
        """Name or address, without brackets."""
        return split_url(self.url)[0]

    @property
    def port(self) -> int:
        """80 unless the URL says otherwise."""
        return split_url(self.url)[1]

    @property
    def authority(self) -> str:
        """What goes into the header `Host`."""
        host, port, _ = split_url(self.url)
        name = f"[{host}]" if ":" in host else host
        return name if port == 80 else f"{name}:{port}"

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of requests, in the order in which they first occur."""
        return tuple(dict.fromkeys(request.group for request in self.requests))


def split_url(url: str) -> tuple[str, int, str]:
    """Return host, port and path (with its query) of a URL.

    Raises
    ------
    InvalidArgumentError
        If it is not a URL of plain HTTP.
    """
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidArgumentError(f"{url!r} is not a URL: {error}") from None
    if parts.scheme == "https":
        raise InvalidArgumentError(
            f"{url!r} is HTTPS, which the load client does not speak, expected http://",
            hint="measure in front of what ends the TLS, or on the server's plain port",
        )
    if parts.scheme != "http":
        raise InvalidArgumentError(f"{url!r} has the scheme {parts.scheme!r}, expected http://")
    if not host or port == 0 or not host.isascii():
        raise InvalidArgumentError(f"{url!r} names no host and port, expected http://HOST:PORT/PATH")
    if parts.username is not None:
        raise InvalidArgumentError(f"{url!r} holds a user, expected a header Authorization instead")
    return host, port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
