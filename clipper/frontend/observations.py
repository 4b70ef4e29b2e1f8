"""Observations on their way to management: what came back about decisions, numbered, kept until it is acknowledged.

Management folds them into what a policy has learned, and acknowledges what is in its *flushed* state: a management that
is killed loses nothing that a living worker still has. After a reconnect everything unacknowledged is sent again; the
numbers let management leave out what it has folded already.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

_log = logging.getLogger("clipper.frontend")

SEND_INTERVAL_S: Final = 0.02
MAX_UNACKNOWLEDGED: Final = 100_000  # observations of one worker
MAX_UNACKNOWLEDGED_BYTES: Final = 64 << 20
# Far below the longest line that management reads, so that one long observation more does not matter.
MAX_MESSAGE_BYTES: Final = 1 << 20
MAX_MESSAGE_ITEMS: Final = 2_000
# Management does not read: what it has not read yet is not to be in the socket's buffer as well as here.
MAX_UNSENT_BYTES: Final = 4 << 20


class Channel(Protocol):
    """What of the control channel is needed here."""

    @property
    def is_connected(self) -> bool:
        """Whether management is there."""

    @property
    def unsent_bytes(self) -> int:
        """What was written and not yet taken by the other side."""

    def send_line(self, line: bytes) -> None:
        """Send one message, ended by a newline."""


class _Outbox:
    """The observations of one application, in order; the first of them has the number `first_seq`."""

    def __init__(self) -> None:
        self.items: deque[bytes] = deque()
        self.first_seq = 1
        self.sent_seq = 0  # everything up to here was sent on this connection
        self.lost = 0

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.items) - 1


class Observations:
    """The observations of one worker.

    Parameters
    ----------
    channel : Channel
        Where they are sent.
    epoch : int
        Unique to the life of this worker process.
    call_later : callable (seconds, callback) -> object, optional
        The loop's; for tests.
    max_items, max_bytes : int
        What may be unacknowledged; beyond, the oldest of the application with most of them are lost, and counted.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        epoch: int,
        call_later: Any = None,
        max_items: int = MAX_UNACKNOWLEDGED,
        max_bytes: int = MAX_UNACKNOWLEDGED_BYTES,
    ) -> None:
        self._channel = channel
        self.epoch = epoch
        self._call_later = call_later
        self._max_items, self._max_bytes = max_items, max_bytes
        self._outboxes: dict[str, _Outbox] = {}
        self._is_scheduled = False
        self.unacknowledged = 0
        self.unacknowledged_bytes = 0

    def add(self, application: str, item: bytes) -> None:
        """Take an observation, as one line of JSON without its newline."""
        outbox = self._outboxes.get(application)
        if outbox is None:
            outbox = self._outboxes[application] = _Outbox()
        outbox.items.append(item)
        self.unacknowledged += 1
        self.unacknowledged_bytes += len(item)
        while self.unacknowledged > self._max_items or self.unacknowledged_bytes > self._max_bytes:
            self._lose_one()
        self._schedule()

    def acknowledge(self, message: Mapping[str, Any]) -> None:
        """Forget what management says that it has: ``observed {application, epoch, seq}``."""
        outbox = self._outboxes.get(message["application"])
        seq = int(message["seq"])
        if message["epoch"] != self.epoch or outbox is None:
            return  # meant for an earlier worker, or for an application that is gone
        if seq > outbox.sent_seq:
            _log.error(
                "management acknowledges observation %d of application %s, and only %d were sent to it",
                *(seq, message["application"], outbox.sent_seq),
            )
            return
        while outbox.items and outbox.first_seq <= seq:
            self._drop_first(outbox)

    def reconnected(self) -> None:
        """Management is there again: send from the first unacknowledged."""
        for outbox in self._outboxes.values():
            outbox.sent_seq = outbox.first_seq - 1
        self._schedule()

    def keep(self, applications: Collection[str]) -> None:
        """Forget the observations of all other applications: nobody learns from them any more.

        Their numbers go on, should one of that name come again.
        """
        for name, outbox in self._outboxes.items():
            if name not in applications:
                while outbox.items:
                    self._drop_first(outbox)
                outbox.sent_seq = outbox.last_seq

    def lost(self) -> dict[str, int]:
        """Return how many observations were given up, by application."""
        return {name: outbox.lost for name, outbox in self._outboxes.items()}

    def waiting(self) -> dict[str, int]:
        """Return how many observations are not acknowledged yet, by application."""
        return {name: len(outbox.items) for name, outbox in self._outboxes.items()}

    async def settle(self, limit_s: float) -> None:
        """Send what there is, and wait until management has it in store; not longer than it is there, nor than this.

        For a worker that ends: whatever it still has is lost with it.
        """
        give_up_s = asyncio.get_running_loop().time() + limit_s
        self._send()
        while self.unacknowledged and self._channel.is_connected:
            if asyncio.get_running_loop().time() > give_up_s:
                break
            await asyncio.sleep(SEND_INTERVAL_S)
        if self.unacknowledged:
            _log.warning("%d observations were not taken by management and are lost", self.unacknowledged)

    # -- sending -----------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._is_scheduled and self._channel.is_connected:
            self._is_scheduled = True
            (self._call_later or asyncio.get_running_loop().call_later)(SEND_INTERVAL_S, self._send)

    def _send(self) -> None:
        self._is_scheduled = False
        if not self._channel.is_connected:
            return  # the next connection begins anew
        for name, outbox in self._outboxes.items():
            while outbox.sent_seq < outbox.last_seq:
                if self._channel.unsent_bytes > MAX_UNSENT_BYTES:
                    self._schedule()
                    return
                self._send_some(name, outbox)

    def _send_some(self, application: str, outbox: _Outbox) -> None:
        """Send one message: as many of the next observations as fit, at least one."""
        first_seq = max(outbox.sent_seq + 1, outbox.first_seq)
        begin = first_seq - outbox.first_seq
        items: list[bytes] = []
        size_bytes = 0
        for item in itertools.islice(outbox.items, begin, begin + MAX_MESSAGE_ITEMS):
            if items and size_bytes + len(item) > MAX_MESSAGE_BYTES:
                break
            items.append(item)
            size_bytes += len(item)
        outbox.sent_seq = first_seq + len(items) - 1
        head = b'{"type":"observations","application":"%s","epoch":%d,"first_seq":%d,"items":['
        # The name of an application needs no escapes in JSON (`clipper.registry.names`).
        self._channel.send_line(head % (application.encode(), self.epoch, first_seq) + b",".join(items) + b"]}\n")

    def _lose_one(self) -> None:
        outbox = max(self._outboxes.values(), key=lambda outbox: len(outbox.items))
        outbox.lost += 1
        self._drop_first(outbox)
        outbox.sent_seq = max(outbox.sent_seq, outbox.first_seq - 1)

    def _drop_first(self, outbox: _Outbox) -> None:
        self.unacknowledged -= 1
        self.unacknowledged_bytes -= len(outbox.items.popleft())
        outbox.first_seq += 1
