"""Ask a server of ours whether it is up, over one raw connection that a poll loop can watch."""

from __future__ import annotations

import socket


class HealthProbe:
    """One ``GET /healthz``. The supervisor listens already, so the request waits until the server accepts it."""

    def __init__(self, host: str, port: int) -> None:
        self.is_healthy = False
        self._address = (host, port)
        self._connection: socket.socket | None = None
        self._received = b""

    @property
    def descriptor(self) -> int:
        """What to poll for reading; -1 while there is no connection."""
        return -1 if self._connection is None else self._connection.fileno()

    def connect(self) -> None:
        """Send the request on a new connection; without success, `descriptor` stays -1."""
        self.close()
        self._received = b""
        try:
            connection = socket.create_connection(self._address, timeout=5)
        except OSError:
            return
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        except OSError:
            connection.close()
            return
        connection.setblocking(False)
        self._connection = connection

    def receive(self) -> None:
        """Read what has arrived; call it when `descriptor` is readable."""
        if self._connection is None:
            return
        try:
            data = self._connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._received += data
        if b"\r\n" in self._received:
            self.is_healthy = self._received.split(b"\r\n", 1)[0].split(b" ")[1:2] == [b"200"]
            self.close()
        elif not data:
            self.close()

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
