"""How a page shares the loop with queries, told with pieces and turns that take a known time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, cast

from clipper.frontend.metrics import MetricsPage

PIECES = 60
PIECE_S = 0.000_3
TURN_S = 0.005


class Asked:
    """Stands where the request of a connection would be."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def respond(self, status: int, body: bytes, *, content_type: bytes) -> None:
        self.answer.set_result((status, body))


def spin(seconds: float) -> None:
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s:
        pass


def slowly() -> Iterator[bytes]:
    for _ in range(PIECES):
        spin(PIECE_S)
        yield b"x"


async def turns_until_answered(turn_s: float) -> int:
    """Return how many turns of the loop there were before the page was whole, each as long as this."""
    page, asked, turns = MetricsPage(slowly, lambda: None), Asked(), 0
    page(cast(Any, asked))
    while not asked.answer.done():
        spin(turn_s)
        turns += 1
        await asyncio.sleep(0)
    assert asked.answer.result() == (200, b"x" * PIECES)
    return turns


def test_idle_loop_gets_a_turn_after_every_slice() -> None:
    assert asyncio.run(turns_until_answered(0.0)) > PIECES * 2 / 3  # all, but where the machine had a pause


def test_busy_loop_gives_a_page_its_share() -> None:
    turns = asyncio.run(turns_until_answered(TURN_S))
    assert 1 < turns <= PIECES / 2
