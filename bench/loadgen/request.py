"""HTTP requests with a hole of eight bytes, so that the load generators make unique inputs without building bodies."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

HOLE_BYTES = 8
FIRST_COUNTER = 10_000_000  # eight digits, none of them a leading zero: NOOP answers it digit for digit
LAST_COUNTER = 99_999_999


class CounterForm(StrEnum):
    """What goes into the hole."""

    DIGITS = "digits"  # the counter as eight decimal digits
    DOUBLE = "double"  # counter * 1e-8 as a little-endian double
    FIXED = "fixed"  # the first counter's digits, for ever: the same input again and again


@dataclass(frozen=True)
class Body:
    """A request body around the hole.

    Parameters
    ----------
    before : bytes
        What stands before the hole.
    after : bytes
        What stands after it.
    """

    before: bytes
    after: bytes


@dataclass(frozen=True)
class RequestTemplate:
    """POST requests to one path; the counter chooses the body (`counter % len(bodies)`) and fills its hole."""

    path: str
    headers: tuple[tuple[str, str], ...]
    bodies: tuple[Body, ...]
    counter_form: CounterForm

    def hole(self, counter: int) -> bytes:
        """Return the eight bytes that stand for this counter."""
        if self.counter_form is CounterForm.DOUBLE:
            return struct.pack("<d", counter * 1e-8)
        return b"%08d" % counter

    def body(self, counter: int) -> bytes:
        """Return the whole body of the request with this counter."""
        body = self.bodies[counter % len(self.bodies)]
        return body.before + self.hole(counter) + body.after

    def head(self, body: Body, port: int) -> bytes:
        """Return request line and headers, with the blank line that ends them."""
        length = len(body.before) + HOLE_BYTES + len(body.after)
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {length}", "", ""]
        return "\r\n".join(lines).encode("ascii")

    def write(self, file: Path, port: int) -> None:
        """Write what unique.lua and the load client read; clipper/bench/client/request_set.hpp says the form."""
        parts = [(self.head(body, port) + body.before, body.after) for body in self.bodies]
        lines = [f"{self.counter_form.value} {len(parts)}", *(f"{len(before)} {len(after)}" for before, after in parts)]
        index = ("\n".join(lines) + "\n").encode("ascii")
        file.write_bytes(index + b"".join(before + after for before, after in parts))

    def repeated(self) -> RequestTemplate:
        """Return the same requests with the counter standing still."""
        return RequestTemplate(self.path, self.headers, self.bodies[:1], CounterForm.FIXED)
