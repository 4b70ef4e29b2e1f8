"""The other end of a container's local connection: a ROUTER of libzmq, or a Unix socket that sends any bytes at all."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import zmq

from model_containers import zmtp
from model_containers.codec import Frame
from model_containers.local_connection import LocalConnection

ROUTER_HELLO = zmtp.GREETING + zmtp.encode_ready(b"ROUTER")


def path_of(address: str) -> str:
    """Return the socket file of an ``ipc://`` address."""
    return address.removeprefix("ipc://")


@contextlib.contextmanager
def router(address: str, **options: int) -> Iterator[zmq.Socket[bytes]]:
    """Bind a ROUTER with these socket options; when it is closed its socket file vanishes as well."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    bound = context.socket(zmq.ROUTER)
    bound.set(zmq.LINGER, 0)
    bound.set(zmq.RCVTIMEO, 10_000)
    for name, value in options.items():
        bound.set(getattr(zmq, name), value)
    bound.bind(address)
    try:
        yield bound
    finally:
        bound.close(linger=0)
        context.term()
        Path(path_of(address)).unlink(missing_ok=True)


class RawFrontend:
    """A listening Unix socket; ``accept`` returns the next connection once the container has said HELLO.

    Parameters
    ----------
    address : str
        The ``ipc://`` address.
    """

    def __init__(self, address: str) -> None:
        self._path = path_of(address)
        self._peers: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.settimeout(10)
        self._listener.bind(self._path)
        self._listener.listen()

    def accept(self, answer: bytes = ROUTER_HELLO) -> socket.socket:
        """Take one connection and send it these bytes."""
        peer, _ = self._listener.accept()
        self._peers.append(peer)
        peer.settimeout(10)
        hello = b""
        while len(hello) < len(zmtp.HELLO):
            hello += peer.recv(len(zmtp.HELLO) - len(hello))
        assert hello == zmtp.HELLO
        peer.sendall(answer)
        return peer

    def close(self) -> None:
        """Stop listening and end all connections; the socket file vanishes."""
        for peer in self._peers:
            peer.close()
        self._listener.close()
        Path(self._path).unlink(missing_ok=True)


def receive_until(
    connection: LocalConnection, condition: Callable[[], Any], limit_s: float = 10.0
) -> list[list[Frame]]:
    """Receive until the condition holds; return the messages that came meanwhile."""
    end_s = time.monotonic() + limit_s
    messages = []
    while not condition():
        assert time.monotonic() < end_s, f"not within {limit_s} s"
        message = connection.receive(wait=True)
        if message is not None:
            messages.append(message)
    return messages


def receive_one(connection: LocalConnection, limit_s: float = 10.0) -> list[bytes]:
    """Return the next message."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        message = connection.receive(wait=True)
        if message is not None:
            return [bytes(frame) for frame in message]
    raise AssertionError(f"no message within {limit_s} s")
