"""What the RPC server needs of a socket that containers connect to: whole messages in, whole messages out."""

import asyncio

from clipper._core.replica import Replica

MAX_MESSAGE_BYTES: int
MAX_FRAMES: int

class MessageHandler:
    """Who is given the messages; its methods exist in Cython alone."""

class RpcTransport:
    """A listening socket; `UnixTransport` and `ZmqTransport` are its kinds.

    Parameters
    ----------
    address : str
        Where containers connect.
    """

    address: str
    replicas: dict[bytes, Replica]
    messages_received: int
    messages_sent: int

    def __init__(self, address: str) -> None: ...
    def attach(self, handler: MessageHandler) -> None:
        """Name who is given the messages."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for messages on this loop."""

    def close(self) -> None:
        """Close the socket; what was sent is still delivered."""
