"""The container's side of the protocol, without sockets: messages and ``now_us`` in, messages and work out.

The table below says what follows from what. The owner (``loop``) hands each message to ``receive``, calls ``tick`` when
nothing came, sends what ``take_outbox`` returns, and carries out ``work`` in order.
"""

from __future__ import annotations

import enum
import logging
import os
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from model_containers import settings as exits
from model_containers.codec import (
    Frame,
    Header,
    WireError,
    decode_header,
    decode_text,
    encode_error,
    encode_header,
    encode_register,
)
from model_containers.settings import ContainerSettings, SettingsError, read_addresses
from model_containers.wire import ErrorCode, Flag, MessageType, WireStatus

logger = logging.getLogger("model_containers")

SDK: Final = "python/1"


class State(enum.IntEnum):
    """Where the container stands with its frontend."""

    REGISTERING = 0  # REGISTER is sent; no HEARTBEAT has answered it
    LOADING = 1  # known to the frontend; the model is being loaded
    READY = 2  # READY is sent: batches come
    DRAINING = 3  # told to stop: wants no new batch, answers what it has
    CLOSED = 4  # the process ends, or the connection is given up


class Event(enum.IntEnum):
    """What can happen to the container."""

    CONNECTED = 0  # a fresh connection: REGISTER goes out
    ACKNOWLEDGED = 1  # HEARTBEAT came
    LOADED = 2  # the model is loaded and warmed up: READY goes out
    FORGOTTEN = 3  # ERROR UNKNOWN_SESSION came: REGISTER goes out again
    REFUSED = 4  # another ERROR about the session came
    STOPPED = 5  # SIGTERM: DRAIN goes out
    LEFT = 6  # everything before the frontend's DRAIN or ASSIGN is answered: DRAIN with FINAL goes out


# An event that is not listed is ignored. The model may be loaded before the frontend answers, or be loaded already when
# the container has to register again: LOADED is then applied as soon as LOADING is reached.
TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = MappingProxyType(
    {
        State.REGISTERING: {
            Event.CONNECTED: State.REGISTERING,
            Event.ACKNOWLEDGED: State.LOADING,
            Event.REFUSED: State.CLOSED,
            Event.STOPPED: State.CLOSED,
            Event.LEFT: State.CLOSED,
        },
        State.LOADING: {
            Event.CONNECTED: State.REGISTERING,
            Event.LOADED: State.READY,
            Event.FORGOTTEN: State.REGISTERING,
            Event.REFUSED: State.CLOSED,
            Event.STOPPED: State.CLOSED,
            Event.LEFT: State.CLOSED,
        },
        State.READY: {
            Event.CONNECTED: State.REGISTERING,
            Event.FORGOTTEN: State.REGISTERING,
            Event.REFUSED: State.CLOSED,
            Event.STOPPED: State.DRAINING,
            Event.LEFT: State.CLOSED,
        },
        State.DRAINING: {
            Event.FORGOTTEN: State.CLOSED,
            Event.REFUSED: State.CLOSED,
            Event.LEFT: State.CLOSED,
        },
        State.CLOSED: {Event.CONNECTED: State.REGISTERING},
    }
)


class Predict(NamedTuple):
    """Work: answer this batch."""

    header: Header
    frames: Sequence[Frame]
    epoch: int  # the registration under which it came; it is answered under no other


class Leave(NamedTuple):
    """Work: everything before it is answered; say goodbye, then exit, or go to ``addresses`` if there are any."""

    addresses: tuple[str, ...] = ()


Work: TypeAlias = Predict | Leave


class Exit(NamedTuple):
    """The process is to end with this code."""

    code: int
    reason: str


class ContainerSession:
    """One container's protocol state; all times are microseconds of one monotonic clock.

    Attributes
    ----------
    work : deque
        What is to be done, in the order in which the frontend asked for it.
    exit : Exit or None
        Set once the process is to end.
    epoch : int
        Counts registrations. After a new one the frontend knows nothing of earlier batches and gives their ids out
        again, so an answer to one of them must not be sent.
    wants_reconnect : bool
        The frontend was silent for too long: open a fresh connection, then call ``connect``.
    """

    def __init__(self, settings: ContainerSettings) -> None:
        self._limits = settings.limits
        self._register = encode_register(
            {
                "model": settings.model,
                "version": settings.version,
                "replica_id": settings.replica_id,
                "nonce": settings.nonce,
                "input_type": settings.input_type,
                "sdk": SDK,
                "pid": os.getpid(),
            }
        )
        self.state = State.CLOSED
        self.work: deque[Work] = deque()
        self.exit: Exit | None = None
        self.epoch = 0
        self.wants_reconnect = False
        self._is_loaded = False
        self._is_working = False
        self._outbox: list[list[Any]] = []
        self._heard_us: int | None = None  # None = never connected
        self._connected_us = 0
        self._sent_us = 0
        self._stopped_us: int | None = None

    # -- what the owner tells ------------------------------------------------------------------------------------

    def connect(self, now_us: int) -> None:
        """Start over on a fresh connection."""
        self.wants_reconnect = False
        self._connected_us = now_us
        if self._heard_us is None:
            self._heard_us = now_us
        self._apply(Event.CONNECTED, now_us)

    def loaded(self, now_us: int) -> None:
        """Note that the model is ready."""
        self._is_loaded = True
        self._apply(Event.LOADED, now_us)

    def stop(self, now_us: int) -> None:
        """Leave as soon as what is in hand is answered (SIGTERM)."""
        self._stopped_us = now_us
        self._apply(Event.STOPPED, now_us)

    def leave(self, now_us: int, *, for_good: bool = True) -> None:
        """Say goodbye: everything received is answered. If not for good, ``connect`` follows."""
        self._apply(Event.LEFT, now_us)
        if not for_good:
            self.exit = None

    def take_work(self) -> Work:
        """Return the oldest work; ``answered`` is to follow. DRAINING does not end in between."""
        self._is_working = True
        return self.work.popleft()

    def answered(self, now_us: int) -> None:
        """Note that the work taken last is done: its answer is a sign of life as well."""
        self._is_working = False
        self._sent_us = now_us

    def tick(self, now_us: int) -> None:
        """Do what is due: a heartbeat, REGISTER once more, the end of patience. Call it at least twice an interval."""
        if self.exit is not None:
            return
        silence_us = now_us - (self._heard_us or 0)
        if silence_us >= self._limits.orphan_exit_us:
            self.exit = Exit(exits.EXIT_ORPHANED, f"heard of no frontend for {silence_us / 1e6:.1f} s")
        elif self.state == State.DRAINING:
            idle = not self.work and not self._is_working
            if idle and now_us - (self._stopped_us or 0) >= self._limits.drain_answer_us:
                self.leave(now_us)
                return
        elif min(silence_us, now_us - self._connected_us) >= self._limits.frontend_silence_us:
            self.wants_reconnect = True
        if now_us - self._sent_us >= self._limits.heartbeat_interval_us // 2:
            registering = self.state == State.REGISTERING
            self._send(self._register if registering else [encode_header(MessageType.HEARTBEAT)], now_us)

    def receive(self, frames: Sequence[Frame], now_us: int) -> None:
        """Take one message, header first."""
        self._heard_us = now_us
        try:
            header = decode_header(frames[0])
        except WireError as error:
            if error.status == WireStatus.BAD_VERSION:
                self._refused(f"the frontend speaks another version of the protocol: {error.cause}", now_us)
            else:
                logger.warning("ignored a message that cannot be read: %s", error)
            return
        if header.type == MessageType.PREDICT:
            self._on_predict(header, frames[1:], now_us)
        elif header.type == MessageType.HEARTBEAT:
            self._apply(Event.ACKNOWLEDGED, now_us)
        elif header.type == MessageType.DRAIN:
            self.work.append(Leave())
        elif header.type == MessageType.ERROR:
            self._on_error(header, frames[1:], now_us)
        elif header.type == MessageType.ASSIGN:
            self._on_assign(frames[1:])
        else:
            logger.warning("ignored a %s, which no frontend sends", MessageType(header.type).name)

    def take_outbox(self) -> list[list[Any]]:
        """Return the messages to send, oldest first, and forget them."""
        outbox, self._outbox = self._outbox, []
        return outbox

    # -- messages ------------------------------------------------------------------------------------------------

    def _on_predict(self, header: Header, frames: Sequence[Frame], now_us: int) -> None:
        if self.state in (State.READY, State.DRAINING):
            self.work.append(Predict(header, frames, self.epoch))
        else:
            cause = f"a batch came in state {self.state.name}, before READY"
            self._send(encode_error(ErrorCode.NOT_READY, cause, batch_id=header.batch_id), now_us)

    def _on_error(self, header: Header, frames: Sequence[Frame], now_us: int) -> None:
        cause = decode_text(frames) if len(frames) == 1 else "no cause given"
        if header.code == ErrorCode.UNKNOWN_SESSION:
            self._apply(Event.FORGOTTEN, now_us)
        elif header.code in (ErrorCode.DUPLICATE_REPLICA, ErrorCode.WRONG_VERSION, ErrorCode.REFUSED):
            self._refused(f"the frontend refused this container, {ErrorCode(header.code).name}: {cause}", now_us)
        else:
            logger.warning("the frontend reported error %d: %s", header.code, cause)

    def _on_assign(self, frames: Sequence[Frame]) -> None:
        try:
            self.work.append(Leave(read_addresses(decode_text(frames))))
        except (WireError, SettingsError) as error:
            logger.error("ignored an ASSIGN: %s", error)

    def _refused(self, reason: str, now_us: int) -> None:
        self._apply(Event.REFUSED, now_us)
        self.exit = Exit(exits.EXIT_REFUSED, reason)

    # -- the table at work ---------------------------------------------------------------------------------------

    def _apply(self, event: Event, now_us: int) -> None:
        reached = TRANSITIONS[self.state].get(event)
        if reached is None:
            return
        was, self.state = self.state, reached
        if reached == State.REGISTERING:
            self.epoch += 1
            self.work.clear()
            self._send(self._register, now_us)
        elif reached == State.LOADING and self._is_loaded:
            self._apply(Event.LOADED, now_us)
        elif reached == State.READY:
            self._send([encode_header(MessageType.READY)], now_us)
        elif reached == State.DRAINING:
            self._send([encode_header(MessageType.DRAIN)], now_us)
        elif reached == State.CLOSED:
            self._close(was, event, now_us)

    def _close(self, was: State, event: Event, now_us: int) -> None:
        if event in (Event.LEFT, Event.STOPPED) and was != State.REGISTERING:
            self._send([encode_header(MessageType.DRAIN, flags=Flag.FINAL)], now_us)
        self.work.clear()
        if self.exit is None:
            self.exit = Exit(exits.EXIT_DONE, "stopped" if self._stopped_us is not None else "drained")

    def _send(self, message: list[Any], now_us: int) -> None:
        self._outbox.append(message)
        self._sent_us = now_us
