"""Progress of processes during a run: what voids it, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipper.bench.watch import Finding, Sample, Sight, findings_of

FRONTEND, CONTAINER = (10, 1), (11, 1)
NAMES = {10: "frontend", 11: "container"}
INTERVAL_S = 0.2
ARRIVALS_S = np.arange(0.0, 6.0, 0.005)


def samples(
    frontend_ms: Sequence[float], container_ms: Sequence[float], container_states: dict[int, str | None] | None = None
) -> list[Sample]:
    """Return samples in which each process used so many ms between one and the next; a state of None: it is gone."""
    states = container_states or {}
    taken, used = [], [0.0, 0.0]
    for number in range(len(frontend_ms) + 1):
        if number:
            used = [used[0] + frontend_ms[number - 1], used[1] + container_ms[number - 1]]
        processes = {FRONTEND: Sight(round(used[0] * 1e6), "S")}
        state = states.get(number, "S")
        if state is not None:
            processes[CONTAINER] = Sight(round(used[1] * 1e6), state)
        taken.append(Sample(number * INTERVAL_S, processes))
    return taken


def judge(seen: list[Sample]) -> list[Finding]:
    return findings_of(seen, ARRIVALS_S, NAMES)


def test_processes_that_all_progress_leave_nothing_to_say() -> None:
    assert judge(samples([20] * 30, [50] * 30)) == []


def test_container_that_rests_while_others_go_on_voids_the_run() -> None:
    (found,) = judge(samples([20] * 30, [50] * 10 + [0.1] * 8 + [50] * 12))
    assert found.is_void
    assert "process 11 (container) stalled" in found.text


def test_stall_shorter_than_a_second_is_the_servers_own_business() -> None:
    assert judge(samples([20] * 30, [50] * 10 + [0.0] * 4 + [50] * 16)) == []


def test_whole_server_that_rests_is_a_doubt_and_not_a_void_run() -> None:
    (found,) = judge(samples([20] * 10 + [0] * 8 + [20] * 12, [50] * 10 + [0] * 8 + [50] * 12))
    assert not found.is_void
    assert "whole server" in found.text


def test_process_that_is_always_idle_cannot_stall() -> None:
    assert judge(samples([20] * 30, [0.1] * 10 + [0] * 8 + [0.1] * 12)) == []


def test_rest_in_a_pause_of_the_arrivals_is_no_stall() -> None:
    pause = np.concatenate([np.arange(0.0, 2.0, 0.005), np.arange(3.6, 6.0, 0.005)])
    seen = samples([20] * 30, [50] * 10 + [0] * 8 + [50] * 12)
    assert findings_of(seen, pause, NAMES) == []


def test_stopped_process_voids_the_run_whatever_it_used() -> None:
    (found,) = [f for f in judge(samples([20] * 30, [0] * 30, {12: "T"})) if "stopped" in f.text]
    assert found.is_void


def test_process_that_worked_and_ended_voids_the_run() -> None:
    gone: dict[int, str | None] = dict.fromkeys(range(15, 31), None)
    (found,) = judge(samples([20] * 30, [50] * 30, gone))
    assert found.is_void
    assert "ended" in found.text


def test_helper_that_did_nothing_may_end() -> None:
    gone: dict[int, str | None] = dict.fromkeys(range(15, 31), None)
    assert judge(samples([20] * 30, [0] * 30, gone)) == []


def test_pid_that_is_used_again_is_another_process() -> None:
    seen = samples([20] * 30, [50] * 30)
    again = [
        Sample(s.at_s, {key if key == FRONTEND or n < 10 else (11, 99): sight for key, sight in s.processes.items()})
        for n, s in enumerate(seen)
    ]
    assert any(found.is_void and "ended" in found.text for found in judge(again))


def test_nothing_watched_finds_nothing() -> None:
    assert findings_of([], ARRIVALS_S, NAMES) == []
