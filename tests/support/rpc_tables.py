"""The tables of docs/rpc-protocol.md, rendered from the code: ``python -m tests.support.rpc_tables`` rewrites them.

In the document a table stands between ``<!-- table: name -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clipper._core import rpc_session
from model_containers import session, wire

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "rpc-protocol.md"
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
TYPE_OF_FORMAT = {"4s": "4 bytes", "B": "u8", "H": "u16", "I": "u32", "Q": "u64"}


def render(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), ["---"] * len(head), *[[str(cell) for cell in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def transitions(table: Mapping[Any, Mapping[Any, Any]], events: type[Any]) -> str:
    """Return states as columns, events as rows; an empty cell is an event that is illegal or ignored."""
    rows = [[event.name, *[_name(table[state], event) for state in table]] for event in events]
    return render(["event", *[state.name for state in table]], rows)


def _name(row: Mapping[Any, Any], event: Any) -> str:
    return str(row[event].name) if event in row else ""


def tables() -> dict[str, str]:
    """Return every table by name."""
    return {
        "header": render(
            ["offset", "field", "type", "meaning"],
            [
                (wire.FIELD_OFFSETS[field.name], f"`{field.name}`", TYPE_OF_FORMAT[field.format], field.meaning)
                for field in wire.FIELDS
            ],
        ),
        "messages": render(
            ["type", "message", "frames after the header", "flags"],
            [
                (int(kind), kind.name, wire.FRAMES[kind], ", ".join(f.name or "" for f in wire.ALLOWED_FLAGS[kind]))
                for kind in wire.MessageType
            ],
        ),
        "dtypes": render(
            ["dtype", "name", "bytes", "in PREDICT", "in RESULT"],
            [
                (
                    int(dtype),
                    dtype.name,
                    wire.DTYPE_BYTES[dtype],
                    "yes" if dtype in wire.PREDICT_DTYPES else "",
                    "yes" if dtype in wire.RESULT_DTYPES else "",
                )
                for dtype in wire.DType
            ],
        ),
        "flags": render(["bit", "name"], [(int(flag), flag.name) for flag in wire.Flag]),
        "errors": render(["code", "name"], [(int(code), code.name) for code in wire.ErrorCode]),
        "register": render(["key", "value"], [(f"`{key}`", meaning) for key, meaning in wire.REGISTER_KEYS.items()]),
        "container-states": transitions(session.TRANSITIONS, session.Event),
        "frontend-states": transitions(rpc_session.TRANSITIONS, rpc_session.SessionEvent),
    }


def with_tables(document: str) -> str:
    """Return the document with every table rendered anew."""
    rendered = tables()
    return TABLE.sub(lambda match: match.group(1) + rendered[match.group(2)] + match.group(3), document)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
