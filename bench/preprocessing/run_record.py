"""The result of a run as data: written as JSON, read back by the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import Machine
from bench.record_file import read_record, write_record

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
    write_record(run, SCHEMA, file)


def load(file: Path) -> Run:
    """Read a run back.

    Raises
    ------
    ValueError
        If the file was written by another version of this module.
    """
    content = read_record(SCHEMA, file)
    cells = [Cell(**cell) for cell in content.pop("cells")]
    return Run(machine=Machine(**content.pop("machine")), cells=cells, **content)
