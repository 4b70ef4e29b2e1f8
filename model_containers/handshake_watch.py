"""Says why a secured connection does not come about: ZeroMQ itself only tries again, in silence."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

import zmq
from zmq.utils.monitor import recv_monitor_message

REFUSAL_LOG_INTERVAL_US: Final = 10_000_000  # it goes on trying several times a second
_FAILURES: Final = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "the frontend does not know this container's key: it is not authorized there",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "it is secured otherwise than this container expects",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "it broke off: the keys of this container may be for another frontend",
}
logger = logging.getLogger("model_containers")


class HandshakeWatch:
    """Logs failed handshakes of one socket, at most one line in ``REFUSAL_LOG_INTERVAL_US``."""

    def __init__(self, socket: zmq.Socket[Any], address: str) -> None:
        self._socket = socket
        self._address = address
        self._events = socket.get_monitor_socket(sum(_FAILURES))
        self._told_us: int | None = None

    def look(self) -> None:
        """Log what has happened since the last look. It never waits."""
        while self._events.poll(0):
            event = recv_monitor_message(self._events)
            failure = _FAILURES.get(zmq.Event(event["event"]))
            now_us = time.monotonic_ns() // 1000
            if failure is None or (self._told_us is not None and now_us - self._told_us < REFUSAL_LOG_INTERVAL_US):
                continue
            logger.error("no connection to %s: %s", self._address, failure)
            self._told_us = now_us

    def close(self) -> None:
        """Stop watching, before the socket is closed."""
        self._socket.disable_monitor()
        self._events.close(linger=0)
