"""The worker's end of the control channel: JSON lines over a Unix socket to management.

Management may die and come back: the worker connects again for ever and serves meanwhile from the snapshot it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clipper.errors import ClipperError

_log = logging.getLogger("clipper.frontend")

MAX_MESSAGE_BYTES = 64 << 20  # a snapshot of tens of thousands of applications stays far below
_FIRST_RETRY_S = 0.02
_LAST_RETRY_S = 1.0

Message = Mapping[str, Any]


class ControlClient:
    """Connects to management, hands over what it says, and sends what happens.

    Parameters
    ----------
    socket_path : Path
        Where management listens.
    hello : callable () -> Message
        The first message of every connection.
    handle : callable (Message) -> Message or None
        Called with each message on the loop; what it returns is sent back.
    """

    def __init__(
        self, socket_path: Path, hello: Callable[[], list[Message]], handle: Callable[[Message], Message | None]
    ) -> None:
        self._socket_path = socket_path
        self._hello = hello
        self._handle = handle
        self._writer: asyncio.StreamWriter | None = None

    def send(self, message: Message) -> None:
        """Send if connected; else drop: the hello of the next connection tells the whole state."""
        if self.is_connected:
            self.send_line(json.dumps(message).encode() + b"\n")

    def send_line(self, line: bytes) -> None:
        """Send a message that is JSON already, ended by a newline; the caller has seen that it `is_connected`."""
        if self._writer is not None:
            self._writer.write(line)

    @property
    def is_connected(self) -> bool:
        """Whether management is there."""
        return self._writer is not None and not self._writer.is_closing()

    @property
    def unsent_bytes(self) -> int:
        """What was written and not yet taken by the other side."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket_path), limit=MAX_MESSAGE_BYTES)
            except OSError:
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
                continue
            retry_s = _FIRST_RETRY_S
            self._writer = writer
            try:
                for message in self._hello():
                    self.send(message)
                await self._read(reader)
            except (OSError, ValueError) as error:
                _log.warning("the control channel broke: %s", error)
            finally:
                self._writer = None
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            try:
                answer = self._handle(message)
            except (ClipperError, AttributeError, LookupError, TypeError, ValueError):
                # A message that is not understood must not end the channel for those that are.
                _log.exception("a message from management was not carried out: %.200r", message)
                continue
            if answer is not None:
                self.send(answer)
