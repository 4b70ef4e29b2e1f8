"""The result of a run as data: written as JSON, read back by the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import Machine
from bench.prometheus import StageSummary
from bench.record_file import read_record, write_record

SCHEMA = 1


@dataclass(frozen=True)
class SubjectInfo:
    """What stood in the run under a name."""

    name: str
    role: str
    version: str
    settings: str
    missing: str | None  # why it did not take part
    cannot: dict[str, str] = field(default_factory=dict)  # workloads that it does not serve, and why


@dataclass(frozen=True)
class Cell:
    """One closed-loop measurement: one subject, one row, one round."""

    row: str
    subject: str
    round: int
    connections: int
    requests: int
    duration_us: int
    requests_per_s: float  # of good answers: failed requests, default outputs and errors are not throughput
    p50_us: float
    p99_us: float
    max_us: float
    errors: int  # as wrk saw them
    misses: int  # default outputs and errors, as the server counted them
    probes: int  # answers compared with the model's while the load ran
    probe_defaults: int  # how many of them were default outputs
    wrong: tuple[str, ...]  # what was wrong with those that differed
    server_cpu_us_per_query: float
    server_cores: float
    load_cores: float
    other_cores: float
    steal_cores: float
    is_disturbed: bool  # other processes took too much, on every attempt
    attempts: int
    counters: dict[str, float] = field(default_factory=dict)
    stages: tuple[StageSummary, ...] = ()

    @property
    def failed_ratio(self) -> float:
        """The part of the requests that got no answer of the model."""
        return (self.errors + self.misses) / self.requests if self.requests else 1.0


@dataclass(frozen=True)
class RateProbe:
    """One open-loop run of a search."""

    rate_per_s: float
    verdict: str
    p50_us: float
    p99_us: float
    failed: int
    lag_p99_us: float
    load_cores: float
    other_cores: float
    note: str


@dataclass(frozen=True)
class RateCell:
    """One search for the highest rate: one subject, one round."""

    row: str
    subject: str
    round: int
    best_per_s: float | None
    is_limited_by_client: bool
    probes: tuple[RateProbe, ...]


@dataclass
class Run:
    """Everything of one run."""

    machine: Machine
    options: dict[str, Any]
    subjects: list[SubjectInfo]
    cells: list[Cell] = field(default_factory=list)
    rates: list[RateCell] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # subjects that did not start, died or answered wrong

    def of(self, row: str, subject: str) -> list[Cell]:
        """Return the cells of a row and subject: the undisturbed ones, if there are any."""
        cells = [cell for cell in self.cells if cell.row == row and cell.subject == subject]
        return [cell for cell in cells if not cell.is_disturbed] or cells

    def best_rates(self, row: str, subject: str) -> list[float]:
        """Return the highest rate that each round found."""
        cells = [cell for cell in self.rates if cell.row == row and cell.subject == subject]
        return [cell.best_per_s for cell in cells if cell.best_per_s is not None]


def median_of(values: Iterable[float]) -> float | None:
    """Return the median, or None of nothing."""
    known = list(values)
    return median(known) if known else None


def save(run: Run, file: Path) -> None:
    """Write a run as JSON (with Python's `Infinity` and `NaN`, where a percentile fell among the failures)."""
    write_record(run, SCHEMA, file)


def load(file: Path) -> Run:
    """Read a run back.

    Raises
    ------
    ValueError
        If the file was written by another version of this module.
    """
    content = read_record(SCHEMA, file)
    return Run(
        machine=Machine(**content["machine"]),
        options=content["options"],
        subjects=[SubjectInfo(**subject) for subject in content["subjects"]],
        cells=[_cell(cell) for cell in content["cells"]],
        rates=[
            RateCell(**{**rate, "probes": tuple(RateProbe(**probe) for probe in rate["probes"])})
            for rate in content["rates"]
        ],
        failures=content["failures"],
    )


def _cell(content: dict[str, Any]) -> Cell:
    stages = tuple(StageSummary(**stage) for stage in content["stages"])
    return Cell(**{**content, "wrong": tuple(content["wrong"]), "stages": stages})
