"""The short form of every row of docs/reliability.md, with real processes under constant load.

What depends on the machine's speed is measured and shown by ``python -m bench.reliability``; here only what must hold
however busy the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.reliability.__main__ import run_row
from bench.reliability.context import Bench
from bench.reliability.scenario import Row, load_rows

pytestmark = pytest.mark.timeout(180)


def cases() -> Iterator[object]:
    """Each row as a case; one that needs a program is left out where that is missing."""
    for row in load_rows().values():
        yield pytest.param(row, id=row.name, marks=[pytest.mark.optional(*row.needs)] if row.needs else [])


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    running = Bench()
    yield running
    running.close()


@pytest.mark.parametrize("row", list(cases()))
def test_short_form_of_the_row_holds(row: Row, bench: Bench) -> None:
    result = run_row(bench, row)
    assert result.error == ""
    assert [check for check in result.checks if not check.holds and not check.is_timed] == []
    assert result.checks, "a row that checks nothing"
