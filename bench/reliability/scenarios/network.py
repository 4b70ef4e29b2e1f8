"""Rows about the network between clients and the query port: what breaks there must leave nothing behind here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import uvloop

from bench.reliability.client import response_end
from bench.reliability.context import Bench
from bench.reliability.fault_proxy import Fault, FaultProxy
from bench.reliability.instance import DEFAULT, Instance
from bench.reliability.leaks import MAX_GROWTH_BYTES, check_footprint, settled
from bench.reliability.scenario import row
from clipper.config import HttpConfig

SLO_US: Final = 5_000_000  # the faults are the network's: nothing here is to be late
LIMITS: Final = HttpConfig(
    idle_timeout_us=2_000_000, request_timeout_us=1_000_000, write_timeout_us=1_000_000, linger_timeout_us=500_000
)
AT_ONCE: Final = 100  # connections that suffer side by side
SILENT_AT_ONCE: Final = 1000
WINDOW_BYTES: Final = 2048
LARGE_BATCH: Final = 300  # inputs of a request whose answer is many windows long
PAUSE_S: Final = 0.05  # between two queries beside, on a network without faults
SLACK: Final = 3  # connections that are no fault's: the query beside, and the questions of this row
GARBAGE: Final = (
    b"\x00" * 40,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS ClientHello begins so
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL",  # ZMTP
    b"hello?\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX\x01: y\r\n\r\n",
    b"x" * 20_000,
)


@dataclass(frozen=True)
class Outcome:
    """What came back on one connection: the responses' statuses, and how many predictions were defaults, or wrong."""

    statuses: tuple[int, ...]
    defaults: int = 0
    wrong: int = 0


@row(
    "network",
    scenario="network: reset, half-open, 1 byte a packet, 2 KB receive windows, garbage before HTTP; 10,000 of each",
    claim="no leak of connection, task, file descriptor or memory; whoever gets an answer gets the right one; "
    "queries beside are untouched",
    order=110,
)
def network_faults(bench: Bench) -> None:
    """The short form has a few hundred of each."""
    count = bench.pick(200, 10_000)
    with (
        _descriptors(),
        bench.own(http=LIMITS) as instance,
        instance.serving(SLO_US, container="noop") as app,
        Beside(instance.port, app) as beside,
    ):
        faults = Faults(bench, instance, app)
        for run in (faults.resets, faults.silences, faults.single_bytes, faults.small_windows, faults.garbage):
            faults.is_warming_up = True  # what is allocated once, and kept, is not a leak
            run(bench.pick(AT_ONCE, 1_000))
            faults.is_warming_up = False
            before = settled(bench, instance)
            run(count)
            if settled(bench, instance, before).frontend_bytes - before.frontend_bytes >= MAX_GROWTH_BYTES:
                before = settled(bench, instance)  # the first to need as much at once; a leak grows again
                run(count)
            name = run.__name__.replace("_", " ")
            check_footprint(bench, f"{count:,} {name}", before, instance)
    bench.check("queries beside", beside.summary(), beside.others == 0 and beside.answered > 0)


class Faults:
    """Clients of one application behind the proxy.

    Parameters
    ----------
    app : str
        Whose answers repeat their inputs.
    """

    def __init__(self, bench: Bench, instance: Instance, app: str) -> None:
        self._bench, self._instance, self._app = bench, instance, app
        self._random = random.Random(0)
        self._number = 0
        self.is_warming_up = False

    def resets(self, count: int) -> None:
        """The connection is reset anywhere: within the request, before the answer, within it, or after it."""

        def fault() -> Fault:
            if self._random.random() < 0.5:
                return Fault(request_bytes=self._random.randrange(200))
            return Fault(answer_bytes=self._random.randrange(300))

        outcomes = self._suffer(count, fault)
        self._expect("resets", outcomes, lambda one: not one.wrong and set(one.statuses) <= {200})

    def silences(self, count: int) -> None:
        """The other end is gone without a word: before, within and after the request, or while a long answer waits."""
        for done in range(0, count, SILENT_AT_ONCE):
            some = min(SILENT_AT_ONCE, count - done)
            self._suffer(some, self._silence, until=self._all_ended)

    def _silence(self) -> Fault:
        if self._random.random() < 0.2:
            return Fault(answer_bytes=self._random.randrange(300), is_silent=True)
        return Fault(request_bytes=self._random.choice((0, 20, 50, 70)), is_silent=True)

    def single_bytes(self, count: int) -> None:
        """One byte a packet, both ways."""
        outcomes = self._suffer(count, lambda: Fault(step_bytes=1))
        self._expect("1 byte a packet", outcomes, lambda one: not one.wrong and one.statuses == (200,))

    def small_windows(self, count: int) -> None:
        """A long answer through 2 KB windows."""
        outcomes = self._suffer(count, lambda: Fault(window_bytes=WINDOW_BYTES), inputs=LARGE_BATCH)
        self._expect("2 KB windows", outcomes, lambda one: not one.wrong and one.statuses == (200,))

    def garbage(self, count: int) -> None:
        """Something else comes before the request: it is refused, and nothing behind it is served."""
        outcomes = self._suffer(count, lambda: Fault(before=self._random.choice(GARBAGE)))
        refused = {(400,), (431,), (404, 400), (404,), (505,), ()}  # (): a reset has overtaken the refusal
        self._expect("garbage", outcomes, lambda one: one.statuses in refused)

    # -- how ---------------------------------------------------------------------------------------------------------

    def _suffer(
        self, count: int, fault: Callable[[], Fault], inputs: int = 1, until: Callable[[], bool] = lambda: True
    ) -> list[Outcome]:
        async def run() -> list[Outcome]:
            async with FaultProxy(self._instance.port) as proxy:
                places = asyncio.Semaphore(AT_ONCE)
                outcomes = await asyncio.gather(*(self._one(proxy, places, fault(), inputs) for _ in range(count)))
                while not until():
                    await asyncio.sleep(0.05)
                return outcomes

        return uvloop.run(run())

    async def _one(self, proxy: FaultProxy, places: asyncio.Semaphore, fault: Fault, inputs: int) -> Outcome:
        async with places:
            self._number += inputs
            numbers = [number + 0.5 for number in range(self._number, self._number + inputs)]
            client = await proxy.connect(fault)
            try:
                return await _ask(client, self._app, numbers)
            finally:
                client.close()

    def _all_ended(self) -> bool:
        """Whether the server has given up all that fell silent."""
        return self._instance.metric("clipper_http_connections_open") <= SLACK

    def _expect(self, what: str, outcomes: list[Outcome], is_expected: Callable[[Outcome], bool]) -> None:
        wrong = [one for one in outcomes if not is_expected(one)]
        if wrong or not self.is_warming_up:
            defaults = sum(one.defaults for one in outcomes)
            measured = f"{len(outcomes) - len(wrong):,} of {len(outcomes):,}"
            measured += f", {defaults} of their predictions by default" if defaults else ""
            self._bench.check(f"{what}: as expected", measured + (f"; {wrong[0]}" if wrong else ""), not wrong)


class Beside:
    """Queries one after another, each on a connection of its own, and none idle for a time limit to meet."""

    def __init__(self, port: int, app: str) -> None:
        self.answered = self.defaults = self.others = 0
        self._port, self._app = port, app
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def summary(self) -> str:
        """Return the counts in words."""
        return f"{self.answered:,} answered right, {self.defaults} by default, {self.others} otherwise"

    def _run(self) -> None:
        number = 0.25
        while not self._ended.wait(PAUSE_S):
            number += 1
            outcome = uvloop.run(self._query(number))
            self.defaults += outcome.defaults
            is_answered = outcome.statuses == (200,) and not outcome.wrong
            self.answered += is_answered and not outcome.defaults
            self.others += not is_answered

    async def _query(self, number: float) -> Outcome:
        with _connected(self._port) as client:
            return await _ask(client, self._app, [number])


def _connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.setblocking(False)
    return client


async def _ask(client: socket.socket, app: str, numbers: list[float]) -> Outcome:
    """Send one request, and read to its end or the connection's."""
    loop = asyncio.get_running_loop()
    body = json.dumps({"input": numbers} if len(numbers) == 1 else {"input_batch": [[one] for one in numbers]})
    head = f"POST /{app}/predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    received, defaults, wrong = bytearray(), 0, 0
    statuses: list[int] = []
    with contextlib.suppress(OSError):
        await loop.sock_sendall(client, (head + body).encode())
        while not statuses or statuses[-1] != 200:
            data = await loop.sock_recv(client, 1 << 16)
            if not data:
                break
            received += data
            while (ends := response_end(received))[1]:
                statuses.append(int(received[9:12]))
                if statuses[-1] == 200:
                    outputs = _outputs(bytes(received[ends[0] : ends[1]]))
                    defaults = outputs.count(DEFAULT)
                    right = sum(output == number for output, number in zip(outputs, numbers, strict=True))
                    wrong = len(numbers) - right - defaults
                del received[: ends[1]]
    return Outcome(tuple(statuses), defaults, wrong)


def _outputs(body: bytes) -> list[object]:
    answer = json.loads(body)
    parts = answer.get("batch_predictions", [answer])
    return [part["output"] for part in parts]


@contextlib.contextmanager
def _descriptors() -> Iterator[None]:
    """Allow this process as many descriptors as it may have: each silent connection holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
