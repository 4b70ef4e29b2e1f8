"""The supervisor's end of its socket pair with management: JSON objects, one a line, without blocking."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any, Final

# A start command carries an environment; 1 MiB is far above ARG_MAX's usual share for one.
MAX_LINE_BYTES: Final = 1024 * 1024
# Events that management has not read yet. It reads within milliseconds; this much unread means that it hangs.
MAX_UNSENT_BYTES: Final = 1024 * 1024


class LinkError(Exception):
    """The peer closed the link, does not read, or does not speak the protocol."""


class SupervisorLink:
    """Frames and queues; whoever owns it polls ``socket`` and calls `receive` and `flush`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self._received = bytearray()
        self._unsent = bytearray()

    @property
    def wants_write(self) -> bool:
        """Whether something waits for the socket to become writable."""
        return bool(self._unsent)

    def receive(self) -> list[dict[str, Any]]:
        """Return the commands that have arrived whole.

        Raises
        ------
        LinkError
            The peer closed its end, sent a line that is no JSON object, or one above `MAX_LINE_BYTES`.
        """
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return []
        except OSError as error:
            raise LinkError(str(error)) from error
        if not data:
            raise LinkError("the peer closed the link")
        self._received += data
        *lines, rest = self._received.split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise LinkError(f"a line exceeds {MAX_LINE_BYTES} bytes")
        self._received = bytearray(rest)
        return [_decode(line) for line in lines if line]

    def send(self, message: Mapping[str, Any]) -> None:
        """Queue ``message`` and write what the socket takes.

        Raises
        ------
        LinkError
            The peer is gone or has not read for `MAX_UNSENT_BYTES`.
        """
        self._unsent += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self.flush()
        if len(self._unsent) > MAX_UNSENT_BYTES:
            raise LinkError(f"the peer has left {len(self._unsent)} bytes unread")

    def flush(self) -> None:
        """Write what the socket takes.

        Raises
        ------
        LinkError
            The peer is gone.
        """
        while self._unsent:
            try:
                sent = self.socket.send(self._unsent)
            except BlockingIOError:
                return
            except OSError as error:
                raise LinkError(str(error)) from error
            del self._unsent[:sent]


def _decode(line: bytes | bytearray) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError as error:
        raise LinkError(f"a line is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise LinkError("a line is not a JSON object")
    return message
