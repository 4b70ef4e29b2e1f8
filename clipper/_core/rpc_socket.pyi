"""The ROUTER socket on the loop: whole messages in, messages out; what they mean is rpc_server's."""

import asyncio
from typing import Any

import zmq

MAX_MESSAGE_BYTES: int

class RpcSocket:
    """A ROUTER socket that a loop watches; `RpcServer` says what its messages mean.

    Parameters
    ----------
    address : str
        ZeroMQ address to bind.

    Raises
    ------
    ImportError
        If libzmq is not found in the process.
    """

    address: str
    file_descriptor: int
    messages_received: int
    messages_sent: int

    def __init__(self, context: zmq.Context[Any], address: str) -> None: ...
    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for messages on this loop."""

    def on_readable(self) -> None:
        """The loop's reader callback."""
