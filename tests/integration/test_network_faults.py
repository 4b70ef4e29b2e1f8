"""A bad network between clients and the query port: when it is over, nothing of it is left in the worker."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import Callable, Iterator

import pytest
import uvloop

from bench.reliability.fault_proxy import Fault, FaultProxy
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.http_responses import parse_responses, post

COUNT = 40
LIMIT_US = 200_000
FAULTS: dict[str, Callable[[random.Random], Fault]] = {
    "reset within the request": lambda chance: Fault(request_bytes=chance.randrange(120)),
    "reset within the answer": lambda chance: Fault(answer_bytes=chance.randrange(150)),
    "silence": lambda chance: Fault(request_bytes=chance.choice((0, 20, 50, 100)), is_silent=True),
    "one byte a packet": lambda _: Fault(step_bytes=1),
    "2 KB windows": lambda _: Fault(window_bytes=2048),
    "garbage before HTTP": lambda chance: Fault(before=chance.randbytes(30)),
}
ANSWERED = ("one byte a packet", "2 KB windows")


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path(
        idle_timeout_us=LIMIT_US, request_timeout_us=LIMIT_US, linger_timeout_us=LIMIT_US, write_timeout_us=LIMIT_US
    ) as serving:
        serving.apply([application(cache=False)], [model()])
        serving.serving(lambda inputs: [one[0] for one in inputs])
        yield serving


def tasks_of(path: DataPath) -> int:
    """Count what is scheduled on the loop as a task; this question is one."""
    return int(path.call(lambda: len(asyncio.all_tasks())))


async def ask(proxy: FaultProxy, fault: Fault, number: float) -> bytes:
    loop, client = asyncio.get_running_loop(), await proxy.connect(fault)
    received = b""
    try:
        await loop.sock_sendall(client, post(json.dumps({"input": [number]}).encode()))
        client.shutdown(socket.SHUT_WR)  # one request: the end of the answers is the end of the connection
        while data := await loop.sock_recv(client, 65536):
            received += data
    except OSError:
        pass
    finally:
        client.close()
    return received


@pytest.mark.parametrize("kind", FAULTS)
def test_connections_over_a_bad_network_leave_nothing_behind(path: DataPath, kind: str) -> None:
    before, chance = tasks_of(path), random.Random(kind)

    async def run() -> list[bytes]:
        async with FaultProxy(path.port) as proxy:
            asking = [ask(proxy, FAULTS[kind](chance), number + 0.5) for number in range(COUNT)]
            answers = await asyncio.gather(*asking)
            await asyncio.to_thread(path.wait_until, lambda: is_quiet(path))
            return answers

    answers = uvloop.run(run())
    if kind in ANSWERED:
        outputs = [parse_responses(answer)[0].json["output"] for answer in answers]
        assert outputs == [number + 0.5 for number in range(COUNT)]
    assert tasks_of(path) == before
    assert path.ask({"input": [1.0]}).json["output"] == 1.0
    # That no connection object, slot or query is left is what the end of the data path checks.


def is_quiet(path: DataPath) -> bool:
    """Let the time limits be kept, as housekeeping does, and look whether every connection has come to its end."""
    path.core.server.sweep(time.monotonic_ns() // 1000)
    return path.core.server.open_connections == 0
