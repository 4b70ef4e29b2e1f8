"""The compiled open-loop client against a server whose delays are known."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.loadgen.open_loop import Arrivals, Expectation, OpenLoopRun, build_client, run_open_loop
from bench.loadgen.request import FIRST_COUNTER, Body, CounterForm, RequestTemplate
from bench.loadgen.wrk import LoadError

ANYTHING = Expectation()
ECHO = RequestTemplate("/echo", (), (Body(b'{"input":[', b"]}"),), CounterForm.DIGITS)


class KnownServer:
    """Answers each POST with its body; may stall once, or answer wrong, as a test asks."""

    def __init__(self) -> None:
        self.answer: bytes | None = None  # instead of the body
        self.status = b"200 OK"
        self.stall_at = 0  # before the answer to this request, counted from 1, the whole server stands still
        self.stall_s = 0.0
        self.hangs_up_every = 0
        self.seen: list[bytes] = []
        self.port = 0
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.seen.append(body)
                if len(self.seen) == self.stall_at:
                    time.sleep(self.stall_s)  # noqa: ASYNC251 - a stall of the whole process is what is wanted
                if self.hangs_up_every and len(self.seen) % self.hangs_up_every == 0:
                    return
                answer = body if self.answer is None else self.answer
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(answer), answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.writers.discard(writer)
            writer.close()


@contextmanager
def serving(server: KnownServer) -> Iterator[KnownServer]:
    started, stop = threading.Event(), threading.Event()

    async def main() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=512)
        server.port = listening.sockets[0].getsockname()[1]
        started.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        listening.close()
        for writer in list(server.writers):
            writer.close()  # whoever still reads from it sees its end
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        stop.set()
        thread.join()


def drive(
    server: KnownServer,
    directory: Path,
    rate_per_s: float = 500,
    duration_s: float = 1.0,
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
    assert run.scheduled == pytest.approx(500, rel=0.25)
    assert run.completed == run.scheduled
    assert run.failed == 0


def test_stall_of_the_server_shows_in_the_percentiles(tmp_path: Path) -> None:
    """A closed loop would see one slow request a connection; an open loop counts all that should have been sent."""
    server = KnownServer()
    server.stall_at, server.stall_s = 300, 0.3
    with serving(server):
        run = drive(server, tmp_path, connections=4)
    assert run.latency_us(99) > 250_000
    # 150 of 500 arrivals fall into the stall, and half of these wait for more than half of it.
    waited_long = sum(count for bucket, count in run.latency.counts.items() if bucket >= 0 and _us(bucket) > 150_000)
    assert waited_long > 40
    assert run.completed == run.scheduled


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
    server.answer = b'{"output":1}'
    with serving(server):
        run = drive(server, tmp_path, expectation=Expectation(echoes_counter=True))
    assert run.completed == 0
    assert run.failures == {"wrong_answer": run.scheduled}


def test_default_answer_is_wrong_where_it_is_not_accepted(tmp_path: Path) -> None:
    server = KnownServer()
    server.answer = b'{"default": true}'
    with serving(server):
        run = drive(server, tmp_path, expectation=Expectation(accept=('"default":false', '"default": false')))
    assert run.failures == {"wrong_answer": run.scheduled}
    assert run.latency_us(50) == float("inf")


def test_accepted_text_makes_an_answer_good(tmp_path: Path) -> None:
    server = KnownServer()
    server.answer = b'{"default": false}'
    with serving(server):
        run = drive(server, tmp_path, expectation=Expectation(accept=('"default":false', '"default": false')))
    assert run.completed == run.scheduled


def test_error_status_is_a_failure(tmp_path: Path) -> None:
    server = KnownServer()
    server.status = b"503 Service Unavailable"
    with serving(server):
        run = drive(server, tmp_path)
    assert run.failures == {"bad_status": run.scheduled}


def test_connection_that_is_closed_loses_its_request_and_is_opened_again(tmp_path: Path) -> None:
    server = KnownServer()
    server.hangs_up_every = 50
    with serving(server):
        run = drive(server, tmp_path)
    assert run.failures["lost"] == pytest.approx(run.scheduled / 50, abs=4)
    assert run.completed == run.scheduled - run.failures["lost"]


def test_client_without_a_server_says_that_it_cannot_connect(tmp_path: Path) -> None:
    with serving(KnownServer()) as server:
        pass
    with pytest.raises(LoadError, match="cannot connect"):
        drive(server, tmp_path)


def test_client_is_built_once_for_the_same_source() -> None:
    first = build_client()
    built_at = first.stat().st_mtime_ns
    assert build_client() == first
    assert first.stat().st_mtime_ns == built_at


def _us(bucket: int) -> float:
    from bench.loadgen.histogram import bucket_bounds

    return bucket_bounds(bucket)[0] / 1e3
