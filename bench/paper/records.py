"""What the figures have shown, kept as JSON: one file a figure, with the machine, the versions and the commit."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.machine import Machine
from bench.record_file import read_record, write_record

SCHEMA: Final = 1
DIRECTORY: Final = Path(__file__).with_name("records")
PACKAGES: Final = ("numpy", "scikit-learn", "uvloop", "pyzmq")


@dataclass(frozen=True)
class Record:
    """One measurement of one figure."""

    figure: str
    form: str  # "full" or "quick"
    machine: Machine
    versions: dict[str, str]
    result: dict[str, Any]  # `dataclasses.asdict` of what the figure's `measure` returned

    @property
    def source(self) -> str:
        """Say on what it was measured, in one line."""
        machine, changes = self.machine, " with local changes" if self.machine.has_local_changes else ""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"{self.form.capitalize()} form, {machine.started_at} UTC, commit `{machine.commit[:12]}`{changes}; "
            f"{machine.cores} x {machine.cpu}, {machine.memory_gb:.0f} GB, kernel {machine.kernel}, "
            f"Python {machine.python}, {versions}."
        )


def file_of(figure: str, directory: Path = DIRECTORY) -> Path:
    """Return where a figure's record lies."""
    return directory / f"{figure}.json"


def keep(figure: str, result: Any, machine: Machine, *, is_full: bool, directory: Path = DIRECTORY) -> Record:
    """Write what was measured on a machine, as it was described before."""
    form = "full" if is_full else "quick"
    record = Record(figure, form, machine, _versions(), asdict(result))
    write_record(record, SCHEMA, file_of(figure, directory))
    return record


def load(figure: str, directory: Path = DIRECTORY) -> Record | None:
    """Read a figure's record; None if it was never measured.

    Raises
    ------
    ValueError
        If the file is of another schema.
    """
    file = file_of(figure, directory)
    if not file.exists():
        return None
    content: Mapping[str, Any] = read_record(SCHEMA, file)
    return Record(**{**content, "machine": Machine(**content["machine"])})


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found
