"""What a row of the reliability table is: a function that breaks something, and the claims that it checks.

A row is registered where it is written, in a module of `bench.reliability.scenarios`::

    @row("freeze-replica", scenario="SIGSTOP a replica", claim="suspect in under 1 s; sibling carries on")
    def freeze_replica(bench: Bench) -> None:
        ...
        bench.check("suspect after", f"{suspect_ms:.0f} ms", suspect_ms < 1000, is_timed=True)
"""

from __future__ import annotations

import importlib
import pkgutil
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import bench.reliability.scenarios as families
from bench.reliability.containers import PROCESS

if TYPE_CHECKING:
    from bench.reliability.context import Bench

RowFunction = Callable[["Bench"], None]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    what, measured : str
        For people: "suspect after", "612 ms".
    is_timed : bool
        It measures how fast the machine is, too: shown and judged in the table, not asserted by tests, which may
        run beside anything.
    """

    what: str
    measured: str
    holds: bool
    is_timed: bool = False


@dataclass(frozen=True)
class Row:
    """A scenario with its claim, see `row`."""

    name: str
    family: str
    scenario: str
    claim: str
    run: RowFunction
    order: int
    needs: tuple[str, str] | None = None
    kinds: Collection[str] = (PROCESS,)
    in_docker: str = ""

    def scenario_in(self, kind: str) -> str:
        """Say what is done where replicas are of a kind."""
        return self.scenario if kind == PROCESS else self.in_docker or self.scenario

    @property
    def missing(self) -> str:
        """What this machine lacks for the row, with its install line; "" if nothing."""
        if self.needs is None or shutil.which(self.needs[0]) is not None:
            return ""
        return f"{self.needs[0]} is not installed: {self.needs[1]}"


_ROWS: Final[dict[str, Row]] = {}


def row(
    name: str,
    *,
    scenario: str,
    claim: str,
    order: int,
    needs: tuple[str, str] | None = None,
    kinds: Collection[str] = (PROCESS,),
    in_docker: str = "",
) -> Callable[[RowFunction], RowFunction]:
    """Register a function as a row.

    Parameters
    ----------
    name : str
        For the command line; unique.
    scenario, claim : str
        What is done, and what must hold: two cells of the table.
    order : int
        Place in the table; unique.
    needs : (str, str), optional
        A program without which it cannot run, and the line that installs it.
    kinds : collection of str
        The kinds of replicas that it is about, of `bench.reliability.containers.KINDS`.
    in_docker : str, optional
        What is done where they are Docker's, if that is said in other words.
    """

    def register(function: RowFunction) -> RowFunction:
        if name in _ROWS or any(other.order == order for other in _ROWS.values()):
            raise ValueError(f"the row {name!r} or its order {order} is there already")
        family = function.__module__.rpartition(".")[2]
        _ROWS[name] = Row(name, family, scenario, claim, function, order, needs, kinds, in_docker)
        return function

    return register


def load_rows(kind: str = PROCESS) -> dict[str, Row]:
    """Import every family and return the rows about replicas of a kind by name, in the order of the table."""
    for module in pkgutil.iter_modules(families.__path__):
        importlib.import_module(f"{families.__name__}.{module.name}")
    rows = sorted(_ROWS.values(), key=lambda row: row.order)
    return {row.name: row for row in rows if kind in row.kinds}
