"""The load generator: requests leave at a constant rate whether or not they are answered, and each is accounted for.

A process of its own (``python -m bench.reliability.client``), so that what the harness does meanwhile delays nobody.
One request at a time on each keep-alive connection, so that an answer belongs to one request; connections are opened
as they are needed. Every input is a number that no other request has and that a right answer repeats: an answer of
another query, a stale or doubled one is seen. Latency counts from the scheduled time, not from the sending.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import select
import socket
import sys
import time
from array import array
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

DRAIN_S: Final = 3.0  # beyond the longest objective: what has not come then does not come
RECEIVE_BYTES: Final = 65536
MAX_CONNECTIONS: Final = 4096
FIELDS: Final = 4  # of a record: scheduled, sent and done in us, outcome


class Outcome(IntEnum):
    """What became of a request."""

    ANSWERED = 0  # by the model, and right
    DEFAULT = 1  # 200 with the default output
    REFUSED = 2  # another status
    WRONG = 3  # 200 with something else: another query's answer, half of one
    LOST = 4  # the connection ended without an answer
    UNANSWERED = 5  # nothing came
    EXTRA = 6  # no request: bytes that nobody had asked for


@dataclass(slots=True)
class Connection:
    """A keep-alive connection and the request under way on it."""

    socket: socket.socket
    received: bytearray
    number: int = 0
    scheduled_us: int = 0
    sent_us: int = 0
    is_waiting: bool = False
    unsent: bytes = b""
    is_blocked: bool = False


def response_end(received: bytearray) -> tuple[int, int]:
    """Return where head and body of the response at the front end; (0, 0) while it is not whole."""
    head_end = received.find(b"\r\n\r\n") + 4
    if head_end < 4:
        return 0, 0
    at = received.lower().find(b"content-length:", 0, head_end)
    if at < 0:
        raise ValueError("a response without Content-Length")
    end = head_end + int(received[at + 15 : received.index(b"\r\n", at)])
    return (head_end, end) if len(received) >= end else (0, 0)


class Client:
    """Sends until told to stop; ``records`` has what became of each request."""

    def __init__(self, port: int, app: str, rate_per_s: float, limit_s: float, extra: bytes = b"") -> None:
        self.records = array("q")
        self._address = ("127.0.0.1", port)
        self._head = f"POST /{app}/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
        self._extra = extra
        self._interval_us = 1e6 / rate_per_s
        self._limit_us = int(limit_s * 1e6)
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting: list[tuple[int, int]] = []  # (number, scheduled) that found no connection
        self._number = 0

    def run(self, stop_fd: int) -> None:
        """Send until ``stop_fd`` is readable, then wait for the last answers."""
        start_us = _now_us()
        is_stopped, give_up_us = False, 0
        while True:
            now_us = _now_us()
            if not is_stopped:
                due = int((now_us - start_us) / self._interval_us) + 1
                while self._number < due:
                    self._number += 1
                    self._waiting.append((self._number, start_us + int((self._number - 1) * self._interval_us)))
            self._send_waiting()
            if is_stopped and (now_us >= give_up_us or not (self._waiting or self._is_any_waiting())):
                break
            until_us = give_up_us if is_stopped else start_us + int(self._number * self._interval_us)
            watched = [self._epoll.fileno()] if is_stopped else [self._epoll.fileno(), stop_fd]
            # select() on the epoll's own descriptor: epoll_wait counts in milliseconds.
            readable, _, _ = select.select(watched, [], [], max(0.0, (until_us - _now_us()) / 1e6))
            if stop_fd in readable:
                is_stopped, give_up_us = True, _now_us() + self._limit_us + int(DRAIN_S * 1e6)
            for descriptor, events in self._epoll.poll(0):
                connection = self._connections[descriptor]
                if connection.is_blocked and events & select.EPOLLOUT:
                    self._write(connection)
                if events & ~select.EPOLLOUT and descriptor in self._connections:
                    self._read(connection)
        self._give_up()

    def _is_any_waiting(self) -> bool:
        return len(self._idle) < len(self._connections)

    # -- sending -------------------------------------------------------------------------------------------------

    def _send_waiting(self) -> None:
        for at, (number, scheduled_us) in enumerate(self._waiting):
            connection = self._idle.pop() if self._idle else self._open()
            if connection is None:
                del self._waiting[:at]
                return
            self._send(connection, number, scheduled_us)
        self._waiting.clear()

    def _open(self) -> Connection | None:
        if len(self._connections) >= MAX_CONNECTIONS:
            return None
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        if opened.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            opened.close()
            return None
        connection = Connection(opened, bytearray())
        self._connections[opened.fileno()] = connection
        self._epoll.register(opened.fileno(), select.EPOLLIN)
        return connection

    def _send(self, connection: Connection, number: int, scheduled_us: int) -> None:
        body = b'{"input":[%d.5]%s}' % (number, self._extra)
        connection.number, connection.scheduled_us, connection.sent_us = number, scheduled_us, _now_us()
        connection.is_waiting = True
        message = self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        connection.unsent = message
        self._write(connection)

    def _write(self, connection: Connection) -> None:
        """Send what the socket takes; wait for room, or for a connection that is being set up, without blocking."""
        was_waiting = connection.is_blocked
        try:
            connection.unsent = connection.unsent[connection.socket.send(connection.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._end(connection, Outcome.LOST)
            return
        connection.is_blocked = bool(connection.unsent)
        if connection.is_blocked != was_waiting:
            events = select.EPOLLIN | (select.EPOLLOUT if connection.is_blocked else 0)
            self._epoll.modify(connection.socket.fileno(), events)

    # -- receiving -----------------------------------------------------------------------------------------------

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end(connection, Outcome.LOST if connection.is_waiting else None)
            return
        if not connection.is_waiting:
            self._record(connection, Outcome.EXTRA)
            return
        connection.received += data
        head_end, end = response_end(connection.received)
        if end == 0:
            return
        outcome = self._judge(connection, head_end, end)
        rest, closes = len(connection.received) - end, b"connection: close" in connection.received[:head_end].lower()
        connection.received.clear()
        self._record(connection, outcome)
        connection.is_waiting = False
        if rest:
            self._record(connection, Outcome.EXTRA)
        if closes:
            self._end(connection, None)
        else:
            self._idle.append(connection)

    def _judge(self, connection: Connection, head_end: int, end: int) -> Outcome:
        if not connection.received.startswith(b"HTTP/1.1 200"):
            return Outcome.REFUSED
        try:
            answer = json.loads(connection.received[head_end:end])
        except ValueError:
            return Outcome.WRONG
        if answer.get("default") is True:
            return Outcome.DEFAULT
        return Outcome.ANSWERED if answer.get("output") == connection.number + 0.5 else Outcome.WRONG

    # -- the account ---------------------------------------------------------------------------------------------

    def _record(self, connection: Connection, outcome: Outcome) -> None:
        self.records.extend((connection.scheduled_us, connection.sent_us, _now_us(), outcome))

    def _end(self, connection: Connection, outcome: Outcome | None) -> None:
        if outcome is not None:
            self._record(connection, outcome)
        if not connection.is_waiting:
            self._idle = [one for one in self._idle if one is not connection]
        del self._connections[connection.socket.fileno()]
        self._epoll.unregister(connection.socket.fileno())
        connection.socket.close()

    def _give_up(self) -> None:
        for connection in list(self._connections.values()):
            self._end(connection, Outcome.UNANSWERED if connection.is_waiting else None)
        for _, scheduled_us in self._waiting:
            self.records.extend((scheduled_us, 0, _now_us(), Outcome.UNANSWERED))
        self._epoll.close()


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def main() -> None:
    """Run until standard input ends, then write the records to ``--records``."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability.client", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--app", required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--limit-s", type=float, default=1.0, help="longest objective of a request")
    parser.add_argument("--extra", default="", help="more of each body, such as ',\"slo_us\":1000'")
    parser.add_argument("--records", type=Path, required=True)
    options = parser.parse_args()
    if os.geteuid() == 0:  # before the server in line for a processor: waiting for it would count as the server's
        os.nice(-5)
    client = Client(options.port, options.app, options.rate, options.limit_s, options.extra.encode())
    sys.stdout.write("sending\n")
    sys.stdout.flush()
    client.run(sys.stdin.fileno())
    options.records.write_bytes(client.records.tobytes())


if __name__ == "__main__":
    main()
