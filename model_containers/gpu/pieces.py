"""A batch in pieces: the copy of one piece runs under the computing of the one before, and a full device halves them.

Out of memory is no failure of a query: the piece is put back, smaller, and the size that was too large is remembered
for the batches to come. Only an input that does not fit alone fails, alone. After many good pieces a larger size is
tried again, since what took the memory may have gone; if it fails, the size that was good is good again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from model_containers.container import ItemError
from model_containers.gpu.faults import is_out_of_memory

RETRY_AFTER_PIECES: Final = 256
IN_FLIGHT: Final = 2

Ticket = TypeVar("Ticket")

logger = logging.getLogger("model_containers")


class PieceLimit:
    """How many items a piece may have, and how many pieces may be in flight; remembered from batch to batch.

    Parameters
    ----------
    most : int
        Never more items than this.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"pieces of {most} items, expected at least 1")
        self.most = most
        self.items = most
        self.in_flight = IN_FLIGHT
        self._good = 0  # pieces as large as allowed since the last change
        self._proven = 0  # a size that was good for long

    def worked(self, size: int) -> None:
        """Note a piece that was computed."""
        if size < self.items or (self.items == self.most and self.in_flight == IN_FLIGHT):
            return
        self._good += 1
        if self._good >= RETRY_AFTER_PIECES:
            self._proven, self._good = self.items, 0
            self.in_flight = IN_FLIGHT
            self.items = min(self.most, self.items + max(1, self.items // 8))

    def crowded(self) -> None:
        """Note that a piece did not fit beside another."""
        self.in_flight, self._good = 1, 0

    def failed(self, size: int) -> None:
        """Note a piece of at least two that did not fit alone."""
        half = size // 2
        self.items = max(1, self._proven if half < self._proven < size else half)
        self._good = self._proven = 0


def run_in_pieces(
    items: Sequence[Any],
    limit: PieceLimit,
    submit: Callable[[Sequence[Any]], Ticket],
    finish: Callable[[Ticket], Sequence[Any]],
    release: Callable[[], None],
) -> list[Any]:
    """Return one output per item, in order.

    Parameters
    ----------
    submit, finish : callable
        Begin with some items; return their outputs. One more piece may be between the two.
    release : callable
        Gives back what memory it can, before anything is tried again.
    """
    outputs: list[Any] = [None] * len(items)
    todo = deque([(0, len(items))] if items else [])
    in_flight = deque[tuple[int, int, Ticket]]()
    while todo or in_flight:
        if todo and len(in_flight) < limit.in_flight:
            start, stop = _take(todo, limit.items)
            ticket = _unless_out_of_memory(submit, items[start:stop])
            if ticket is not None:
                in_flight.append((start, stop, ticket))
                continue
        else:
            start, stop, ticket = in_flight.popleft()
            found = _unless_out_of_memory(finish, ticket)
            if found is not None:
                outputs[start:stop] = found
                limit.worked(stop - start)
                continue
        ticket = None  # what it holds is to be released
        release()
        if in_flight:
            limit.crowded()
        elif stop - start > 1:
            limit.failed(stop - start)
            logger.warning("out of memory with %d inputs: now at most %d at a time", stop - start, limit.items)
        else:
            outputs[start] = ItemError("the input does not fit into the memory of the device, even alone")
            continue
        todo.appendleft((start, stop))
    return outputs


def _take(todo: deque[tuple[int, int]], most: int) -> tuple[int, int]:
    start, stop = todo.popleft()
    cut = min(stop, start + most)
    if cut < stop:
        todo.appendleft((cut, stop))
    return start, cut


def _unless_out_of_memory(call: Callable[[Any], Any], argument: Any) -> Any:
    """Return what the call returns, or None if memory was short.

    The exception ends here: its traceback would keep alive what the failed call had got.
    """
    try:
        return call(argument)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    return None
