"""A full device: pieces are halved, the size is remembered, no query is lost."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_containers.container import ItemError
from model_containers.gpu.pieces import IN_FLIGHT, RETRY_AFTER_PIECES, PieceLimit, run_in_pieces


class Device:
    """Memory for so many items at a time, of which one may be too large for any memory."""

    def __init__(self, capacity: int, network_capacity: int | None = None, giant: int = -1) -> None:
        self.capacity, self.network_capacity, self.giant = capacity, network_capacity or capacity, giant
        self.held = 0
        self.most_in_flight = self.in_flight = 0
        self.released = 0
        self.failures = 0

    def submit(self, items: Sequence[int]) -> list[int]:
        self._need(self.held + len(items) <= self.capacity and self.giant not in items)
        self.held += len(items)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return list(items)

    def finish(self, items: list[int]) -> list[int]:
        self.held -= len(items)
        self.in_flight -= 1
        self._need(len(items) <= self.network_capacity)
        return [item * 10 for item in items]

    def release(self) -> None:
        self.released += 1

    def _need(self, fits: bool) -> None:
        if not fits:
            self.failures += 1
            raise MemoryError("CUDA out of memory")

    def run(self, count: int, limit: PieceLimit) -> list[Any]:
        return run_in_pieces(list(range(count)), limit, self.submit, self.finish, self.release)


@given(count=st.integers(0, 50), most=st.integers(1, 20), capacity=st.integers(1, 30), network=st.integers(1, 30))
def test_every_input_is_answered_whatever_fits(count: int, most: int, capacity: int, network: int) -> None:
    device, limit = Device(capacity, network), PieceLimit(most)
    assert device.run(count, limit) == [item * 10 for item in range(count)]
    assert device.held == 0 and device.most_in_flight <= IN_FLIGHT
    assert device.released == device.failures


@given(giant=st.integers(0, 19), capacity=st.integers(1, 30))
def test_input_that_does_not_fit_alone_fails_alone(giant: int, capacity: int) -> None:
    outputs = Device(capacity, giant=giant).run(20, PieceLimit(8))
    assert isinstance(outputs[giant], ItemError) and "even alone" in str(outputs[giant])
    assert [each for at, each in enumerate(outputs) if at != giant] == [n * 10 for n in range(20) if n != giant]


def test_size_that_was_too_large_is_remembered_for_later_batches() -> None:
    device, limit = Device(5), PieceLimit(16)
    device.run(16, limit)
    assert limit.items in (2, 4)
    failures = device.failures
    device.run(16, limit)
    assert device.failures == failures


def test_piece_that_does_not_fit_beside_another_is_tried_alone_before_it_is_halved() -> None:
    device, limit = Device(10), PieceLimit(8)
    device.run(16, limit)
    assert (limit.items, limit.in_flight, device.failures) == (8, 1, 1)


def test_larger_size_is_tried_again_after_many_good_pieces() -> None:
    limit = PieceLimit(16)
    limit.failed(16)
    assert limit.items == 8
    for _ in range(RETRY_AFTER_PIECES - 1):
        limit.worked(8)
    limit.worked(7)  # a smaller piece says nothing
    assert limit.items == 8
    limit.worked(8)
    assert limit.items == 9


def test_size_that_was_good_is_good_again_when_the_larger_one_fails() -> None:
    limit = PieceLimit(64)
    limit.failed(64)
    for _ in range(RETRY_AFTER_PIECES):
        limit.worked(32)
    assert limit.items == 36
    limit.failed(36)
    assert limit.items == 32
    limit.failed(32)
    assert limit.items == 16


def test_recovered_device_gets_whole_pieces_and_two_in_flight_again() -> None:
    limit = PieceLimit(4)
    limit.crowded()
    limit.failed(4)
    for _ in range(3 * RETRY_AFTER_PIECES):
        limit.worked(limit.items)
    assert (limit.items, limit.in_flight) == (4, IN_FLIGHT)


def test_other_exceptions_of_a_model_pass() -> None:
    def fail(_items: Any) -> Any:
        raise ValueError("no such class")

    with pytest.raises(ValueError, match="no such class"):
        run_in_pieces([1], PieceLimit(1), list, fail, lambda: None)


def test_limit_of_no_items_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        PieceLimit(0)


def test_nothing_of_a_failed_piece_is_alive_when_memory_is_released() -> None:
    class Block:
        pass

    blocks: list[weakref.ref[Block]] = []
    alive: list[bool] = []

    def submit(items: Sequence[int]) -> Block:
        block = Block()
        blocks.append(weakref.ref(block))
        return block

    def finish(block: Block) -> list[int]:
        if len(blocks) == 1:
            raise MemoryError("CUDA out of memory")
        return [1, 2] if len(blocks) > 3 else [1]

    def release() -> None:
        gc.disable()  # by reference counting alone
        alive.append(blocks[0]() is not None)
        gc.enable()

    run_in_pieces([1, 2], PieceLimit(2), submit, finish, release)
    assert alive == [False]
