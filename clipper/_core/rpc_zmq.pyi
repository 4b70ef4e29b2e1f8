"""RPC over ZeroMQ: a ROUTER socket on the loop, for containers on other hosts."""

from collections.abc import Callable
from typing import Any, final

import zmq

from clipper._core.rpc_transport import RpcTransport

CLOSE_LINGER_MS: int
DEAD_PEER_MS: int
MAX_BANNED: int

@final
class ZmqTransport(RpcTransport):
    """A ROUTER socket that a loop watches.

    Parameters
    ----------
    address : str
        ZeroMQ address to bind; the attribute says the port that ``*`` or 0 became.
    configure : callable, optional
        Given the socket before it is bound: for keys and other options.

    Raises
    ------
    ImportError
        If libzmq is not found in the process.
    """

    file_descriptor: int
    banned: dict[bytes, None]

    def __init__(
        self,
        context: zmq.Context[Any],
        address: str,
        configure: Callable[[zmq.Socket[bytes]], object] | None = None,
    ) -> None: ...
    def on_readable(self) -> None:
        """The loop's reader callback."""
