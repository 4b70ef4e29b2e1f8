"""The guard of single operations, and what is timed of HTTP: reading counts, comparing, the table; no counting here."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from bench.document import replace_between
from bench.micro.callgrind_profile import Profile
from bench.micro.http_bench import Bench, Case, cases, check, cpu_us
from bench.micro.instructions_per_operation import (
    MALLOC_TOLERANCE,
    RECORD,
    SOURCE,
    TITLES,
    WRITTEN_BY,
    OperationCost,
    Record,
    compare,
    costs,
    judge,
    render_section,
)
from bench.micro.instructions_per_query import DOCUMENT
from bench.micro.query_cost import MeasurementError

MADE_BY = {"compiler": "GCC 12"}


def profile(instructions: int, mallocs: int = 0) -> Profile:
    return Profile(Counter({("program", "f"): instructions}), Counter({"malloc": mallocs}))


def record(**operations: OperationCost) -> Record:
    return Record(MADE_BY, operations)


def test_operation_costs_what_lies_between_its_marks_over_how_often_it_ran() -> None:
    found = costs("parse 10\nput 4\n", [profile(999), profile(500), profile(777), profile(44, mallocs=4)])
    assert found == {"parse": OperationCost(50.0, 0.0), "put": OperationCost(11.0, 1.0)}


def test_dumps_that_do_not_fit_the_operations_are_refused() -> None:
    with pytest.raises(MeasurementError, match="3 dumps for 1 operations"):
        costs("parse 10\n", [profile(1)] * 3)


@pytest.mark.parametrize(
    ("counted", "exit_code"),
    [
        (OperationCost(1050.0, 1.0), 0),
        (OperationCost(1050.1, 1.0), 1),
        (OperationCost(1000.0, 1.0 + MALLOC_TOLERANCE), 0),
        (OperationCost(1000.0, 1.2), 1),
        (OperationCost(10.0, 0.0), 0),
    ],
)
def test_operation_that_grew_beyond_the_tolerance_fails_the_guard(counted: OperationCost, exit_code: int) -> None:
    assert judge(record(parse=OperationCost(1000.0, 1.0)), record(parse=counted)) == exit_code


def test_growth_with_another_compiler_is_shown_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    counted = Record({"compiler": "GCC 14"}, {"parse": OperationCost(9000.0, 1.0)})
    assert judge(record(parse=OperationCost(1000.0, 1.0)), counted) == 0
    printed = capsys.readouterr().out
    assert "GREW" in printed and "recorded with GCC 12, here GCC 14" in printed


def test_operation_without_a_record_is_not_compared() -> None:
    assert compare({}, {"parse": OperationCost(1.0, 0.0)}) == []


def test_every_operation_of_the_program_has_a_title_and_a_record() -> None:
    counted = re.findall(r'^  count\("(\w+)"', SOURCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert counted == list(TITLES)
    assert list(Record.from_json(RECORD.read_text(encoding="utf-8")).operations) == counted


def test_document_shows_the_recorded_operations() -> None:
    recorded = Record.from_json(RECORD.read_text(encoding="utf-8"))
    text = DOCUMENT.read_text(encoding="utf-8")
    assert replace_between(text, WRITTEN_BY, render_section(recorded)) == text
    assert Record.from_json(recorded.to_json()) == recorded


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_request_that_is_timed_is_answered(case: Case) -> None:
    bench = Bench(case.connections)
    check(case, bench)
    check(case, bench)
    assert bench.server.requests_total == 2 * case.requests * case.connections


def test_request_without_an_answer_is_not_timed() -> None:
    with pytest.raises(RuntimeError, match="1 requests were answered by b''"):
        cpu_us(Case("half a request", [b"POST /noop/predict HTTP/1.1\r\n"]), rounds=1)
