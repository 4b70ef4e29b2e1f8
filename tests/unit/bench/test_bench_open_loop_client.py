"""What bench.loadgen asks of the load client: requests in a file, and every default output and refusal a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.loadgen.open_loop import Arrivals, Expectation, OpenLoopRun, run_open_loop
from bench.loadgen.request import FIRST_COUNTER, Body, CounterForm, RequestTemplate
from bench.loadgen.wrk import LoadError
from tests.support.known_server import KnownServer, serving

ANYTHING = Expectation()
ECHO = RequestTemplate("/echo", (), (Body(b'{"input":[', b"]}"),), CounterForm.DIGITS)


def drive(
    server: KnownServer,
    directory: Path,
    rate_per_s: float = 500,
    duration_s: float = 0.5,
    connections: int = 8,
    expectation: Expectation = ANYTHING,
    template: RequestTemplate = ECHO,
) -> OpenLoopRun:
    file = directory / "requests"
    template.write(file, server.port)
    arrivals = Arrivals(rate_per_s, duration_s, 0.1, connections, 1, FIRST_COUNTER)
    return run_open_loop(server.port, file, arrivals, expectation)


def test_client_sends_the_rate_that_it_was_given(tmp_path: Path) -> None:
    with serving(KnownServer()) as server:
        run = drive(server, tmp_path)
    assert run.scheduled == pytest.approx(250, rel=0.3)
    assert run.completed == run.scheduled
    assert run.failed == 0


def test_inputs_are_unique_and_in_order_of_the_counter(tmp_path: Path) -> None:
    with serving(KnownServer()) as server:
        run = drive(server, tmp_path, connections=1)
    assert len(set(server.seen)) == len(server.seen)
    assert server.seen[0] == ECHO.body(FIRST_COUNTER)
    assert run.next_counter == FIRST_COUNTER + len(server.seen)


def test_repeated_template_sends_one_input_for_ever(tmp_path: Path) -> None:
    with serving(KnownServer()) as server:
        drive(server, tmp_path, template=ECHO.repeated())
    assert set(server.seen) == {ECHO.body(FIRST_COUNTER)}


def test_answer_without_the_counter_is_wrong(tmp_path: Path) -> None:
    server = KnownServer()
    server.answers = [b'{"output":1}']
    with serving(server):
        run = drive(server, tmp_path, expectation=Expectation(echoes_counter=True))
    assert run.completed == 0
    assert run.failures == {"wrong_answer": run.scheduled}


def test_default_answer_is_wrong_where_it_is_not_accepted(tmp_path: Path) -> None:
    server = KnownServer()
    server.answers = [b'{"default": true}']
    with serving(server):
        run = drive(server, tmp_path, expectation=Expectation(accept=('"default":false', '"default": false')))
    assert run.failures == {"wrong_answer": run.scheduled}
    assert run.latency_us(50) == float("inf")


def test_error_status_is_a_failure(tmp_path: Path) -> None:
    server = KnownServer()
    server.statuses = [b"503 Service Unavailable"]
    with serving(server):
        run = drive(server, tmp_path)
    assert run.failures == {"bad_status": run.scheduled}


def test_client_without_a_server_says_that_it_cannot_connect(tmp_path: Path) -> None:
    with serving(KnownServer()) as server:
        pass
    with pytest.raises(LoadError, match="cannot connect"):
        drive(server, tmp_path)
