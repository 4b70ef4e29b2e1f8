"""docs/selection.md names every policy, and every field of ``learning`` with its default."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from clipper.registry.learning import Learning
from clipper.selection import POLICIES
from tests.support.repository import text_of

DOCUMENT = Path("docs/selection.md")


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first header cell is ``heading``."""
    table = text_of(DOCUMENT).split(f"| {heading} |")[1].split("|\n", 2)[2].split("\n\n")[0]
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in table.splitlines()]


def test_table_of_choice_names_every_policy_and_whether_it_learns() -> None:
    told = {
        name: learns == "yes"
        for _, policies, learns, _ in rows_of("you want")
        for name in re.findall(r"`(\w+)`", policies)
    }
    told.pop("shadows")  # a field of ``learning``
    assert told == {name: policy.learns for name, policy in POLICIES.items()}


def test_table_of_learning_has_every_field_with_its_default() -> None:
    told = {name.strip("`"): default.strip("`") for name, default, _ in rows_of("field of `learning`")}
    assert told == {field.name: written(field.default) for field in fields(Learning)}


def written(value: object) -> str:
    """Return a default as the document writes it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value)
