"""The rows of the table, and in which order subjects are measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.subjects.subject import Role, Subject
from bench.traffic import Traffic
from bench.workloads import MIX, Part, Workload

EVERYBODY = frozenset(Role)
WITH_A_MODEL = EVERYBODY - {Role.FLOOR}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    connections : int
        Of the closed loop; 0 for the open-loop rows.
    traffic : Traffic
        Which inputs follow each other.
    mix : tuple of Part
        The applications that are queried at once, of which `workload` is the first; empty: one alone.
    quick : frozenset of str
        Names of the subjects that `--quick` measures here; empty: all.
    """

    name: str
    title: str
    workload: Workload
    connections: int
    roles: frozenset[Role] = EVERYBODY
    traffic: Traffic = Traffic.UNIQUE
    mix: tuple[Part, ...] = ()
    quick: frozenset[str] = frozenset()

    @property
    def is_open_loop(self) -> bool:
        """Whether it is a search for the highest rate."""
        return self.connections == 0

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Every workload that a subject must serve for it."""
        return tuple(part.workload for part in self.mix) or (self.workload,)

    def takes(self, subject: type[Subject]) -> bool:
        """Whether a subject can be measured on it."""
        return subject.role in self.roles and all(workload in subject.paths for workload in self.workloads)

    def is_quick_for(self, subject: type[Subject]) -> bool:
        """Whether a smoke run measures the subject here."""
        return (not self.quick or subject.name in self.quick) and subject.quick_workloads.issuperset(self.workloads)


# Searches are the dearest cells: a smoke run makes them where a bar needs them, and where something is there to see.
SEARCHED_QUICKLY = frozenset({"clipper", "triton", "mosec"})
CACHING = frozenset({"clipper", "triton", "granian"})
ONE_AT_A_TIME = frozenset(
    {"nginx", "uvloop", "zeromq", "triton", "clipper", "mosec", "granian", "blacksheep", "fastapi"}
)

NOOP_C1 = Row("noop-c1", "NOOP, c=1", Workload.NOOP, 1, quick=ONE_AT_A_TIME)
NOOP_C32 = Row("noop-c32", "NOOP, c=32", Workload.NOOP, 32, quick=frozenset({"clipper"}))
NOOP_C128 = Row("noop-c128", "NOOP, c=128", Workload.NOOP, 128)
HIT_C128 = Row(
    "hit-c128", "same input again, c=128", Workload.NOOP, 128, frozenset({Role.OURS}), traffic=Traffic.REPEATED
)
LINEAR_C128 = Row("linear-c128", "LINEAR, c=128", Workload.LINEAR, 128)
BINARY_C128 = Row("linear-binary-c128", "LINEAR, binary body, c=128", Workload.LINEAR_BINARY, 128)
TEXT_C128 = Row("text-c128", "TEXT, c=128", Workload.TEXT, 128, WITH_A_MODEL)
IMAGE_C8 = Row("image-c8", "IMAGE, binary body, c=8", Workload.IMAGE, 8)
TREES_C128 = Row("trees-c128", "TREES, c=128", Workload.TREES, 128, WITH_A_MODEL)
ZIPF_C128 = Row(
    "trees-zipf-c128", "TREES, Zipf keys, c=128", Workload.TREES, 128, WITH_A_MODEL, Traffic.ZIPF, quick=CACHING
)
DUPLICATES_C128 = Row(
    "trees-duplicates-c128",
    "TREES, duplicates in flight, c=128",
    Workload.TREES,
    128,
    WITH_A_MODEL,
    Traffic.DUPLICATES,
    quick=CACHING,
)
NETWORK_C128 = Row("network-c128", "NETWORK, c=128", Workload.NETWORK, 128, WITH_A_MODEL)
OPEN_LOOP = Row(
    "noop-open-loop", "NOOP, open loop, p99 < 20 ms", Workload.NOOP, 0, WITH_A_MODEL, quick=SEARCHED_QUICKLY
)
MIXED_OPEN_LOOP = Row(
    "mixed-open-loop",
    "NOOP, TREES and LINEAR at once, open loop, each p99 < its SLO",
    Workload.NOOP,
    0,
    WITH_A_MODEL,
    mix=MIX,
    quick=SEARCHED_QUICKLY,
)

# What is measured in one life of a subject, so that the figures that are compared lie close together in time.
BLOCKS: tuple[tuple[Row, ...], ...] = (
    (NOOP_C1, NOOP_C32, NOOP_C128, HIT_C128),
    (LINEAR_C128, BINARY_C128, IMAGE_C8),
    (TEXT_C128, NETWORK_C128),
    (TREES_C128, ZIPF_C128, DUPLICATES_C128),
    (OPEN_LOOP,),
    (MIXED_OPEN_LOOP,),
)
ROWS: tuple[Row, ...] = tuple(row for block in BLOCKS for row in block)


@dataclass(frozen=True)
class Step:
    """One life of one subject: started, measured on some rows, stopped."""

    round: int
    subject: type[Subject]
    rows: tuple[Row, ...]


def plan(subjects: Sequence[type[Subject]], rounds: int, wanted: frozenset[str], is_quick: bool = False) -> list[Step]:
    """Return the steps of a run: block by block, subject by subject, each second round in reverse order.

    Parameters
    ----------
    wanted : frozenset of str
        Names of the rows to measure.
    is_quick : bool
        One life of each subject for all its rows, and only what row and subject say of a smoke run.
    """
    forward = []
    for block in [ROWS] if is_quick else BLOCKS:
        for subject in subjects:
            rows = tuple(
                row
                for row in block
                if row.name in wanted and row.takes(subject) and (not is_quick or row.is_quick_for(subject))
            )
            if rows:
                forward.append((subject, rows))
    steps = []
    for number in range(1, rounds + 1):
        order = forward if number % 2 else forward[::-1]
        steps += [Step(number, subject, rows) for subject, rows in order]
    return steps
