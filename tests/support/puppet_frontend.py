"""A small frontend for tests of containers: a ROUTER that keeps sessions by the rules and hides nothing.

It is deliberately slow and simple. ``tests`` read ``events``; every wait has a limit and fails with what was seen.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq

from clipper._core import rpc_codec
from clipper._core.rpc_session import SessionEvent, SessionState, step
from model_containers import codec, results, wire
from model_containers.codec import WireError
from model_containers.wire import DType, ErrorCode, Flag, MessageType

HEARTBEAT_INTERVAL_S = 0.1


@dataclass
class Session:
    """One registered container."""

    identity: bytes
    registration: rpc_codec.Registration
    state: SessionState = SessionState.AWAITING_REGISTER
    heard_s: float = 0.0
    longest_silence_s: float = 0.0


@dataclass(frozen=True)
class Answer:
    """RESULT or ERROR of one batch: outputs as (JSON text, failed), or the code and cause."""

    outputs: list[tuple[bytes, bool]] = field(default_factory=list)
    error_code: int = 0
    cause: str = ""
    compute_us: int = 0


class PuppetFrontend:
    """Call ``pump`` or one of the waits: nothing happens in between.

    Parameters
    ----------
    address : str
        Where to bind.
    answers_unknown : bool
        Whether an unknown connection is told to register.
    secret_key : bytes
        Makes it take connections that are encrypted for this key, and no others.
    """

    def __init__(
        self, address: str, *, answers_unknown: bool = True, first_batch_id: int = 1, secret_key: bytes = b""
    ) -> None:
        self.sessions: dict[bytes, Session] = {}
        self.answers: dict[int, Answer] = {}
        self.refused: list[tuple[str, ErrorCode]] = []
        self.garbage: list[list[bytes]] = []
        self.left: list[str] = []
        self.events: list[str] = []
        self._answers_unknown = answers_unknown
        self._batch_ids = itertools.count(first_batch_id)
        self._counts: dict[int, int] = {}
        self._beat_s = 0.0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, 0)
        if secret_key:
            self._socket.set(zmq.CURVE_SERVER, 1)
            self._socket.set(zmq.CURVE_SECRETKEY, secret_key)
        self._socket.bind(address)
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")  # with the port, if it was not named

    def close(self) -> None:
        """Close the socket as a dying frontend does."""
        self._socket.close(linger=0)
        self._context.term()

    # -- what a test asks for ------------------------------------------------------------------------------------

    def wait_for(self, condition: Callable[[], Any], limit_s: float = 10.0) -> None:
        """Pump until the condition holds."""
        end_s = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end_s:
                raise AssertionError(f"not within {limit_s} s; seen: {self.events[-20:]}")
            self.pump()

    def wait_ready(self, count: int = 1, limit_s: float = 20.0) -> list[Session]:
        """Wait until ``count`` containers are READY."""
        self.wait_for(lambda: len(self.ready()) >= count, limit_s)
        return self.ready()

    def ready(self) -> list[Session]:
        """Return the sessions that take batches."""
        return [session for session in self.sessions.values() if session.state == SessionState.READY]

    def send_batch(
        self, items: list[bytes], dtype: DType = DType.FLOAT64, shape: tuple[int, ...] = (), to: Session | None = None
    ) -> int:
        """Send one PREDICT to a ready container; return its batch id."""
        batch_id = next(self._batch_ids)
        self._counts[batch_id] = len(items)
        session = to or self.ready()[0]
        frames = codec.encode_predict(items, dtype, batch_id=batch_id, budget_us=20_000, shape=shape)
        self.send(session, frames)
        return batch_id

    def predict(self, items: list[bytes], dtype: DType = DType.FLOAT64, shape: tuple[int, ...] = ()) -> Answer:
        """Send one batch and wait for its answer."""
        batch_id = self.send_batch(items, dtype, shape)
        return self.wait_answer(batch_id)

    def wait_answer(self, batch_id: int, limit_s: float = 10.0) -> Answer:
        """Wait for the answer to a batch."""
        self.wait_for(lambda: batch_id in self.answers, limit_s)
        return self.answers[batch_id]

    def drain(self, session: Session) -> None:
        """Ask a container to finish and leave."""
        session.state = step(session.state, SessionEvent.DRAIN)
        self.send(session, [codec.encode_header(MessageType.DRAIN)])

    def assign(self, session: Session, address: str) -> None:
        """Send a container elsewhere."""
        session.state = step(session.state, SessionEvent.DRAIN)
        self.send(session, [codec.encode_header(MessageType.ASSIGN), address.encode()])

    def send(self, session: Session, frames: list[bytes]) -> None:
        """Send any frames to a container."""
        self._socket.send_multipart([session.identity, *frames])

    def forget(self) -> None:
        """Lose every session, as a frontend does that was restarted."""
        self.sessions.clear()

    # -- one step ------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Read what is there, waiting up to 10 ms for it, and send heartbeats that are due."""
        if self._socket.poll(10):
            while True:
                try:
                    identity, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                self._receive(identity, frames)
        now_s = time.monotonic()
        if now_s - self._beat_s >= HEARTBEAT_INTERVAL_S:
            self._beat_s = now_s
            for session in self.sessions.values():
                self.send(session, [codec.encode_header(MessageType.HEARTBEAT)])

    def _receive(self, identity: bytes, frames: list[bytes]) -> None:
        session = self.sessions.get(identity)
        try:
            header = rpc_codec.decode_header(frames[0])
        except rpc_codec.RpcDecodeError as error:
            self.garbage.append(frames)
            self.events.append(f"garbage: {error}")
            if error.status == wire.WireStatus.BAD_VERSION:
                self._refuse(identity, "?", ErrorCode.WRONG_VERSION)
            return
        name = MessageType(header.type).name
        self.events.append(f"{session.registration.replica_id if session else identity.hex()}: {name}")
        if header.type == MessageType.REGISTER:
            self._on_register(identity, frames)
        elif session is None:
            if self._answers_unknown:
                self._socket.send_multipart([identity, *codec.encode_error(ErrorCode.UNKNOWN_SESSION, "who are you?")])
        else:
            now_s = time.monotonic()
            session.longest_silence_s = max(session.longest_silence_s, now_s - session.heard_s)
            session.heard_s = now_s
            self._on_message(session, header, frames)

    def _on_register(self, identity: bytes, frames: list[bytes]) -> None:
        registration = rpc_codec.decode_register(frames[1])
        for other in list(self.sessions.values()):
            if other.registration.replica_id != registration.replica_id or other.identity == identity:
                continue
            if other.registration.nonce != registration.nonce:
                self._refuse(identity, registration.replica_id, ErrorCode.DUPLICATE_REPLICA)
                return
            del self.sessions[other.identity]
        session = self.sessions.setdefault(identity, Session(identity, registration))
        session.state = step(session.state, SessionEvent.REGISTERED)
        session.heard_s = time.monotonic()
        self.send(session, [codec.encode_header(MessageType.HEARTBEAT)])

    def _refuse(self, identity: bytes, replica_id: str, code: ErrorCode) -> None:
        self.refused.append((replica_id, code))
        self._socket.send_multipart([identity, *codec.encode_error(code, f"refused by the puppet: {code.name}")])

    def _on_message(self, session: Session, header: rpc_codec.Header, frames: list[bytes]) -> None:
        event = {
            MessageType.READY: SessionEvent.READY,
            MessageType.HEARTBEAT: SessionEvent.HEARTBEAT,
            MessageType.RESULT: SessionEvent.RESULT,
            MessageType.ERROR: SessionEvent.BATCH_ERROR,
            MessageType.DRAIN: SessionEvent.LEFT if header.flags & Flag.FINAL else SessionEvent.LEAVING,
        }[MessageType(header.type)]
        session.state = step(session.state, event)
        if event == SessionEvent.RESULT:
            self._on_result(header, frames)
        elif event == SessionEvent.BATCH_ERROR:
            cause = rpc_codec.decode_cause(frames[1:])
            self.answers[header.batch_id] = Answer(error_code=header.code, cause=cause, compute_us=header.compute_us)
        elif event == SessionEvent.LEAVING:
            self.send(session, [codec.encode_header(MessageType.DRAIN)])
        elif event == SessionEvent.LEFT:
            self.left.append(session.registration.replica_id)
            del self.sessions[session.identity]

    def _on_result(self, header: rpc_codec.Header, frames: list[bytes]) -> None:
        """Decode with both codecs, which must agree on everything that a real container sends."""
        count = self._counts.get(header.batch_id, 0)
        try:
            outputs = rpc_codec.decode_result(frames, count)
        except rpc_codec.RpcDecodeError as error:
            self.answers[header.batch_id] = Answer(error_code=-error.status, cause=str(error))
            return
        try:
            expected = results.decode_result(codec.decode_header(frames[0]), frames[1:], count)
        except WireError as error:
            raise AssertionError(f"only the compiled codec takes {frames!r}: {error}") from error
        assert outputs == [tuple(one) for one in expected]
        self.answers[header.batch_id] = Answer(outputs=outputs, compute_us=header.compute_us)
