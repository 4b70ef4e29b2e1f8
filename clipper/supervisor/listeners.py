"""The listening sockets: bound once by the supervisor, inherited by each incarnation of the servers.

They outlive a restart, so a connection that waits for `accept` is not lost with the process that would have taken it.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from clipper.config import ListenConfig
from clipper.errors import StartError


@dataclass(frozen=True, slots=True)
class Listeners:
    """The two bound sockets."""

    query: socket.socket
    management: socket.socket


def open_listeners(config: ListenConfig) -> Listeners:
    """Bind and listen on both ports.

    Raises
    ------
    StartError
        A port is taken or may not be bound.
    """
    query = _listen("query", config.query_host, config.query_port, config.backlog)
    try:
        management = _listen("management", config.management_host, config.management_port, config.backlog)
    except BaseException:
        query.close()
        raise
    return Listeners(query, management)


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Return the host and port that ``listener`` is bound to."""
    host, port = listener.getsockname()[:2]
    return str(host), int(port)


def _listen(role: str, host: str, port: int, backlog: int) -> socket.socket:
    option = f"{role}_port"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"cannot listen on {host}:{port} ({option}): {error}") from error
    try:
        # Without it a restart would wait for the old connections' TIME_WAIT; it does not let two servers listen.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} on {host} is taken by another process",
                hint=f"stop that process, or choose another {option} (0 = any free port)",
            ) from error
        if error.errno == errno.EACCES:
            raise StartError(
                f"port {port} on {host} may not be bound by this user",
                hint=f"choose a {option} above 1023 (0 = any free port)",
            ) from error
        raise StartError(f"cannot listen on {host}:{port} ({option}): {error}") from error
    return listener
