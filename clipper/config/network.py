"""The HTTP ports: where they listen, and what the query port accepts."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from clipper.config.option import OptionError, check, duration, option

HOST_FORM: Final = "an IP address or a host name"
_LARGEST_PORT: Final = 65_535
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``. A name is asked of no resolver: only ``localhost`` counts."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_host(name: str, host: str, *, also: str = "") -> None:
    """Refuse what is neither an IP address nor a host name.

    Raises
    ------
    OptionError
        It has a scheme, a port, brackets or blanks.
    """
    if _HOST_NAME.fullmatch(host):
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        hint = "without a scheme, a port and brackets"
        raise OptionError(name, repr(host), f"{also}{HOST_FORM}", hint=hint) from None


# What is bound to all addresses is reached through loopback.
_REACHED_BY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def _url(host: str, port: int) -> str:
    host = _REACHED_BY.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """Addresses of the two HTTP ports; the supervisor binds them."""

    query_host: str = option(
        "127.0.0.1", "address of the query port; off loopback needs a management token", form=HOST_FORM
    )
    query_port: int = option(1337, "port of the queries; 0 = any free one", maximum=_LARGEST_PORT)
    management_host: str = option(
        "127.0.0.1", "address of the management port; off loopback needs a management token", form=HOST_FORM
    )
    management_port: int = option(1338, "port of management; 0 = any free one", maximum=_LARGEST_PORT)
    backlog: int = option(
        4096,
        "connections that wait to be accepted; the kernel cuts it to net.core.somaxconn",
        minimum=1,
        maximum=2**31 - 1,
    )
    allowed_hosts: tuple[str, ...] = option(
        (),
        "names by which management may be asked for, beside localhost and management_host (the Host field)",
        form=f"a list, each of it {HOST_FORM}",
    )

    def __post_init__(self) -> None:
        check(self)
        for name in ("query_host", "management_host"):
            require_host(name, getattr(self, name))
        for host in self.allowed_hosts:
            require_host("allowed_hosts", host, also="a list, each of it ")

    @property
    def query_url(self) -> str:
        """Base URL of the query API, once the supervisor has replaced a port 0 by the real one."""
        return _url(self.query_host, self.query_port)

    @property
    def management_url(self) -> str:
        """Base URL of the management API, likewise."""
        return _url(self.management_host, self.management_port)

    @property
    def accepted_hosts(self) -> tuple[str, ...]:
        """Names in the Host field (without port and brackets) under which management answers.

        A web page that rebinds its own name to this address would send that name.
        """
        own = () if self.management_host in _REACHED_BY else (self.management_host,)
        return tuple(dict.fromkeys((*_LOCAL_NAMES, *own, *self.allowed_hosts)))


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """What one worker accepts from its clients: `clipper._core.http_limits.HttpLimits`, as a user sets it."""

    # nginx takes 4 x 8 KiB, h11 16 KiB.
    max_header_bytes: int = option(16 << 10, "request line and header fields of a request; beyond: 431", minimum=64)
    max_body_bytes: int = option(16 << 20, "one request body, after chunked decoding; beyond: 413", minimum=1)
    # Without it, max_connections clients that stall one byte before the end would hold as many whole bodies.
    max_buffered_body_bytes: int = option(
        256 << 20, "bodies of all connections together that are not whole yet; beyond: 503", minimum=1
    )
    max_pipelined_requests: int = option(
        128, "requests of one connection that wait for their answers; at this many, reading pauses", minimum=1
    )
    max_pipelined_bytes: int = option(
        1 << 20, "answers of one connection that wait behind an earlier one; beyond: reading pauses", minimum=1
    )
    max_connections: int = option(10_000, "open connections; beyond: 503, and the connection is closed", minimum=1)
    # nginx: 75 s.
    idle_timeout_us: int = duration(75_000_000, "a connection without a request is closed after this", minimum=1)
    request_timeout_us: int = duration(
        10_000_000, "from a request's first bytes until it has arrived whole; beyond: 408", minimum=1
    )
    write_timeout_us: int = duration(
        30_000_000, "a client that takes nothing of its waiting answers for this long is cut off", minimum=1
    )
    linger_timeout_us: int = duration(
        2_000_000, "how long input is read and dropped after a refusal, so that the client sees the answer", minimum=1
    )

    def __post_init__(self) -> None:
        check(self)
        if self.max_body_bytes > self.max_buffered_body_bytes:
            raise OptionError(
                "max_body_bytes",
                str(self.max_body_bytes),
                f"at most max_buffered_body_bytes={self.max_buffered_body_bytes}",
                hint="a body that is larger than what may wait to be whole could never arrive",
            )
