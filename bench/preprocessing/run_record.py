"""The result of a run as data: written as JSON, read back by the report."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import Machine

SCHEMA = 1


@dataclass(frozen=True)
class Cell:
    """One subject on one case."""

    case: str
    subject: str
    images_per_s: float  # median of the rounds
    slowest_images_per_s: float
    fastest_images_per_s: float
    rounds: int
    furthest_difference: float  # from the subject that everything is compared with, after normalisation


@dataclass
class Run:
    """Everything of one run."""

    machine: Machine
    device: str  # "" without one
    versions: dict[str, str]
    batch: int
    cells: list[Cell] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # subject -> why it did not take part
    failures: list[str] = field(default_factory=list)  # subjects whose results are not those of the others

    def of(self, case: str, subject: str) -> Cell | None:
        """Return the cell, if it was measured."""
        found = [cell for cell in self.cells if (cell.case, cell.subject) == (case, subject)]
        return found[0] if found else None


def save(run: Run, file: Path) -> None:
    """Write a run."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema": SCHEMA, **dataclasses.asdict(run)}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(file: Path) -> Run:
    """Read a run back.

    Raises
    ------
    ValueError
        If the file was written by another version of this module.
    """
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if content.pop("schema", None) != SCHEMA:
        raise ValueError(f"{file} is not of schema {SCHEMA}")
    cells = [Cell(**cell) for cell in content.pop("cells")]
    return Run(machine=Machine(**content.pop("machine")), cells=cells, **content)
