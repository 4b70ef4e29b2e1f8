"""Wake every task that waits for something to change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Broadcast:
    """`asyncio.Condition` without the lock: notifiers are plain callbacks on the same loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Wake all that wait now; they look for themselves."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_until(self, is_done: Callable[[], bool], limit_us: int) -> bool:
        """Return True once ``is_done()`` (looked at now and after each `notify`), or False after ``limit_us``.

        What ``is_done`` raises ends the wait.
        """
        try:
            async with asyncio.timeout(limit_us / 1e6):
                while not is_done():
                    await self._changed.wait()
        except TimeoutError:
            return is_done()
        return True
