"""What was measured, as a JSON file that says of which schema it is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def write_record(measured: DataclassInstance, schema: int, file: Path) -> None:
    """Write it (with Python's `Infinity` and `NaN`, where a figure is one of these)."""
    content = {"schema": schema, **dataclasses.asdict(measured)}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_record(schema: int, file: Path) -> dict[str, Any]:
    """Read its fields back.

    Raises
    ------
    ValueError
        If the file is of another schema.
    """
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    found = content.pop("schema", None)
    if found != schema:
        raise ValueError(f"{file} has schema {found!r}; this version reads {schema}")
    return content
