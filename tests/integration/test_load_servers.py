"""The load client against real servers: a right one, a slow one, and those that answer wrong, stall, reset or leave."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipper.bench import load_client
from clipper.bench.arrivals import Constant, Poisson
from clipper.bench.histogram import bucket_bounds
from clipper.bench.keys import Repeated
from clipper.bench.load_run import OUTCOMES, LoadProgress, LoadRun, run_load
from clipper.bench.request_template import FIRST_COUNTER
from clipper.bench.targets import AnswerCheck, CounterForm, RequestTemplate, Target, join_targets, parse_target
from clipper.errors import InvalidArgumentError, StartError, UnavailableError
from tests.support.known_server import KnownServer, serving

ECHO = RequestTemplate("/echo", b'{"input":[', b"]}", counter=CounterForm.DIGITS)
ECHOES = AnswerCheck(echoes_counter=True)


def drive(server: KnownServer, check: AnswerCheck = ECHOES, request: RequestTemplate = ECHO, **more: Any) -> LoadRun:
    target = Target(f"http://127.0.0.1:{server.port}", (request,), check)
    options = {"rate_per_s": 400.0, "duration_s": 0.5, "connections": 8, **more}
    return run_load(target, options.pop("arrivals", Constant()), **options)


def only(run: LoadRun, *kinds: str) -> bool:
    return all((count > 0) == (kind in kinds) for kind, count in run.outcomes.items())


def test_every_arrival_is_sent_once_and_answered(tmp_path: Path) -> None:
    with serving(KnownServer()) as server:
        run = drive(server, warmup_s=0.1)
    assert run.scheduled == run.completed == 200 and only(run, "answered")
    assert server.seen[0] == ECHO.body(FIRST_COUNTER)
    assert sorted(server.seen) == [ECHO.body(FIRST_COUNTER + number) for number in range(240)]
    assert run.next_counter == FIRST_COUNTER + 240
    assert run.lag.total == 200 and run.elapsed_us > 590_000 and 0 < run.idle_ratio <= 1
    assert LoadRun.from_json(run.to_json()) == run


def test_requests_are_well_formed_and_sent_to_the_host_by_its_name() -> None:
    with serving(KnownServer()) as server:
        target = Target(f"http://localhost:{server.port}", (RequestTemplate("/x?y=1", b"abc", headers=(("A", "b"),)),))
        run = run_load(target, Constant(), rate_per_s=50, duration_s=0.1, connections=1)
    assert only(run, "answered")
    assert set(server.heads) == {
        f"POST /x?y=1 HTTP/1.1\r\nHost: localhost:{server.port}\r\nA: b\r\nContent-Length: 3\r\n\r\n".encode()
    }


@pytest.mark.needs_kernel_rights("IPv6 on the loopback interface", "grep -q ' lo$' /proc/net/if_inet6")
def test_ipv6_address_is_connected_to() -> None:
    with serving(KnownServer(), "::1") as server:
        target = parse_target(f"http://[::1]:{server.port}/x")
        run = run_load(target, Constant(), rate_per_s=50, duration_s=0.1, connections=2)
    assert only(run, "answered")
    assert server.heads[0].startswith(b"GET /x HTTP/1.1\r\nHost: [::1]:")
    assert b"ontent-" not in server.heads[0]


def test_several_threads_share_arrivals_and_connections() -> None:
    with serving(KnownServer()) as server:
        run = drive(server, threads=3, arrivals=Poisson())
    assert only(run, "answered")
    assert len(set(server.seen)) == len(server.seen) == run.scheduled
    assert server.connections == 8 + 1  # and the one that found out which address answers


def test_stall_of_the_server_shows_in_the_percentiles() -> None:
    """A closed loop would see one slow request a connection; an open loop counts all that should have been sent."""
    server = KnownServer()
    server.stall_at, server.stall_s = 100, 0.25
    with serving(server):
        run = drive(server, connections=4)
    assert run.latency_us(99) > 200_000
    waited_long = sum(count for bucket, count in run.latency.counts.items() if bucket_bounds(bucket)[0] > 125e6)
    assert waited_long >= 45  # of 100 arrivals in the stall half wait for more than half of it
    assert run.completed == run.scheduled
    assert run.misses(125_000) >= 45
    assert run.waited > 90


def test_slow_server_is_slow_from_the_scheduled_arrival_on() -> None:
    server = KnownServer()
    server.delay_s = 0.02
    with serving(server):
        run = drive(server, connections=4, duration_s=0.4, drain_s=10)
    # Four connections carry 200 requests/s at most: half of the arrivals queue up, and it is their latency that grows.
    assert run.latency_us(95) > 200_000
    assert run.goodput_per_s(20_000) < 50
    assert run.completed == run.scheduled


def test_answers_that_come_too_late_are_unanswered() -> None:
    server = KnownServer()
    server.is_silent_every = 4
    with serving(server):
        run = drive(server, rate_per_s=100, duration_s=0.4, connections=64, drain_s=1.0)
    assert run.outcomes["unanswered"] == 10
    assert run.latency_us(99) == float("inf")


def test_wrong_answers_are_told_apart_and_one_of_each_kind_is_shown() -> None:
    server = KnownServer()
    server.answers = [
        b'{"output": 1, "default": false}',
        b'{"output": 10, "default": false}',
        b'{"output": 1, "default": true}',
    ]
    with serving(server):
        target = parse_target(f"http://127.0.0.1:{server.port}/app/predict", inputs=[[1]], answers=[1])
        run = run_load(target, Constant(), rate_per_s=300, duration_s=0.3, connections=4)
    assert only(run, "answered", "wrong_answer", "default")
    assert run.outcomes["default"] == pytest.approx(30, abs=1)
    assert run.examples == {
        "default": '200 {"output": 1, "default": true}',
        "wrong_answer": '200 {"output": 10, "default": false}',
    }
    assert run.other_latency.total == run.outcomes["wrong_answer"] + run.outcomes["default"]


def test_refusals_are_told_from_errors() -> None:
    server = KnownServer()
    server.statuses = [b"429 Too Many Requests", b"503 Service Unavailable", b"500 Oops", b"204 No Content"]
    server.answers = [b""]
    with serving(server):
        run = drive(server, AnswerCheck(statuses=(200, 204)), rate_per_s=200)
    assert only(run, "answered", "rejected", "bad_status")
    assert run.outcomes["rejected"] == pytest.approx(50, abs=1)
    assert run.examples["bad_status"] == "500 "


def test_chunked_answers_are_put_together() -> None:
    server = KnownServer()
    server.is_chunked = True
    with serving(server):
        run = drive(server)
    assert only(run, "answered")


@pytest.mark.parametrize("way", ["hangs_up_every", "resets_every"])
def test_connection_that_breaks_loses_its_request_and_is_opened_again(way: str) -> None:
    server = KnownServer()
    setattr(server, way, 20)
    with serving(server):
        run = drive(server)
    assert run.outcomes["lost"] == 10
    assert run.completed == 190
    assert run.reconnects >= 10


def test_server_that_goes_away_leaves_its_requests_lost_or_unanswered() -> None:
    server = KnownServer()
    server.goes_away_at = 50
    with serving(server):
        run = drive(server, drain_s=0.1)
    assert run.completed == pytest.approx(49, abs=8)
    assert run.completed + run.outcomes["lost"] + run.outcomes["unanswered"] == run.scheduled
    assert run.outcomes["unanswered"] > 100


def test_binary_bodies_larger_than_a_socket_buffer_arrive_whole() -> None:
    image = np.arange(3 * 224 * 224, dtype=np.float32).reshape(3, 224, 224)
    with serving(KnownServer()) as server:
        target = parse_target(f"http://127.0.0.1:{server.port}/image", inputs=[image], is_unique=True)
        run = run_load(target, Constant(), rate_per_s=40, duration_s=0.5, connections=4, threads=2, drain_s=20)
    assert only(run, "answered")
    assert {len(body) for body in server.seen} == {image.nbytes}
    assert {body[4:] for body in server.seen} == {image.tobytes()[4:]}
    assert len({body[:4] for body in server.seen}) == 20


def test_keys_choose_which_inputs_are_asked_for_again() -> None:
    with serving(KnownServer()) as server:
        drive(server, keys=Repeated(4), connections=1)
    assert server.seen == [ECHO.body(FIRST_COUNTER + number // 4) for number in range(200)]


def test_groups_of_requests_are_counted_apart() -> None:
    with serving(KnownServer()) as server:
        url = f"http://127.0.0.1:{server.port}"
        good = parse_target(f"{url}/a", inputs=[[1], [2]], answers=["[1]", "[2]"], group="a")
        bad = parse_target(f"{url}/b", inputs=[[3]], answers=["[4]"], group="b")
        run = run_load(join_targets([good, bad]), Constant(), rate_per_s=400, duration_s=0.2, connections=4)
    assert only(run.groups["a"], "answered") and only(run.groups["b"], "wrong_answer")  # type: ignore[arg-type]
    assert run.groups["a"].scheduled == run.groups["b"].scheduled == 40
    assert run.outcomes["answered"] == 40


def test_client_that_was_stopped_for_a_while_lags_and_its_run_is_void() -> None:
    """SIGSTOP is what a machine without a processor to spare does to a load generator."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    stops = 0

    def stop_for_a_while(_: LoadProgress) -> None:
        nonlocal stops
        for pid in map(int, children.read_text().split()):
            if load_client.client_program().samefile(f"/proc/{pid}/exe"):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.1)
                os.kill(pid, signal.SIGCONT)
                stops += 1

    with serving(KnownServer()) as server:
        run = drive(server, duration_s=0.8, connections=64, on_progress=stop_for_a_while)
    assert stops >= 1
    assert run.lag_p99_us > 20_000
    assert run.void_reason is not None and "late" in run.void_reason


def test_progress_is_told_while_the_load_runs() -> None:
    heard: list[LoadProgress] = []
    with serving(KnownServer()) as server:
        drive(server, duration_s=1.1, on_progress=heard.append)
    assert len(heard) >= 2
    assert heard[0].total_s == 1.1 and 0.4 < heard[0].elapsed_s < heard[1].elapsed_s
    assert set(heard[0].outcomes) == set(OUTCOMES)
    assert heard[0].outcomes["answered"] <= heard[1].outcomes["answered"]


def test_who_stops_listening_to_the_progress_ends_the_load() -> None:
    def refuse(_: LoadProgress) -> None:
        raise KeyboardInterrupt

    with serving(KnownServer()) as server, pytest.raises(KeyboardInterrupt):
        drive(server, duration_s=60, on_progress=refuse)


def test_client_without_a_server_says_so() -> None:
    with serving(KnownServer()) as server:
        pass
    with pytest.raises(UnavailableError, match=f"cannot connect to 127.0.0.1:{server.port}: Connection refused"):
        drive(server)
    nowhere = parse_target("http://nowhere.invalid/x")
    with pytest.raises(UnavailableError, match=r"cannot resolve nowhere\.invalid"):
        run_load(nowhere, Constant(), rate_per_s=1, duration_s=1)


def test_client_that_was_not_built_is_named_with_what_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_client, "PROGRAM", tmp_path / "load_client")
    with pytest.raises(StartError, match="make build"):
        drive(KnownServer())


@pytest.mark.parametrize(
    "wrong",
    [
        {"threads": 0},
        {"threads": 9},
        {"connections": 65_537},
        {"warmup_s": -1.0},
        {"drain_s": float("inf")},
        {"first_counter": 9_999_999},
        {"first_counter": 100_000_000},
        {"rate_per_s": 0.0},
    ],
)
def test_argument_out_of_range_is_refused_before_anything_is_sent(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{next(iter(wrong))}|connections"):
        drive(KnownServer(), **wrong)
