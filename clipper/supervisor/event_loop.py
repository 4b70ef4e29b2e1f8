"""A poll loop of one thread: readable and writable descriptors, timers, signals. No more than a supervisor needs.

asyncio would do, but its child watchers and executors start threads, and a parent-death signal follows the thread
that forked.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable

Callback = Callable[[], None]


class Timer:
    """A callback that is due once; `cancel` makes it do nothing."""

    def __init__(self, callback: Callback) -> None:
        self._callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget the callback."""
        self._callback = None

    def fire(self) -> None:
        """Call the callback unless it was cancelled."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class EventLoop:
    """The only place of the supervisor that reads the clock or blocks."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = itertools.count()
        self._running = True

    def now_us(self) -> int:
        """Return CLOCK_MONOTONIC in microseconds."""
        return time.monotonic_ns() // 1000

    def watch(self, descriptor: int, on_readable: Callback, on_writable: Callback | None = None) -> None:
        """Call back while ``descriptor`` is readable (and writable, if asked); replaces an earlier watch of it."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if on_writable is not None else 0)
        if descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events, (on_readable, on_writable))
        else:
            self._selector.register(descriptor, events, (on_readable, on_writable))

    def forget(self, descriptor: int) -> None:
        """Stop watching; nothing happens if the descriptor is not watched. Call it before the descriptor is closed."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def call_later(self, delay_us: int, callback: Callback) -> Timer:
        """Call ``callback`` once, ``delay_us`` from now."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.now_us() + delay_us, next(self._order), timer))
        return timer

    def watch_signals(self, numbers: Iterable[signal.Signals], callback: Callable[[int], None]) -> None:
        """Call ``callback(number)`` from the loop for each signal of ``numbers`` that arrives."""
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_fd)
        for number in numbers:
            signal.signal(number, lambda _number, _frame: None)

        def on_readable() -> None:
            for number in os.read(read_fd, 64):
                callback(number)

        self.watch(read_fd, on_readable)

    def stop(self) -> None:
        """Make `run` return at the end of this turn."""
        self._running = False

    def run(self) -> None:
        """Dispatch until `stop` is called."""
        while self._running:
            self._run_once()

    def _run_once(self) -> None:
        wait_s: float | None = None
        if self._timers:
            wait_s = max(0, self._timers[0][0] - self.now_us()) / 1e6
        for key, events in self._selector.select(wait_s):
            # An earlier callback of this turn may have ended this watch.
            if self._selector.get_map().get(key.fd) is not key:
                continue
            on_readable, on_writable = key.data
            if events & selectors.EVENT_WRITE and on_writable is not None:
                on_writable()
            if events & selectors.EVENT_READ and self._selector.get_map().get(key.fd) is key:
                on_readable()
        now_us = self.now_us()
        while self._timers and self._timers[0][0] <= now_us:
            heapq.heappop(self._timers)[2].fire()
