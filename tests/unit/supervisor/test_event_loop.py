"""The poll loop: timers in order, cancelled ones never, signals and descriptors through callbacks."""

from __future__ import annotations

import os

from clipper.supervisor.event_loop import EventLoop


def test_timers_fire_in_order_of_their_time_and_cancelled_ones_never() -> None:
    loop = EventLoop()
    fired: list[str] = []

    def fire_last() -> None:
        fired.append("late")
        loop.stop()

    loop.call_later(3_000, fire_last)
    loop.call_later(0, lambda: fired.append("early"))
    loop.call_later(1_000, lambda: fired.append("cancelled")).cancel()
    loop.run()
    assert fired == ["early", "late"]


def test_watch_that_an_earlier_callback_of_the_turn_ended_is_not_called() -> None:
    loop = EventLoop()
    pipes = [os.pipe() for _ in range(2)]
    called: list[int] = []

    def on_readable(mine: int, other: int) -> None:
        called.append(mine)
        loop.forget(mine)
        loop.forget(other)
        loop.call_later(0, loop.stop)

    first, second = pipes[0][0], pipes[1][0]
    loop.watch(first, lambda: on_readable(first, second))
    loop.watch(second, lambda: on_readable(second, first))
    for _, write_fd in pipes:
        os.write(write_fd, b"x")
    loop.run()
    for read_fd, write_fd in pipes:
        os.close(read_fd)
        os.close(write_fd)
    assert len(called) == 1


def test_watch_can_be_replaced_by_one_that_also_writes() -> None:
    loop = EventLoop()
    read_fd, write_fd = os.pipe()
    written: list[str] = []

    def on_writable() -> None:
        written.append("writable")
        loop.stop()

    loop.watch(write_fd, lambda: None)
    loop.watch(write_fd, lambda: None, on_writable)
    loop.run()
    loop.forget(write_fd)
    loop.forget(write_fd)
    os.close(read_fd)
    os.close(write_fd)
    assert written == ["writable"]
