"""Ask a server of ours whether it is up, over one raw connection that a poll loop can watch."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final

_REQUEST: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class HealthProbe:
    """One ``GET /healthz``. The supervisor listens already, so the request waits until the server accepts it.

    Parameters
    ----------
    tls : ssl.SSLContext, optional
        How the server is trusted, if it speaks TLS.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.is_healthy = False
        self._address = (host, port)
        self._tls = tls
        self._is_asked = False
        self._connection: socket.socket | None = None
        self._received = b""

    @property
    def descriptor(self) -> int:
        """What to poll for reading; -1 while there is no connection."""
        return -1 if self._connection is None else self._connection.fileno()

    def connect(self) -> None:
        """Send the request on a new connection; without success, `descriptor` stays -1."""
        self.close()
        self._received, self._is_asked = b"", False
        try:
            connection = socket.create_connection(self._address, timeout=5)
        except OSError:
            return
        connection.setblocking(False)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, do_handshake_on_connect=False)
        self._connection = connection
        self._ask()

    def receive(self) -> None:
        """Read what has arrived; call it when `descriptor` is readable."""
        if not self._is_asked:
            self._ask()
        if self._connection is None or not self._is_asked:
            return
        try:
            data = self._connection.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        self._received += data
        if b"\r\n" in self._received:
            self.is_healthy = self._received.split(b"\r\n", 1)[0].split(b" ")[1:2] == [b"200"]
            self.close()
        elif not data:
            self.close()

    def _ask(self) -> None:
        """Send the request, once the TLS handshake is done; the little there is to send fits any socket's buffer."""
        if self._connection is None:
            return
        try:
            with contextlib.suppress(ssl.SSLWantReadError):
                if isinstance(self._connection, ssl.SSLSocket):
                    self._connection.do_handshake()
                self._connection.sendall(_REQUEST)
                self._is_asked = True
        except OSError:
            self.close()

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
