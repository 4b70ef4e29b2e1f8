"""The control channel against scripted workers on a real Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clipper.errors import InvalidArgumentError, ServerError, UnavailableError
from clipper.management.control_channel import LISTENED, ControlChannel
from clipper.types import ReplicaId

LIMIT_US = 10_000_000


class Worker:
    """One scripted worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, path: Path, index: int = 0) -> Worker:
        worker = cls(*await asyncio.open_unix_connection(path))
        worker.tell({"type": "hello", "worker": index, "pid": 1, "rpc_address": f"ipc://rpc-{index}"})
        return worker

    def tell(self, message: Any) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self._reader.readline(), 10)
        message: dict[str, Any] = json.loads(line) if line else {}
        return message

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Scene:
    """A channel, and what it has told."""

    def __init__(self, path: Path, worker_count: int) -> None:
        self.path = path
        self.sessions: list[tuple[str, int, str, str]] = []
        self.workers: asyncio.Queue[tuple[int, int | None]] = asyncio.Queue()
        self.channel = ControlChannel(
            worker_count,
            lambda: {"type": "snapshot", "revision": 3},
            lambda *report: self.sessions.append(report),
            lambda count, lost: self.workers.put_nowait((count, lost)),
        )


def play(script: Callable[[Scene], Awaitable[None]], worker_count: int = 1) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            scene = Scene(Path(directory) / "control.sock", worker_count)
            await scene.channel.start(scene.path)
            try:
                await asyncio.wait_for(script(scene), 30)
            finally:
                await scene.channel.close()

    asyncio.run(main())


def test_worker_that_connects_gets_the_present_snapshot() -> None:
    async def script(scene: Scene) -> None:
        worker = await Worker.connect(scene.path)
        assert await worker.hear() == {"type": "snapshot", "revision": 3}
        assert scene.workers.empty(), "it does not serve before it has applied a snapshot"
        for revision in (3, 4):
            worker.tell({"type": "applied", "revision": revision})
        assert await scene.workers.get() == (1, None)
        assert scene.channel.rpc_addresses == ("ipc://rpc-0",)
        await worker.close()
        assert await scene.workers.get() == (0, 0)

    play(script)


def test_publish_returns_when_the_last_of_several_workers_has_applied() -> None:
    async def script(scene: Scene) -> None:
        workers = [await Worker.connect(scene.path, index) for index in range(2)]
        for worker in workers:
            await worker.hear()
        published = asyncio.create_task(scene.channel.publish({"type": "snapshot", "revision": 4}, LIMIT_US))
        for worker in workers:
            assert not published.done()
            assert (await worker.hear())["revision"] == 4
            worker.tell({"type": "applied", "revision": 4})
        await published
        for worker in workers:
            await worker.close()

    play(script, worker_count=2)


def test_publish_waits_for_a_worker_that_is_just_coming_back() -> None:
    async def script(scene: Scene) -> None:
        published = asyncio.create_task(scene.channel.publish({"type": "snapshot", "revision": 3}, LIMIT_US))
        worker = await Worker.connect(scene.path)
        assert (await worker.hear())["revision"] == 3
        worker.tell({"type": "applied", "revision": 3})
        await published
        await worker.close()

    play(script)


def test_publish_to_a_worker_that_refuses_or_stays_silent_is_an_error() -> None:
    async def script(scene: Scene) -> None:
        worker = await Worker.connect(scene.path)
        await worker.hear()
        with pytest.raises(UnavailableError, match=r"worker 0 did not apply revision 4 within 0\.01 s"):
            await scene.channel.publish({"type": "snapshot", "revision": 4}, 10_000)
        published = asyncio.create_task(scene.channel.publish({"type": "snapshot", "revision": 5}, LIMIT_US))
        assert [(await worker.hear())["revision"] for _ in range(2)] == [4, 5]
        worker.tell({"type": "apply_failed", "revision": 5, "error": "no such policy"})
        with pytest.raises(ServerError, match="worker 0 refused the change: no such policy"):
            await published
        published = asyncio.create_task(scene.channel.publish({"type": "snapshot", "revision": 6}, LIMIT_US))
        await worker.hear()
        worker.tell({"type": "apply_failed", "revision": 6, "error": "no such input", "is_caller_error": True})
        with pytest.raises(InvalidArgumentError, match=r"^no such input"):
            await published
        await worker.close()

    play(script)


def test_worker_that_connects_twice_replaces_its_earlier_connection() -> None:
    async def script(scene: Scene) -> None:
        first = await Worker.connect(scene.path)
        await first.hear()
        first.tell({"type": "applied", "revision": 3})
        assert await scene.workers.get() == (1, None)
        second = await Worker.connect(scene.path)
        await second.hear()
        second.tell({"type": "applied", "revision": 3})
        assert await first.hear() == {}
        await first.close()
        assert [await scene.workers.get() for _ in range(2)] == [(0, 0), (1, None)]
        scene.channel.tell_gone(ReplicaId("m:1:0"))
        assert await second.hear() == {"type": "replica_gone", "replica_id": "m:1:0"}
        await second.close()
        assert await scene.workers.get() == (0, 0)

    play(script)


def test_observations_and_outputs_are_handed_to_those_who_listen() -> None:
    async def script(scene: Scene) -> None:
        heard: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()
        for kind in LISTENED:
            scene.channel.listen(kind, lambda worker, message: heard.put_nowait((worker, message)))
        worker = await Worker.connect(scene.path)
        await worker.hear()
        for kind in LISTENED:
            worker.tell({"type": kind, "application": "a"})
            assert await heard.get() == (0, {"type": kind, "application": "a"})
        scene.channel.tell(0, {"type": "observed"})
        scene.channel.tell(7, {"type": "nobody there"})
        scene.channel.tell_all({"type": "plans"})
        assert [(await worker.hear())["type"] for _ in range(2)] == ["observed", "plans"]
        await worker.close()

    play(script)


def test_listener_that_cannot_read_a_message_ends_the_connection() -> None:
    async def script(scene: Scene) -> None:
        scene.channel.listen("outputs", lambda _, message: message["application"])
        worker = await Worker.connect(scene.path)
        await worker.hear()
        worker.tell({"type": "outputs"})
        assert await worker.hear() == {}
        await worker.close()

    play(script)


def test_greeter_speaks_behind_the_snapshot() -> None:
    async def script(scene: Scene) -> None:
        scene.channel.greet(lambda worker: scene.channel.tell(worker, {"type": "plans"}))
        worker = await Worker.connect(scene.path)
        assert [(await worker.hear())["type"] for _ in range(2)] == ["snapshot", "plans"]
        await worker.close()

    play(script)


def test_sessions_arrive() -> None:
    async def script(scene: Scene) -> None:
        worker = await Worker.connect(scene.path)
        await worker.hear()
        worker.tell({"type": "replica", "replica_id": "m:1:0", "model": "m", "version": "1", "state": "ready"})
        async with asyncio.timeout(10):
            while not scene.sessions:
                await asyncio.sleep(0.001)
        assert scene.sessions == [("m:1:0", 0, "ready", "")]
        await worker.close()

    play(script)


@pytest.mark.parametrize(
    "message",
    [[1], {}, {"type": "hello"}, {"type": "nonsense"}, {"type": "replica", "replica_id": "x", "state": "flying"}],
)
def test_worker_that_breaks_the_protocol_is_cut_off_and_nobody_else(message: Any) -> None:
    async def script(scene: Scene) -> None:
        good = await Worker.connect(scene.path, 0)
        await good.hear()
        bad = await Worker.connect(scene.path, 1)
        await bad.hear()
        bad.tell(message)
        assert await bad.hear() == {}
        await bad.close()
        scene.channel.tell_drain(ReplicaId("m:1:0"))
        assert (await good.hear())["type"] == "drain_replica"
        await good.close()

    play(script, worker_count=2)
