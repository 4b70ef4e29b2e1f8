"""RPC on one host: a Unix stream socket that the loop reads and writes itself, speaking ZMTP (ZeroMQ RFC 23)."""

import socket as sockets
from typing import final

from clipper._core.rpc_transport import RpcTransport

SCHEME: str
MAX_PEERS: int
ACCEPT_PAUSE_S: float
CLOSE_LINGER_US: int

@final
class UnixPeer:
    """One connection; made by `UnixTransport`."""

    def __init__(self, transport: UnixTransport, socket: sockets.socket, identity: bytes) -> None: ...
    def on_readable(self) -> None:
        """The loop's reader callback."""

    def on_writable(self) -> None:
        """The loop's writer callback: something is left over and the socket takes more."""

@final
class UnixTransport(RpcTransport):
    """The listening socket; containers connect with ZeroMQ, or as `model_containers` does.

    Parameters
    ----------
    address : str
        ``ipc://`` and an absolute path; a socket that lies there is replaced.

    Raises
    ------
    InvalidArgumentError
        It is no such address.
    OSError
        The path cannot be bound.
    """

    peers: dict[bytes, UnixPeer]

    def __init__(self, address: str) -> None: ...
    def listen(self) -> None:
        """Take connections, unless it has been closed meanwhile."""

    def on_connection(self) -> None:
        """The loop's reader callback of the listening socket."""
