"""A real Redis server of one's own: on a free port of loopback, in its own directory, with a log for failures."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

INSTALL = "apt-get install -y --no-install-recommends redis-server"
_START_LIMIT_S = 20


class RedisServer:
    """Starts when it is made. Its data survive `kill` and `start`: every write is on the disk before its answer."""

    def __init__(self, directory: Path, *options: str, password: str = "") -> None:
        self._directory = directory
        self._options = (*options, *(("--requirepass", password) if password else ()))
        self._password = password
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, prefix: str = "clipper") -> str:
        """The URL of a state under this prefix."""
        password = f":{self._password}@" if self._password else ""
        return f"redis://{password}127.0.0.1:{self.port}/0?prefix={prefix}"

    def start(self) -> None:
        """Start the server, on the data it left, and return when it answers."""
        log = self._directory / "redis.log"
        arguments = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        arguments += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", str(log)]
        self._process = subprocess.Popen([*arguments, *self._options], stdout=subprocess.DEVNULL)
        deadline_s = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"redis-server did not start:\n{log.read_text() if log.exists() else '(no log)'}")
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        """Send a signal: SIGSTOP to have a server that takes connections and never answers, SIGCONT to wake it."""
        if self._process is None:
            raise RuntimeError("redis-server does not run")
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End the server as a loss of power would, and return when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.kill()
        self.start()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\n".encode() if self._password else b"")
                connection.sendall(b"PING\r\nQUIT\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return False
        return b"+PONG" in answer  # and not that it is still loading its data

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.signal(signal.SIGCONT)
        self.kill()
