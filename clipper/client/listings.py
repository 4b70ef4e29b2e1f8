"""What there is, as small immutable records: applications, models, versions and replicas.

A `Listing` shows itself as a table, in a terminal and in a notebook.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar


class Record:
    """One row: made from an answer of the management API; keys that this version does not know are left out."""

    __slots__ = ()
    columns: ClassVar[tuple[str, ...]] = ()  # what a table shows

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Return the record of one JSON object."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]  # every subclass is a dataclass
        return cls(**{key: _frozen(value) for key, value in answer.items() if key in known})

    def _repr_html_(self) -> str:
        rows = ((name, getattr(self, name)) for name in self.__dataclass_fields__)  # type: ignore[attr-defined]
        cells = "".join(f"<tr><th>{name}</th><td>{_cell_html(value)}</td></tr>" for name, value in rows)
        return f"<table>{cells}</table>"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class ApplicationInfo(Record):
    """A query endpoint and its links."""

    columns = ("name", "input_type", "latency_slo_us", "default_output", "models")

    name: str
    input_type: str
    default_output: Any
    latency_slo_us: int
    models: tuple[str, ...] = ()
    max_slo_us: int = 0
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    on_miss: str = "default"
    policy: Mapping[str, Any] | None = None
    learning: Mapping[str, Any] | None = None
    cache: bool = True
    cache_ttl_us: int = 0


@dataclass(frozen=True, slots=True)
class VersionInfo(Record):
    """One version of a model, with the state of its replicas."""

    columns = ("name", "version", "is_current", "input_type", "container", "replicas", "ready_replicas")

    name: str
    version: str
    input_type: str
    container: str
    replicas: int  # that there should be
    ready_replicas: int = 0
    is_current: bool = False
    is_deployed: bool = False
    is_external: bool = False  # its containers are started by hand
    labels: tuple[str, ...] = ()
    description: str = ""
    resources: Mapping[str, int | str] = field(default_factory=dict)
    gpus: float | None = None  # of each replica; None: nothing was said
    waiting: str = ""  # what replicas wait for that are not started
    controller: str = field(default="aimd", repr=False)
    batch_size: int = field(default=0, repr=False)
    max_batch_size: int = field(default=0, repr=False)
    failures: int = 0  # of its replicas, in a row
    is_quarantined: bool = False
    last_failure: str = ""
    log_tail: str = field(default="", repr=False)  # of the replica that failed last

    @property
    def is_ready(self) -> bool:
        """Whether every replica that there should be is ready."""
        return self.is_deployed and self.ready_replicas >= self.replicas


@dataclass(frozen=True, slots=True)
class ModelInfo(Record):
    """A model with its versions."""

    columns = ("name", "current_version", "versions")

    name: str
    current_version: str | None  # which answers the queries that name none
    versions: tuple[VersionInfo, ...] = ()
    previous_versions: tuple[str, ...] = ()  # what `rollback` goes back to, the latest last

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Return the record of one JSON object."""
        versions = tuple(map(VersionInfo.from_answer, answer["versions"]))
        return cls(answer["name"], answer["current_version"], versions, tuple(answer.get("previous_versions", ())))


@dataclass(frozen=True, slots=True)
class ReplicaInfo(Record):
    """One living replica."""

    columns = ("replica_id", "state", "pid", "devices", "reason")

    replica_id: str  # model:version:index
    model: str
    version: str
    state: str
    pid: int = 0
    reason: str = ""
    devices: tuple[str, ...] = ()  # that it was given
    gpus: float = 0  # how many, or which share of the one


_Row = TypeVar("_Row", bound=Record)


class Listing(tuple[_Row, ...]):
    """An immutable sequence of records that shows itself as a table."""

    _columns: tuple[str, ...]

    def __new__(cls, kind: type[_Row], records: Iterable[_Row]) -> Self:
        """Take the records; ``kind`` says which columns an empty table has."""
        listing = super().__new__(cls, records)
        listing._columns = kind.columns
        return listing

    def __repr__(self) -> str:
        rows = [list(self._columns), *([_cell(getattr(row, name)) for name in self._columns] for row in self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self._columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{_cell_html(getattr(row, name))}</td>" for name in self._columns) + "</tr>"
            for row in self
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, VersionInfo):
        return value.version
    if isinstance(value, tuple):
        return ", ".join(map(_cell, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _cell_html(value: Any) -> str:
    return html.escape(_cell(value))
