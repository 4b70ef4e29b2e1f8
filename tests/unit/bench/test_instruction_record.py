"""The guard of instructions per query: reading profiles, comparing with the record, writing the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.document import replace_between
from bench.micro.callgrind_profile import ProfileError, parse_profile, read_dumps
from bench.micro.data_path_cases import CASES
from bench.micro.instructions_per_query import (
    DOCUMENT,
    RECORD,
    WRITTEN_BY,
    Record,
    compare,
    judge,
    render_section,
    render_table,
)
from bench.micro.query_cost import QueryCost, find_entry
from bench.micro.query_parts import NAMES, instructions_by_part, part_of
from bench.micro.toolchain import compiler_of, differences

CORE = "query_processor.cpython-311-x86_64-linux-gnu.so"
PROFILE = f"""\
# callgrind format
version: 1
events: Ir

ob=/somewhere/{CORE}
fl=???
fn=_ZN7clipper15PredictionCache4dropEj
0x1000 5
0x1004 7
cob=/lib/libc.so.6
cfn=malloc
calls=3 0x20
0x1008 900
0x100c 1
fn=finish'2
0x2000 10

ob=/lib/libc.so.6
fn=malloc
0x24 6
0x20 3
cfn=malloc'2
calls=99 0x20
0x28 50
fn=malloc'2
0x20 2
"""


def test_profile_instructions_are_self_costs_by_object_and_function() -> None:
    profile = parse_profile(PROFILE.splitlines(keepends=True))
    assert profile.instructions == {
        (CORE, "_ZN7clipper15PredictionCache4dropEj"): 13,
        (CORE, "finish"): 10,
        ("libc.so.6", "malloc"): 11,
    }


def test_profile_allocations_are_executions_of_the_first_instruction_not_calls() -> None:
    profile = parse_profile(PROFILE.splitlines())
    assert profile.entered == {"malloc": 5} and profile.allocations == 5


def test_profile_malloc_outside_of_the_c_library_is_no_allocation() -> None:
    assert parse_profile(["ob=ld-linux.so", "fn=malloc", "0x1 4"]).allocations == 0


@pytest.mark.parametrize("line", ["0x10 5", "+3 5", "0x10 5 7", "12 5"])
def test_profile_of_another_format_is_refused(line: str) -> None:
    with pytest.raises(ProfileError):
        parse_profile(["ob=a", line] if line == "0x10 5" else ["ob=a", "fn=b", line])


@given(st.dictionaries(st.sampled_from(["f", "g", "h"]), st.lists(st.integers(0, 10**9)), max_size=3))
def test_profile_total_is_the_sum_of_its_costs(costs: dict[str, list[int]]) -> None:
    lines = ["ob=x"]
    for name, counts in costs.items():
        lines += [f"fn={name}", *(f"0x{address:x} {count}" for address, count in enumerate(counts))]
    assert parse_profile(lines).instructions.total() == sum(map(sum, costs.values()))


def test_dumps_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in range(1, 12):
        (tmp_path / f"out.{number}").write_text(f"ob=x\nfn=f\n0x1 {number}\n")
    (tmp_path / "out").write_text("the last dump has no number and nothing in it\n")
    assert [profile.instructions.total() for profile in read_dumps(tmp_path / "out")] == list(range(1, 12))


@pytest.mark.parametrize(
    ("object_name", "function", "part"),
    [
        ("parser.cpython-311-x86_64-linux-gnu.so", "llhttp__internal__run", "HTTP parser (httptools)"),
        ("http_protocol.cpython-311-x86_64-linux-gnu.so", "on_url", "HTTP connection, route"),
        (CORE, "_ZN7clipper11InputReader8read_rowIdEEbm", "body parser"),
        (CORE, "_ZNK7clipper9KeyedHashclEmjmPKvm", "cache"),
        (CORE, "_ZN7clipper8SlotPool7acquireEm", "queue"),
        (CORE, "QueryProcessor_finish", "query: select, gather, reply"),
        ("rpc_server.cpython-311-x86_64-linux-gnu.so", "send_batch", "RPC"),
        ("rpc_unix.cpython-311-x86_64-linux-gnu.so", "on_readable", "RPC"),
        ("libpython3.11.so.1.0", "_PyObject_Malloc", "Python interpreter"),
        ("python3.12", "_PyObject_Malloc", "Python interpreter"),
        ("libstdc++.so.6.0.30", "to_chars", "C and C++ libraries"),
        ("???", "0x0000000004936730", "C and C++ libraries"),
    ],
)
def test_part_of_a_function_is_its_hop(object_name: str, function: str, part: str) -> None:
    assert part_of(object_name, function) == part


def test_parts_add_up_to_the_whole() -> None:
    profile = parse_profile(PROFILE.splitlines())
    by_part = instructions_by_part(profile)
    assert by_part.total() == profile.instructions.total() and set(by_part) <= set(NAMES)


def test_entry_is_the_python_wrapper_and_not_what_only_looks_like_it() -> None:
    wrapper = "_ZL63__pyx_pw_7clipper_5_core_11http_server_10HttpServer_13_end_turnP7_objectPKS0_lS0_"
    table = f"""\
0000000000004c00 d _ZL65__pyx_mdef_7clipper_5_core_11http_server_10HttpServer_13_end_turn
000000000000e4b0 t {wrapper}
000000000000e4c0 t _ZL63__pyx_pf_7clipper_5_core_11http_server_10HttpServer_12_end_turnP58__pyx_obj
000000000000e4d0 t _ZL63__pyx_pw_7clipper_5_core_11http_server_10HttpServer_15_end_turn_twiceP7_objectPKS0_lS0_
"""
    assert find_entry(table, "_end_turn") == [wrapper]


# -- the record ----------------------------------------------------------------------------------------------------


def cost(instructions: float = 1000.0, allocations: float = 10.0, mallocs: float = 1.0) -> QueryCost:
    return QueryCost(instructions, mallocs, allocations, {"cache": 400.0, "RPC": instructions - 400.0})


def record(**cases: QueryCost) -> Record:
    return Record({"compiler": "GCC 12"}, tolerance_ratio=0.05, allocation_tolerance=0.25, cases=cases)


@pytest.mark.parametrize(
    ("counted", "exit_code"),
    [
        (cost(), 0),
        (cost(instructions=1050.0), 0),
        (cost(instructions=1050.1), 1),
        (cost(allocations=10.25), 0),
        (cost(allocations=10.26), 1),
        (cost(mallocs=1.26), 1),
        (cost(instructions=1.0, allocations=0.0, mallocs=0.0), 0),
    ],
)
def test_growth_beyond_the_tolerance_fails_the_guard(counted: QueryCost, exit_code: int) -> None:
    assert judge(record(noop=cost()), {"noop": counted}, {"compiler": "GCC 12"}) == exit_code


def test_growth_with_another_toolchain_is_shown_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(record(noop=cost()), {"noop": cost(instructions=9000.0)}, {"compiler": "GCC 14"}) == 0
    printed = capsys.readouterr().out
    assert "GREW" in printed and "recorded with GCC 12, here GCC 14" in printed


def test_shrinking_by_more_than_the_tolerance_asks_for_a_new_record() -> None:
    by_figure = {c.figure: c for c in compare(record(noop=cost()), {"noop": cost(instructions=940.0)})}
    assert by_figure["instructions"].has_shrunk and not by_figure["allocations"].has_shrunk


def test_case_without_a_record_is_not_compared() -> None:
    assert compare(record(noop=cost()), {"linear": cost()}) == []


def test_toolchains_differ_in_what_one_of_them_lacks() -> None:
    assert differences({"a": "1", "b": "2"}, {"a": "1", "c": "3"}) == [
        "b: recorded with 2, here nothing",
        "c: recorded with nothing, here 3",
    ]


def test_compiler_is_read_from_the_object_file(tmp_path: Path) -> None:
    (tmp_path / "a.so").write_bytes(b"\x7fELF\0\0GCC: (Debian 12.2.0-14) 12.2.0\0")
    (tmp_path / "b.so").write_bytes(b"\x7fELF\0\0")
    assert compiler_of(tmp_path / "a.so") == "GCC: (Debian 12.2.0-14) 12.2.0"
    assert compiler_of(tmp_path / "b.so") == "unknown"


def test_record_survives_writing_and_reading() -> None:
    written = record(noop=cost(), linear=cost(5.5))
    assert Record.from_json(written.to_json()) == written


def test_table_leaves_out_parts_that_cost_nothing() -> None:
    table = render_table({"noop": cost()})
    assert "| cache | 400 |" in table and "| **all** | **1,000** |" in table and "body parser" not in table


def test_document_shows_the_record_that_is_checked_in() -> None:
    recorded = Record.from_json(RECORD.read_text())
    assert set(recorded.cases) == set(CASES)
    assert replace_between(DOCUMENT.read_text(), WRITTEN_BY, render_section(recorded)) == DOCUMENT.read_text()
