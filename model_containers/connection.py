"""What the loop of a container needs of its connection to a frontend, and which kind of connection an address gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from model_containers.codec import Frame
from model_containers.rpc_keys import ContainerKeys

RECONNECT_INTERVAL_MS: Final = 20  # a restarted frontend gets its containers back within tens of milliseconds
RECONNECT_INTERVAL_MAX_MS: Final = 500
SEND_WAIT_MS: Final = 1_000  # no byte more was taken for so long: nobody reads


class FrontendStuckError(Exception):
    """The frontend takes no messages: this connection is to be closed."""


class Connection(Protocol):
    """A connection to one address, which finds the frontend again by itself when that was gone.

    One thread at a time may use it; ``hurry`` alone is for a signal handler of the thread that is inside ``receive``.

    """

    @property
    def is_open(self) -> bool:
        """Does a message that is sent now go to a frontend? If not, ``receive`` looks for one; what is sent is dropped.

        Always True where the transport hides the difference.
        """

    @property
    def generation(self) -> int:
        """Count how often a frontend was found: nothing that was said before the last time counts any more.

        Constant where the transport hides it.
        """

    def receive(self, wait: bool) -> list[Frame] | None:
        """Return one whole message; None if there is none, or the generation has changed. It may wait once."""

    def send(self, frames: Sequence[Any]) -> None:
        """Send one message: anything with the buffer interface.

        Raises
        ------
        FrontendStuckError
            If the frontend read nothing for SEND_WAIT_MS.
        """

    def set_wait(self, wait_ms: int) -> None:
        """Set how long ``receive`` may wait."""

    def hurry(self) -> None:
        """Let a ``receive`` that waits, and those that follow, return what is there or give up at once."""

    def close(self, flush_us: int) -> None:
        """Close for good; what was sent may still take ``flush_us`` to leave."""


def connect(address: str, wait_ms: int, keys: ContainerKeys | None = None) -> Connection:
    """Return a connection to the address: our own over Unix sockets for ``ipc://``, ZeroMQ's for the others.

    The files' permissions guard ``ipc://``; ``tcp://`` needs keys.
    """
    if address.startswith("ipc://"):
        from model_containers.local_connection import LocalConnection

        return LocalConnection(address, wait_ms)
    from model_containers.zmq_connection import ZmqConnection  # only here: most containers never load pyzmq

    return ZmqConnection(address, wait_ms, keys)
