"""The gate of the RPC over TCP: answers ZeroMQ's question whether the key of a container that connects is authorized.

ZeroMQ asks over an inproc socket of its own protocol (ZAP, its RFC 27), from its I/O thread, once in the handshake of
each connection. pyzmq's authenticators would run a second event loop in a thread, and would not say whom they refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from clipper.errors import InvalidArgumentError
from clipper.security.rpc_keys import ZAP_DOMAIN

ENDPOINT: Final = "inproc://zeromq.zap.01"
REFUSAL_LOG_INTERVAL_US: Final = 10_000_000  # a refused container comes back again and again
# What ends before a key is shown: the peer encrypts nothing, or for another frontend, or speaks no ZeroMQ at all.
_EARLY_FAILURES: Final = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_logger = logging.getLogger("clipper.frontend.rpc")


class ContainerGate:
    """Lets containers in by their public key. Make it before a secured socket is bound; one for each context.

    Parameters
    ----------
    authorized : callable
        Gives the names of the authorized containers by public key (Z85); raises InvalidArgumentError if that cannot
        be told now, and then nobody is let in.
    """

    def __init__(self, context: zmq.Context[Any], authorized: Callable[[], Mapping[bytes, str]]) -> None:
        self.refused_total = 0
        self._authorized = authorized
        self._told: dict[str, tuple[int, int]] = {}  # by reason: when it was logged, and how often not since then
        self._loop: asyncio.AbstractEventLoop | None = None
        self._monitors: list[Any] = []  # zmq.Socket; its options are typed int | bytes
        self._socket = context.socket(zmq.REP)
        self._socket.set(zmq.LINGER, 0)
        try:
            self._socket.bind(ENDPOINT)
        except zmq.ZMQError:  # another gate is there
            self._socket.close(linger=0)
            raise

    def watch(self, router: zmq.Socket[Any]) -> None:
        """Log also whom ``router`` refuses without asking, since no key was shown. Before `start`."""
        self._monitors.append(router.get_monitor_socket(_EARLY_FAILURES))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer on this loop."""
        self._loop = loop
        for socket in (self._socket, *self._monitors):
            loop.add_reader(socket.get(zmq.FD), self._on_readable)
        loop.call_soon(self._on_readable)  # what came before has made its edge already

    def close(self) -> None:
        """Answer no more: nobody can join from now on."""
        for socket in (self._socket, *self._monitors):
            if self._loop is not None:
                self._loop.remove_reader(socket.get(zmq.FD))
            socket.close(linger=0)
        self._loop = None

    def _on_readable(self) -> None:
        # The descriptors are edge-triggered: read until nothing is there, or there will be no next edge.
        while self._loop is not None and self._socket.get(zmq.EVENTS) & zmq.POLLIN:
            self._socket.send_multipart(self.answer(self._socket.recv_multipart(), _now_us()))
        for monitor in self._monitors:
            while self._loop is not None and monitor.get(zmq.EVENTS) & zmq.POLLIN:
                event = recv_monitor_message(monitor)
                if zmq.Event(event["event"]) & _EARLY_FAILURES:
                    address = bytes(event["endpoint"]).decode("ascii", "replace")
                    self._note(f"a connection to {address}", "it has no keys, or keys for another frontend", _now_us())

    def answer(self, request: Sequence[bytes], now_us: int) -> list[bytes]:
        """Return the reply to one request.

        Parameters
        ----------
        request : sequence of bytes
            version, request id, domain, address, identity, mechanism, credentials (the client's public key).
        """
        request_id = request[1] if len(request) > 1 else b""
        refusal = self._refusal(request)
        if not refusal:
            return [b"1.0", request_id, b"200", b"OK", b"", b""]
        address = request[3].decode("ascii", "replace") if len(request) > 3 else "an unknown address"
        self._note(f"a container at {address}", refusal, now_us)
        return [b"1.0", request_id, b"400", b"this key is not authorized", b"", b""]

    def _refusal(self, request: Sequence[bytes]) -> str:
        """Return why the connection is refused; "" if it is not."""
        if len(request) != 7 or request[0] != b"1.0":
            return "ZeroMQ's question was not understood"
        _version, _request_id, domain, _address, _identity, mechanism, key = request
        if domain != ZAP_DOMAIN or mechanism != b"CURVE" or len(key) != 32:
            return f"it came by the mechanism {mechanism.decode('ascii', 'replace')!r}"
        try:
            authorized = self._authorized()
        except InvalidArgumentError as error:
            return f"who may join cannot be told: {error}"
        return "" if z85.encode(key) in authorized else "its key is not among the authorized containers"

    def _note(self, who: str, refusal: str, now_us: int) -> None:
        self.refused_total += 1
        told_us, untold = self._told.get(refusal, (now_us - REFUSAL_LOG_INTERVAL_US, 0))
        if now_us - told_us < REFUSAL_LOG_INTERVAL_US:
            self._told[refusal] = (told_us, untold + 1)
            return
        more = f" ({untold} more since the last such line)" if untold else ""
        _logger.warning("%s was refused: %s%s", who, refusal, more)
        self._told[refusal] = (now_us, 0)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
