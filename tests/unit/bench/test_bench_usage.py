"""Who used the processors: reading /proc, finding a family, splitting the time."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.procfs import wait_with_cpu
from clipper.bench.procfs import TICKS_PER_S, MachineCpu, ProcessStat, family, parse_stat, read_processes
from clipper.bench.usage import Snapshot, usage_between

OWN, SERVER, WORKER, OTHER, KERNEL = 100, 200, 201, 300, 40


def stat(pid: int, parent: int = 1, ticks: int = 0, session: int | None = None) -> ProcessStat:
    return ProcessStat(pid, parent, pid if session is None else session, ticks, 0)


def snapshot(at_s: float, busy: int, **ticks: int) -> Snapshot:
    processes = {
        OWN: stat(OWN, ticks=ticks.get("own", 0)),
        SERVER: stat(SERVER, OWN, ticks=ticks.get("server", 0)),
        WORKER: stat(WORKER, SERVER, ticks=ticks.get("worker", 0)),
        OTHER: stat(OTHER, ticks=ticks.get("other", 0)),
        KERNEL: stat(KERNEL, 2, ticks=ticks.get("kernel", 0)),
    }
    return Snapshot(processes, MachineCpu(busy, 0), frozenset({SERVER, WORKER}), at_s)


def test_stat_line_with_blanks_and_parentheses_in_the_name_is_read() -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    read = parse_stat(f"17 (a (b) c) S {fields}")
    assert (read.pid, read.parent) == (17, 4)
    assert read.cpu_ticks == 14 + 15
    assert read.session == 6


def test_family_holds_children_and_whoever_shares_a_session_with_them() -> None:
    processes = {
        1: stat(1, 0),
        10: stat(10, 1),
        11: stat(11, 10, session=10),
        12: stat(12, 11),
        13: stat(13, 1, session=10),  # its parent died, its session tells
        20: stat(20, 1),
    }
    assert family(processes, [10]) == {10, 11, 12, 13}


def test_family_of_a_dead_root_is_empty() -> None:
    assert family({}, [5]) == set()


def test_server_time_is_the_sum_over_its_processes() -> None:
    usage = usage_between(snapshot(0, 0), snapshot(10, 0, server=TICKS_PER_S, worker=2 * TICKS_PER_S), 0, OWN)
    assert usage.server_cpu_us == 3e6
    assert usage.server_cores == 0.3
    assert usage.other_cores == 0


def test_other_process_counts_as_other() -> None:
    usage = usage_between(snapshot(0, 0), snapshot(10, 0, other=5 * TICKS_PER_S), 0, OWN)
    assert usage.other_cores == 0.5


def test_busy_time_that_nobody_explains_counts_as_other() -> None:
    after = snapshot(10, 9 * TICKS_PER_S, server=TICKS_PER_S, own=TICKS_PER_S, kernel=TICKS_PER_S)
    usage = usage_between(snapshot(0, 0), after, load_cpu_us=2e6, own_pid=OWN)
    assert usage.other_cores == 0.4


def test_own_process_is_among_all_processes() -> None:
    assert read_processes()[os.getpid()].parent == os.getppid()


def test_child_that_computes_is_charged_with_its_time() -> None:
    script = "import time\nwhile time.process_time() < 0.2: pass\nprint('done')"
    child = subprocess.Popen([sys.executable, "-S", "-c", script], stdout=subprocess.PIPE, text=True)
    output, cpu = wait_with_cpu(child)
    assert output == "done\n"
    assert cpu.cpu_us >= 190_000
