"""The rows of the table, and in which order subjects are measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.subjects.subject import Role, Subject
from bench.workloads import Workload

EVERYBODY = frozenset(Role)
WITH_A_MODEL = EVERYBODY - {Role.FLOOR}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    connections : int
        Of the closed loop; 0 for the open-loop row.
    is_repeated : bool
        The same input again and again, so that a prediction cache answers.
    """

    name: str
    title: str
    workload: Workload
    connections: int
    roles: frozenset[Role] = EVERYBODY
    is_repeated: bool = False

    @property
    def is_open_loop(self) -> bool:
        """Whether it is a search for the highest rate."""
        return self.connections == 0


NOOP_C1 = Row("noop-c1", "NOOP, c=1", Workload.NOOP, 1)
NOOP_C32 = Row("noop-c32", "NOOP, c=32", Workload.NOOP, 32)
NOOP_C128 = Row("noop-c128", "NOOP, c=128", Workload.NOOP, 128)
HIT_C128 = Row("hit-c128", "same input again, c=128", Workload.NOOP, 128, frozenset({Role.OURS}), is_repeated=True)
LINEAR_C128 = Row("linear-c128", "LINEAR, c=128", Workload.LINEAR, 128)
BINARY_C128 = Row("linear-binary-c128", "LINEAR, binary body, c=128", Workload.LINEAR_BINARY, 128)
OPEN_LOOP = Row("noop-open-loop", "NOOP, open loop, p99 < 20 ms", Workload.NOOP, 0, WITH_A_MODEL)

# What is measured in one life of a subject, so that the figures that are compared lie close together in time.
BLOCKS: tuple[tuple[Row, ...], ...] = (
    (NOOP_C1, NOOP_C32, NOOP_C128, HIT_C128),
    (LINEAR_C128, BINARY_C128),
    (OPEN_LOOP,),
)
ROWS: tuple[Row, ...] = tuple(row for block in BLOCKS for row in block)


@dataclass(frozen=True)
class Step:
    """One life of one subject: started, measured on some rows, stopped."""

    round: int
    subject: type[Subject]
    rows: tuple[Row, ...]


def plan(subjects: Sequence[type[Subject]], rounds: int, wanted: frozenset[str]) -> list[Step]:
    """Return the steps of a run: block by block, subject by subject, each second round in reverse order.

    Parameters
    ----------
    wanted : frozenset of str
        Names of the rows to measure.
    """
    forward = []
    for block in BLOCKS:
        for subject in subjects:
            rows = tuple(
                row
                for row in block
                if row.name in wanted and subject.role in row.roles and row.workload in subject.paths
            )
            if rows:
                forward.append((subject, rows))
    steps = []
    for number in range(1, rounds + 1):
        order = forward if number % 2 else forward[::-1]
        steps += [Step(number, subject, rows) for subject, rows in order]
    return steps
