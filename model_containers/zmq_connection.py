"""A DEALER socket of ZeroMQ, for addresses that are not on this machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import zmq

from model_containers.codec import Frame
from model_containers.connection import (
    RECONNECT_INTERVAL_MAX_MS,
    RECONNECT_INTERVAL_MS,
    SEND_WAIT_MS,
    FrontendStuckError,
)
from model_containers.handshake_watch import HandshakeWatch
from model_containers.rpc_keys import ContainerKeys, secure_dealer

logger = logging.getLogger("model_containers")


class ZmqConnection:
    """A ``Connection`` by ZeroMQ, which reconnects unseen: a frontend that was restarted says that it knows no session.

    Parameters
    ----------
    address : str
        Where the frontend's ROUTER is bound.
    wait_ms : int
        How long ``receive`` may wait.
    keys : ContainerKeys, optional
        Without them there is no connection over TCP.
    """

    is_open: Final = True
    generation: Final = 0

    def __init__(self, address: str, wait_ms: int, keys: ContainerKeys | None = None) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.RCVTIMEO, wait_ms)
        self._socket.set(zmq.SNDTIMEO, SEND_WAIT_MS)  # a full pipe holds 1,000 messages
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_INTERVAL_MS)
        self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_INTERVAL_MAX_MS)
        self._watch: HandshakeWatch | None = None
        if keys is not None:
            secure_dealer(self._socket, keys)
            self._watch = HandshakeWatch(self._socket, address)
        elif address.startswith("tcp://"):
            logger.error("no connection to %s: CLIPPER_RPC_KEYS is not set", address)
            return
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            logger.error("cannot connect to %s: %s", address, error)

    def receive(self, wait: bool) -> list[Frame] | None:
        """Return one whole message, or None if there is none."""
        flags = 0 if wait else zmq.NOBLOCK
        try:
            part = self._socket.recv(flags, copy=False)
        except zmq.Again:
            if self._watch is not None:
                self._watch.look()
            return None
        frames: list[Frame] = [part.buffer]
        while part.more:
            part = self._socket.recv(flags, copy=False)
            frames.append(part.buffer)
        return frames

    def send(self, frames: Sequence[Any]) -> None:
        """Send one message."""
        try:
            for frame in frames[:-1]:
                self._socket.send(frame, zmq.SNDMORE)
            self._socket.send(frames[-1])
        except zmq.Again:  # only ever before the first frame: a message that has begun is never blocked
            raise FrontendStuckError from None

    def set_wait(self, wait_ms: int) -> None:
        """Set how long ``receive`` may wait."""
        self._socket.set(zmq.RCVTIMEO, wait_ms)

    def hurry(self) -> None:
        """Let ``receive`` not wait: with a time limit of zero it still returns a message that is there, whole."""
        self._socket.set(zmq.RCVTIMEO, 0)

    def close(self, flush_us: int) -> None:
        """Close for good, waiting up to ``flush_us`` for the last messages to leave."""
        if self._watch is not None:
            self._watch.close()
        self._socket.close(linger=flush_us // 1000)
        self._context.term()
