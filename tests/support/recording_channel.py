"""A control channel that remembers what is sent, for what needs one and no management."""

from __future__ import annotations

import json
from typing import Any


class RecordingChannel:
    """Keeps the lines that were sent; management is there while `is_connected`."""

    def __init__(self, *, is_connected: bool = False) -> None:
        self.is_connected = is_connected
        self.unsent_bytes = 0
        self.lines: list[bytes] = []

    def send_line(self, line: bytes) -> None:
        """Remember a line."""
        self.lines.append(line)

    def take(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a kind that were sent since the last call."""
        messages = [json.loads(line) for line in self.lines]
        self.lines = [line for line, message in zip(self.lines, messages, strict=True) if message["type"] != kind]
        return [message for message in messages if message["type"] == kind]
