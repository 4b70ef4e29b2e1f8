"""Files that the compiled client reads: requests (request_set.hpp says the form) and what is expected of answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clipper.bench.answer_check import AnswerCheck
from clipper.bench.targets import Target


def requests_file(target: Target) -> bytes:
    """Return the requests of a target, whole, each cut at its hole."""
    groups = {name: number for number, name in enumerate(target.groups)}
    parts = [(one.head(target.authority) + one.before, one.after) for one in target.requests]
    lines = [f"{target.requests[0].counter} {len(parts)}"]
    lines += [
        f"{len(before)} {len(after)} {one.counter} {groups[one.group]}"
        for one, (before, after) in zip(target.requests, parts, strict=True)
    ]
    return "\n".join([*lines, ""]).encode("ascii") + b"".join(before + after for before, after in parts)


def checks_file(check: AnswerCheck, accept_of: Sequence[tuple[bytes, ...]] = ()) -> bytes:
    """Return what is expected of the answers; `accept_of` is each request's own `RequestTemplate.accept`."""
    records = _records(check, accept_of)
    return b"".join(b"%s %d %d\n%s\n" % (kind, request, len(text), text) for kind, request, text in records)


def _records(check: AnswerCheck, accept_of: Sequence[tuple[bytes, ...]]) -> Iterator[tuple[bytes, int, bytes]]:
    for status in check.statuses:
        yield b"status", -1, b"%d" % status
    for status in check.rejected_statuses:
        yield b"rejected", -1, b"%d" % status
    if check.default_text:
        yield b"default", -1, check.default_text
    if check.echoes_counter:
        yield b"echo", -1, b""
    if check.is_json:
        yield b"json", -1, b""
    for text in check.accept:
        yield b"accept", -1, text
    for number, texts in enumerate(accept_of):
        for text in texts:
            yield b"accept", number, text
