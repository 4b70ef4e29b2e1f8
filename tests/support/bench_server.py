"""A server to be measured that misbehaves as told: ``python -m tests.support.bench_server --delay-ms 30``.

It prints its port, and the pid of its "container": a process that gets a byte of each request and computes for a while,
as one behind a server does, though nobody waits for its answer. SIGUSR1 makes that process rest for a while.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.repository import ROOT

RIGHT, WRONG = b'{"output": 1}', b'{"output": 2}'
REST_S = 1.8
COMPUTE_S = 0.0005


@dataclass(frozen=True)
class BenchServer:
    """A running one."""

    url: str
    pid: int
    container_pid: int


@contextlib.contextmanager
def bench_server(*arguments: str) -> Iterator[BenchServer]:
    """Run one in processes of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.bench_server", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    container_pid = 0
    try:
        port, container_pid = (int(word) for word in process.stdout.readline().split())
        yield BenchServer(f"http://127.0.0.1:{port}/predict", process.pid, container_pid)
    finally:
        for pid in (process.pid, container_pid):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def compute(pipe: int) -> None:
    """Be the container, until the pipe ends."""
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(REST_S))
    while work := os.read(pipe, 64):
        end_s = time.process_time() + COMPUTE_S * len(work)
        while time.process_time() < end_s:
            pass


class Answers(asyncio.Protocol):
    """Answers each request; bodies arrive with their head, as the requests here are small."""

    count = 0

    def __init__(self, options: argparse.Namespace, pipe: int) -> None:
        self._options, self._pipe = options, pipe

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b" HTTP/1.1\r\n")):
            Answers.count += 1
            with contextlib.suppress(BlockingIOError):  # a container that rests holds nobody up
                os.write(self._pipe, b".")
            if Answers.count == self._options.pause_at:
                time.sleep(self._options.pause_ms / 1000)
            every = self._options.wrong_every
            body = WRONG if every and Answers.count % every == 0 else RIGHT
            answer = b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%s" % (self._options.status, len(body), body)
            asyncio.get_running_loop().call_later(self._options.delay_ms / 1000, self._transport.write, answer)


async def serve(options: argparse.Namespace, pipe: int, container_pid: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answers(options, pipe), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]} {container_pid}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--delay-ms", "--wrong-every", "--pause-at", "--pause-ms"):
        parser.add_argument(name, type=int, default=0)
    parser.add_argument("--status", type=int, default=200)
    options = parser.parse_args()
    read, write = os.pipe()
    os.set_blocking(write, False)
    container_pid = os.fork()
    if container_pid == 0:
        os.close(write)
        compute(read)
        os._exit(0)
    os.close(read)
    asyncio.run(serve(options, write, container_pid))


if __name__ == "__main__":
    main()
