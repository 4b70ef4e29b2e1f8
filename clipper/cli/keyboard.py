"""Single keys from the terminal."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Any, Final, Self

_QUIT: Final = (b"q", b"Q", b"\x1b", b"\x04")  # Escape and Ctrl-D as well


class Keyboard:
    """Lets keys arrive at once, without Enter and without echo; gives the terminal back as it was."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno() if sys.stdin.isatty() else -1
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        if self._descriptor >= 0:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def wait_for_quit(self, limit_s: float) -> bool:
        """Wait, and return whether a key meanwhile asked to quit; other keys do nothing."""
        deadline_s = time.monotonic() + limit_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if self._descriptor < 0:
                time.sleep(left_s)
            elif select.select([self._descriptor], [], [], left_s)[0]:
                keys = os.read(self._descriptor, 64)
                # An arrow key begins with Escape, and is more than that one byte.
                if not keys or keys[:1] in _QUIT[:2] or keys in _QUIT:
                    return True
        return False
