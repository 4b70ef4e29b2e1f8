"""The harness catches what would make its figures wrong: with real sockets, real processes, the real load client."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from clipper.bench.arrivals import parse_arrivals
from clipper.bench.capacity import find_capacity
from clipper.bench.measure import Bench, Measurement, Setup
from clipper.bench.objective import Objective
from clipper.bench.procfs import command_line, read_processes
from clipper.bench.search import SearchOptions
from clipper.bench.targets import parse_target
from tests.support.bench_server import BenchServer, bench_server

OBJECTIVE = Objective(20_000)
PATIENT_US = 1e9  # on a busy machine the load client may be late; that is another test's matter
EXPECTED = b'"output":1'


def setup_of(server: BenchServer, duration_s: float = 1.0, most_lag_us: float = PATIENT_US) -> Setup:
    target = parse_target(server.url, form="json", inputs=("[1]",), accept=(EXPECTED,))
    return Setup(
        target,
        parse_arrivals("poisson"),
        duration_s=duration_s,
        warmup_s=0.2,
        connections=64,
        least_queries=50,
        roots=(server.pid,),
        is_local=True,
        most_lag_us=most_lag_us,
        most_other_cores=1e9,
    )


def once(share: float, act: Callable[[], None]) -> Callable[[float], None]:
    """Return a tick that acts when the run has come so far."""
    done: list[bool] = []

    def tick(seen: float) -> None:
        if seen >= share and not done:
            done.append(True)
            act()

    return tick


@pytest.fixture(scope="module")
def good_server() -> Iterator[BenchServer]:
    with bench_server() as server:
        yield server


def is_met(measured: Measurement) -> bool:
    return OBJECTIVE.is_met_by(measured.evidence(OBJECTIVE))


def test_good_server_is_measured_with_the_cost_of_each_process(good_server: BenchServer) -> None:
    measured = Bench(setup_of(good_server, 1.5)).measure(200, "run")
    assert measured.void_reason is None
    assert measured.run.failed == 0
    assert measured.run.completed == measured.run.scheduled > 200
    assert measured.cost is not None
    pids = {process.pid for process in measured.cost.processes}
    assert pids == {good_server.pid, good_server.container_pid}
    assert measured.cost.cpu_s_per_million > 100  # the container alone computes for 500 us a query
    assert measured.cost.peak_rss_bytes > 1 << 20


def test_slowed_server_misses_its_objective() -> None:
    with bench_server("--delay-ms", "30") as server:
        measured = Bench(setup_of(server)).measure(100, "run")
    assert measured.void_reason is None
    assert not is_met(measured)
    assert measured.run.latency_us(50) >= 30_000


def test_too_few_connections_for_the_rate_stand_among_the_doubts() -> None:
    with bench_server("--delay-ms", "30") as server:
        # More than there are requests: however long this machine pauses, none waits.
        enough = Bench(replace(setup_of(server), connections=512)).measure(100, "run")
        one = Bench(replace(setup_of(server), connections=1)).measure(100, "run")
    assert not any("connections" in doubt for doubt in enough.doubts)
    assert any("found all 1 connections in use" in doubt for doubt in one.doubts)


def test_pause_of_a_server_costs_everybody_who_would_have_come_meanwhile() -> None:
    with bench_server("--pause-at", "80", "--pause-ms", "400") as server:
        measured = Bench(setup_of(server, 2.0)).measure(200, "run")
    assert measured.run.failed == 0
    # About 80 of 400 arrived in the pause; a client that waited for answers would have seen one.
    assert measured.run.misses(OBJECTIVE.slo_us) > 40


def test_wrong_answers_are_misses() -> None:
    with bench_server("--wrong-every", "10") as server:
        measured = Bench(setup_of(server)).measure(200, "run")
    assert measured.run.outcomes["wrong_answer"] == pytest.approx(measured.run.scheduled / 10, rel=0.5)
    assert not is_met(measured)
    assert '{"output": 2}' in measured.run.examples["wrong_answer"]


def test_container_that_stalls_voids_the_run(good_server: BenchServer) -> None:
    stall = once(0.25, lambda: os.kill(good_server.container_pid, signal.SIGUSR1))
    measured = Bench(setup_of(good_server, 3.4), stall).measure(200, "run")
    assert measured.run.failed == 0  # nobody who looks at answers alone would see it
    assert measured.void_reason is not None
    assert f"process {good_server.container_pid}" in measured.void_reason and "stalled" in measured.void_reason
    assert measured.conclusive_evidence(OBJECTIVE, 1e9) is None


def test_container_that_is_stopped_voids_the_run(good_server: BenchServer) -> None:
    stop = once(0.2, lambda: os.kill(good_server.container_pid, signal.SIGSTOP))
    try:
        measured = Bench(setup_of(good_server, 1.5), stop).measure(100, "run")
    finally:
        os.kill(good_server.container_pid, signal.SIGCONT)
    assert "was stopped" in (measured.void_reason or "")
    assert not measured.is_clients_fault


def test_container_that_dies_voids_the_run_and_three_such_runs_end_a_search() -> None:
    with bench_server() as server:
        kill = once(0.3, lambda: os.kill(server.container_pid, signal.SIGKILL))
        measured = Bench(setup_of(server, 1.5), kill).measure(200, "run")
        assert "ended" in (measured.void_reason or "")

    with bench_server() as server:
        os.kill(server.container_pid, signal.SIGSTOP)
        found = find_capacity(Bench(setup_of(server, 0.4)), OBJECTIVE, SearchOptions(), lambda *_: None)
    assert found.capacity is None
    assert "was stopped" in (found.void_reason or "")
    assert len(found.measurements) == 3


def load_client() -> int:
    """Return the pid of the load client that this process runs."""
    own = os.getpid()
    (pid,) = [
        pid for pid, stat in read_processes().items() if stat.parent == own and "load_client" in command_line(pid)
    ]
    return pid


def test_generator_that_lags_voids_the_run(good_server: BenchServer) -> None:
    def hold_up() -> None:
        pid = load_client()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.3)  # so long it is late
        os.kill(pid, signal.SIGCONT)

    bench = Bench(setup_of(good_server, 2.0, most_lag_us=2_000), once(0.3, hold_up))
    measured = bench.measure(200, "run")
    assert measured.is_clients_fault
    assert "late" in (measured.void_reason or "")
    assert measured.conclusive_evidence(OBJECTIVE, 1e9) is None


def test_search_finds_the_limit_of_a_server_that_has_one() -> None:
    # 64 connections and 100 ms an answer are 640 requests a second, whatever the machine can do.
    slow = Objective(150_000)
    with bench_server("--delay-ms", "100") as server:
        how = SearchOptions(first_rate_per_s=300, repeats=1, resolution_ratio=1.5, most_runs_per_rate=2)
        found = find_capacity(Bench(setup_of(server, 0.3)), slow, how, lambda *_: None)
    assert found.capacity is not None
    assert found.capacity.rate_per_s is not None
    assert 300 <= found.capacity.rate_per_s < 750
    assert found.capacity.limited_by == "server"
