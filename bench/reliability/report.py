"""Keeps what rows have shown, and renders the table of docs/reliability.md between its markers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.reliability.containers import DOCKER, PROCESS
from bench.reliability.scenario import Check, Row

RECORDS: Final = {
    PROCESS: Path(__file__).with_name("record.json"),
    DOCKER: Path(__file__).with_name("record_docker.json"),
}
DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
WRITTEN_BY: Final = {
    PROCESS: "python -m bench.reliability --render",
    DOCKER: "python -m bench.reliability --containers docker --render",
}


@dataclass(frozen=True)
class Result:
    """What one run of a row has shown; ``missing`` says why it did not run, ``error`` how it broke off."""

    name: str
    form: str  # "short" or "full"
    checks: tuple[Check, ...]
    duration_s: float
    measured_on: str  # UTC date and time, commit
    missing: str = ""
    error: str = ""

    @property
    def holds(self) -> bool:
        """Whether it ran to its end, and every check holds."""
        return not self.missing and not self.error and all(check.holds for check in self.checks)


def load_record(path: Path) -> dict[str, Result]:
    """Return the newest result of each row that has been recorded."""
    if not path.exists():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Result(**{**one, "checks": tuple(Check(**check) for check in one["checks"])})
        for name, one in stored.items()
    }


def save_record(results: Iterable[Result], path: Path) -> dict[str, Result]:
    """Put results in the place of older ones of their rows; return all."""
    record = load_record(path) | {result.name: result for result in results}
    path.write_text(json.dumps({name: asdict(record[name]) for name in sorted(record)}, indent=1) + "\n", "utf-8")
    return record


def render(rows: Mapping[str, Row], record: Mapping[str, Result], kind: str = PROCESS) -> str:
    """Return the table, one line a row; rows that were never run say so."""
    lines = ["| scenario | must hold | seen | form | holds |", "|---|---|---|---|---|"]
    for row in rows.values():
        result = record.get(row.name)
        lines.append(f"| {row.scenario_in(kind)} | {row.claim} | {' | '.join(_cells(result))} |")
    return "\n".join(lines) + "\n"


def _cells(result: Result | None) -> tuple[str, str, str]:
    if result is None:
        return "not run", "-", "-"
    if result.missing:
        return f"left out: {result.missing}", result.form, "-"
    seen = "; ".join(f"{check.what}: {check.measured}" for check in result.checks)
    if result.error:
        seen = f"{seen}; broke off: {result.error}".removeprefix("; ")
    return seen.replace("|", "/"), f"{result.form}, {result.measured_on}", "yes" if result.holds else "**no**"
