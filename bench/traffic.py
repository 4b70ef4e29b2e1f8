"""Which inputs follow each other: unique ones, one for ever, a few hot keys (Zipf), or the same one several times.

Each is made of a subject's ordinary requests by moving the hole of eight bytes that the load generators fill with the
counter, so that they need not know: where an input is to come again, the hole lies in a header instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.loadgen.request import FIRST_COUNTER, HOLE_BYTES, Body, CounterForm, RequestTemplate

# Zipf's law, exponent 1, over a million keys: the hottest ones come again, each of the others never does. Clients of a
# cache see that law; taking the tail for unique makes the share of hits a known number, and the least there can be.
KEY_COUNT = 1_000_000
HOT_KEYS = 4_096
CYCLE_REQUESTS = 16_384  # the sequence of draws, which then begins again; its unique ones are new each time
SEED = 20_17
# Where single precision has 2**-23 between neighbours, about twelve counters in a row round to the same number.
FIRST_OF_UNIT = b"[0."
FIRST_OF_DUPLICATES = b"[1."
ID_HEADER, NO_ID = "X-Request-Id", "0" * HOLE_BYTES


class Traffic(StrEnum):
    """Which inputs follow each other."""

    UNIQUE = "unique"
    REPEATED = "repeated"
    ZIPF = "zipf"
    DUPLICATES = "duplicates"


@cache
def hot_ratio() -> float:
    """Return the share of all requests that fall on the hot keys."""
    weights = 1.0 / np.arange(1, KEY_COUNT + 1)
    return float(weights[:HOT_KEYS].sum() / weights.sum())


@cache
def draw_keys() -> NDArray[np.int64]:
    """Return the sequence of keys, 0 the hottest; -1 for a key of the tail, shape (CYCLE_REQUESTS,)."""
    random = np.random.default_rng(SEED)
    cumulative = np.cumsum(1.0 / np.arange(1, KEY_COUNT + 1))
    ranks = np.searchsorted(cumulative, random.random(CYCLE_REQUESTS) * cumulative[-1], side="right")
    return np.where(ranks < HOT_KEYS, ranks, -1).astype(np.int64)


@dataclass(frozen=True)
class HotKeys(RequestTemplate):
    """The same requests with some inputs coming again: the counter chooses the place in the sequence of keys.

    Parameters
    ----------
    keys : tuple of int
        The key of each request in turn; -1: an input that no other request has.
    """

    keys: tuple[int, ...] = field(default=(), repr=False)

    def input_counter(self, counter: int) -> int:
        """Return the counter whose input this request carries, and whose answer is therefore the right one."""
        key = self.keys[counter % len(self.keys)]
        return counter if key < 0 else FIRST_COUNTER + key

    def body(self, counter: int) -> bytes:
        """Return the whole body of the request with this counter."""
        return super().body(self.input_counter(counter))

    def write(self, file: Path, port: int) -> None:
        """Write what the load generators read: one variant for each place in the sequence."""
        with file.open("wb") as out:
            parts = [self._part(place, key, port) for place, key in enumerate(self.keys)]
            out.write(f"{self.counter_form.value} {len(parts)}\n".encode("ascii"))
            out.writelines(f"{len(before)} {len(after)}\n".encode("ascii") for before, after in parts)
            out.writelines(before + after for before, after in parts)

    def _part(self, place: int, key: int, port: int) -> tuple[bytes, bytes]:
        # The length of the sequence is a multiple of the number of bodies, so a place of the tail, whose hole stays in
        # its input, has the body that the counter chooses.
        input_counter = place if key < 0 else FIRST_COUNTER + key
        body = self.bodies[input_counter % len(self.bodies)]
        headers = (*self.headers, (ID_HEADER, NO_ID))
        head = RequestTemplate(self.path, headers, self.bodies, self.counter_form).head(body, port)
        if key < 0:
            return head + body.before, body.after
        before, after = head.rsplit(NO_ID.encode("ascii"), 1)
        return before, after + body.before + self.hole(input_counter) + body.after


@dataclass(frozen=True)
class Duplicates(RequestTemplate):
    """One body, of which some counters in a row make the same input."""

    def input_counter(self, counter: int) -> int:
        """Return the counter that decides the answer: that of the only body, whatever is in the hole."""
        return 0


def with_hot_keys(template: RequestTemplate) -> HotKeys:
    """Return the requests with keys that follow Zipf's law.

    Raises
    ------
    ValueError
        If the number of different bodies does not divide the length of the sequence.
    """
    if CYCLE_REQUESTS % len(template.bodies):
        raise ValueError(f"{len(template.bodies)} bodies do not divide a sequence of {CYCLE_REQUESTS}")
    keys = tuple(int(key) for key in draw_keys())
    return HotKeys(template.path, template.headers, template.bodies, template.counter_form, keys)


def with_duplicates(template: RequestTemplate) -> Duplicates:
    """Return requests of which about twelve in a row are the same input, in single precision, and no others are.

    Raises
    ------
    ValueError
        If the counter is not the first number of a JSON array.
    """
    first = template.bodies[0]
    if not first.before.endswith(FIRST_OF_UNIT) or template.counter_form is not CounterForm.DIGITS:
        raise ValueError(f"no number of digits at the hole: {first.before[-HOLE_BYTES:]!r}")
    body = Body(first.before.removesuffix(FIRST_OF_UNIT) + FIRST_OF_DUPLICATES, first.after)
    return Duplicates(template.path, template.headers, (body,), template.counter_form)


def shaped(template: RequestTemplate, traffic: Traffic) -> RequestTemplate:
    """Return the requests of a subject as this traffic has them."""
    if traffic is Traffic.REPEATED:
        return template.repeated()
    if traffic is Traffic.ZIPF:
        return with_hot_keys(template)
    if traffic is Traffic.DUPLICATES:
        return with_duplicates(template)
    return template


def input_counter(template: RequestTemplate, counter: int) -> int:
    """Return the counter that decides the right answer to a request."""
    return template.input_counter(counter) if isinstance(template, HotKeys | Duplicates) else counter
