"""What a command measured, as a JSON record that holds all that its pages are rendered from."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from clipper.bench.curve import Point
from clipper.bench.measure import Measurement
from clipper.bench.objective import Objective
from clipper.bench.search import Bracket, Capacity
from clipper.errors import InvalidArgumentError, NotFoundError

SCHEMA: Final = 1
KINDS: Final = ("run", "search", "curve")


@dataclass(frozen=True)
class Result:
    """What one command measured.

    Parameters
    ----------
    kind : str
        "run", "search" or "curve".
    target : dict
        ``url``, and what was sent and expected there.
    host : dict
        The machine that the load came from: see `clipper.bench.machine.Host`; ``is_servers`` says whether the server
        ran there, too.
    command : tuple of str
        As it was typed.
    capacity : Capacity or None
        What a search found; of a curve, what it is drawn in parts of.
    """

    kind: str
    version: str
    command: tuple[str, ...]
    finished_at: str
    host: dict[str, Any]
    target: dict[str, Any]
    setup: dict[str, Any]
    objective: Objective | None
    measurements: tuple[Measurement, ...]
    capacity: Capacity | None = None
    capacity_per_s: float | None = None
    points: tuple[Point, ...] = ()
    void_reason: str | None = None
    doubts: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool | None:
        """Whether the objective was met; None where there was none, or the answer is a curve."""
        if self.objective is None or self.kind == "curve" or self.void_reason is not None:
            return None
        if self.kind == "search":
            return self.capacity is not None and self.capacity.rate_per_s is not None
        return all(self.objective.is_met_by(measured.evidence(self.objective)) for measured in self.believed)

    @property
    def believed(self) -> tuple[Measurement, ...]:
        """The runs that are not void."""
        return tuple(measured for measured in self.measurements if measured.void_reason is None)

    def to_json(self) -> dict[str, Any]:
        """Return the record; figures that are infinite or unknown are null."""
        record = {
            "schema": SCHEMA,
            "kind": self.kind,
            "version": self.version,
            "command": list(self.command),
            "finished_at": self.finished_at,
            "host": self.host,
            "target": self.target,
            "setup": self.setup,
            "objective": None if self.objective is None else self.objective.to_json(),
            "is_met": self.is_met,
            "void_reason": self.void_reason,
            "doubts": list(self.doubts),
            "capacity": None if self.capacity is None else self.capacity.to_json(),
            "capacity_per_s": self.capacity_per_s,
            "points": [asdict(point) for point in self.points],
            "summaries": [summary_of(measured, self.objective) for measured in self.measurements],
            "measurements": [measured.to_json() for measured in self.measurements],
        }
        finite: dict[str, Any] = _without_infinities(record)
        return finite

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidArgumentError
            If it is no such record, or of another schema.
        """
        if not isinstance(record, dict) or record.get("kind") not in KINDS:
            raise InvalidArgumentError("this is no record of `clipper bench`", hint="give a file that --output wrote")
        if record.get("schema") != SCHEMA:
            raise InvalidArgumentError(
                f"the record has schema {record.get('schema')!r}; this version reads {SCHEMA}",
                hint=f"render it with the version that wrote it: {record.get('version', '?')}",
            )
        capacity = record["capacity"]
        if capacity is not None:
            brackets = tuple(Bracket(**bracket) for bracket in capacity["brackets"])
            capacity = Capacity(**{**capacity, "brackets": brackets, "remarks": tuple(capacity["remarks"])})
        kept = ("kind", "version", "finished_at", "host", "target", "setup", "capacity_per_s", "void_reason")
        return cls(
            **{name: record[name] for name in kept},
            command=tuple(record["command"]),
            objective=None if record["objective"] is None else Objective(**record["objective"]),
            measurements=tuple(Measurement.from_json(measured) for measured in record["measurements"]),
            capacity=capacity,
            points=tuple(Point(**point) for point in record["points"]),
            doubts=tuple(record["doubts"]),
        )


def summary_of(measured: Measurement, objective: Objective | None) -> dict[str, Any]:
    """Return the figures of a run that most readers want, beside the histograms they come from."""
    run = measured.run
    summary = {
        "label": measured.label,
        "rate_per_s": run.rate_per_s,
        "is_void": measured.void_reason is not None,
        "scheduled": run.scheduled,
        "answered_per_s": run.completed_per_s,
        "failed": run.failed,
        **{f"p{str(percent).replace('.', '_')}_us": run.latency_us(percent) for percent in (50, 90, 99, 99.9)},
        "max_us": run.latency_us(100),
        "lag_p99_us": run.lag_p99_us,
    }
    if objective is not None:
        counts = measured.evidence(objective)
        summary |= {"misses": counts.misses, "goodput_per_s": run.goodput_per_s(objective.slo_us)}
        summary |= {"is_met": objective.is_met_by(counts)}
    return summary


def _without_infinities(value: Any) -> Any:
    """Return a JSON value with null for what JSON cannot write."""
    if isinstance(value, dict):
        return {key: _without_infinities(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_result(result: Result, file: Path) -> None:
    """Write the record."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")


def read_result(file: Path) -> Result:
    """Read a record back.

    Raises
    ------
    NotFoundError
        If the file cannot be read.
    InvalidArgumentError
        If it is no record of this schema.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(f"{str(file)!r} cannot be read: {error.strerror}") from error
    try:
        return Result.from_json(json.loads(text))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{str(file)!r} is no record of `clipper bench`: {error}", hint="give a .json file that --output wrote"
        ) from error
