"""What every container manager promises, asked of each one there is.

A further manager joins by a function that gives `Stage`s: a connected manager, a way to say what a replica runs, and a
new manager over the same replicas, as after a restart of management. Replicas are told what to do in words (`SCRIPTS`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import pytest

from bench.procfs import processes_of
from clipper.deploy.manager import ContainerManager, ReplicaExit, ReplicaSpec
from clipper.deploy.process import ProcessManager
from clipper.errors import DeployError
from clipper.supervisor.launch import launch, make_run_dir
from clipper.types import ReplicaId
from tests.support.docker_stage import DockerStage, Heard
from tests.support.dockerd import NEEDS_DOCKERD, DockerDaemon
from tests.support.processes import SUPPORT, make_config

pytestmark = pytest.mark.timeout(60)
ID = ReplicaId("model:1:0")
GRACE_US = 10_000_000
LIMIT_S = 20

WAIT = "\nwhile True: signal.pause()"
SCRIPTS = {
    "waits": "import signal" + WAIT,
    "says hello": "import signal; print('hello', flush=True)" + WAIT,
    "ends with 3": "import sys; print('first\\nlast words'); sys.exit(3)",
    "ignores SIGTERM": "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True)" + WAIT,
    "ends in order": "import signal, sys; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True)" + WAIT,
    "shows its environment": "import os, signal; print(*map(os.getenv, ('CLIPPER_X', 'OMP_NUM_THREADS')), flush=True)"
    + WAIT,
}


@dataclass
class Stage:
    """One manager and what it has told; ``restart`` gives another one over the same replicas."""

    manager: ContainerManager
    heard: Heard
    restart: Callable[[], Awaitable[Stage]]
    close: Callable[[], Awaitable[None]]  # Clipper is being stopped

    def spec(self, script: str, replica_id: ReplicaId = ID, **env: str) -> ReplicaSpec:
        return ReplicaSpec(replica_id, (sys.executable, "-c", SCRIPTS[script]), env)

    async def wait_log(self, text: str, replica_id: ReplicaId = ID) -> None:
        await wait_until(lambda: text in self.manager.logs(replica_id, 10))


async def wait_until(is_done: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not is_done():
            await asyncio.sleep(0.005)


# -- the managers ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def process_manager() -> AsyncIterator[Stage]:
    """A real supervisor, whose stand-in for management hands its end of the link to us."""
    run_dir = make_run_dir()
    config = make_config(run_dir, sys.executable)
    command = (sys.executable, str(SUPPORT / "handing_management.py"))
    supervisor = await asyncio.to_thread(
        launch, replace(config, management=replace(config.management, command=command)), 30_000_000
    )
    tasks: list[asyncio.Task[None]] = []

    async def connect() -> Stage:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(LIMIT_S)
            await wait_until(lambda: door.connect_ex(str(run_dir / "link.sock")) == 0)
            _, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, door, 1, 1)
        manager, heard = ProcessManager(config.log_dir), Heard()
        manager.events = heard.events()
        await manager.connect(socket.socket(fileno=descriptors[0]))
        tasks.append(asyncio.create_task(manager.serve()))
        return Stage(manager, heard, restart, close)

    async def restart() -> Stage:
        task = tasks.pop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (run_dir / "link.sock").unlink()
        (run_dir / "restart").touch()  # the stand-in ends, and the supervisor starts it again
        return await connect()

    async def close() -> None:
        supervisor.process.terminate()

    try:
        yield await connect()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(supervisor.stop)
        assert processes_of(run_dir) == {}
        shutil.rmtree(run_dir, ignore_errors=True)


@contextlib.asynccontextmanager
async def docker_manager(dockerd: DockerDaemon) -> AsyncIterator[Stage]:
    """A real daemon; we speak for the supervisor."""
    run_dir = make_run_dir()
    made: list[DockerStage] = []

    async def connect() -> Stage:
        made.append(await DockerStage(dockerd, run_dir).__aenter__())
        return Stage(made[-1].manager, made[-1].heard, restart, close)

    async def restart() -> Stage:
        await made.pop().leave()
        return await connect()

    async def close() -> None:
        made[-1].say("draining")

    try:
        yield await connect()
    finally:
        await made.pop().leave()
        dockerd.remove_containers()
        shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture(params=["process", pytest.param("docker", marks=NEEDS_DOCKERD)])
def play(request: pytest.FixtureRequest) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Run a script on a stage of each manager."""

    def stage_of_kind() -> AbstractAsyncContextManager[Stage]:
        if request.param == "process":
            return process_manager()
        return docker_manager(request.getfixturevalue("dockerd"))

    def run(script: Callable[[Stage], Awaitable[None]]) -> None:
        async def main() -> None:
            async with stage_of_kind() as stage:
                await script(stage)

        asyncio.run(main())

    return run


Play = Callable[[Callable[[Stage], Awaitable[None]]], None]


# -- the contract ------------------------------------------------------------------------------------------------------


def test_started_replica_is_listed_logged_and_stopped(play: Play) -> None:
    async def script(stage: Stage) -> None:
        assert stage.manager.list_replicas() == ()
        assert stage.manager.logs(ID, 10) == ""
        started = await stage.manager.start_replica(stage.spec("ends in order"))
        assert started.replica_id == ID
        assert stage.manager.list_replicas() == (started,)
        await stage.wait_log("up")
        await stage.manager.stop_replica(ID, GRACE_US)
        assert stage.heard.exits == [ReplicaExit(ID, 0)], "told before the call returns"
        assert stage.manager.list_replicas() == ()
        assert stage.heard.running == [], "told of those alone that run already"

    play(script)


def test_replica_that_ends_by_itself_is_told_once_with_its_last_words_in_the_log(play: Play) -> None:
    async def script(stage: Stage) -> None:
        await stage.manager.start_replica(stage.spec("ends with 3"))
        await wait_until(lambda: bool(stage.heard.exits))
        assert stage.heard.exits == [ReplicaExit(ID, 3)]
        assert stage.manager.logs(ID, 10).split() == ["first", "last", "words"]
        assert stage.manager.logs(ID, 1).strip() == "last words"
        await stage.manager.stop_replica(ID, GRACE_US)
        assert len(stage.heard.exits) == 1

    play(script)


def test_replica_that_does_not_end_is_killed_after_its_grace(play: Play) -> None:
    async def script(stage: Stage) -> None:
        await stage.manager.start_replica(stage.spec("ignores SIGTERM"))
        await stage.wait_log("deaf")
        await stage.manager.stop_replica(ID, 50_000)
        assert stage.heard.exits == [ReplicaExit(ID, -9)]
        assert str(stage.heard.exits[0]) == "was killed by signal 9"

    play(script)


def test_name_that_runs_is_refused_and_free_again_when_it_has_ended(play: Play) -> None:
    async def script(stage: Stage) -> None:
        first = await stage.manager.start_replica(stage.spec("says hello"))
        await stage.wait_log("hello")
        with pytest.raises(DeployError, match="runs already"):
            await stage.manager.start_replica(stage.spec("waits"))
        assert stage.manager.list_replicas() == (first,)
        await stage.manager.stop_replica(ID, 0)
        second = await stage.manager.start_replica(stage.spec("waits"))
        assert second.pid != first.pid
        assert "hello" not in stage.manager.logs(ID, 10), "the log of a replica begins with its newest process"

    play(script)


def test_program_that_is_not_there_cannot_be_started_and_leaves_no_replica(play: Play) -> None:
    async def script(stage: Stage) -> None:
        with pytest.raises(DeployError, match="cannot be started"):
            await stage.manager.start_replica(ReplicaSpec(ID, ("/no/such/program",), {}))
        assert stage.manager.list_replicas() == ()
        await stage.manager.start_replica(stage.spec("waits"))

    play(script)


def test_many_replicas_are_started_and_stopped_side_by_side(play: Play) -> None:
    async def script(stage: Stage) -> None:
        names = [ReplicaId(f"model:1:{index}") for index in range(3)]
        await asyncio.gather(*(stage.manager.start_replica(stage.spec("waits", name)) for name in names))
        assert {one.replica_id for one in stage.manager.list_replicas()} == set(names)
        assert len({one.pid for one in stage.manager.list_replicas()}) == 3
        await asyncio.gather(*(stage.manager.stop_replica(name, 0) for name in names[:2]))
        assert {one.replica_id for one in stage.manager.list_replicas()} == set(names[2:])

    play(script)


def test_replica_that_is_just_being_started_can_be_stopped_and_an_unknown_one_is_gone(play: Play) -> None:
    async def script(stage: Stage) -> None:
        starting = asyncio.create_task(stage.manager.start_replica(stage.spec("waits")))
        await asyncio.sleep(0)
        await stage.manager.stop_replica(ID, 0)
        await starting
        assert stage.manager.list_replicas() == ()
        await stage.manager.stop_replica(ReplicaId("nobody:1:0"), 0)

    play(script)


def test_replica_gets_its_environment_and_its_cpus(play: Play) -> None:
    async def script(stage: Stage) -> None:
        spec = stage.spec("shows its environment", CLIPPER_X="a b=ü")
        await stage.manager.start_replica(replace(spec, resources={"cpu": "1500m", "unknown": 1}))
        await stage.wait_log("a b=ü 2")

    play(script)


def test_new_manager_finds_what_runs_and_hears_of_its_end(play: Play) -> None:
    async def script(stage: Stage) -> None:
        started = await stage.manager.start_replica(stage.spec("waits"))
        second = await stage.restart()
        assert second.manager.list_replicas() == (started,)
        assert second.heard.running == [started], "told, so that nobody starts it again"
        with pytest.raises(DeployError, match="runs already"):
            await second.manager.start_replica(second.spec("waits"))
        await second.manager.stop_replica(ID, 0)
        assert [one.replica_id for one in second.heard.exits] == [ID]

    play(script)


def test_manager_of_a_clipper_that_is_being_stopped_says_so_and_starts_nothing(play: Play) -> None:
    async def script(stage: Stage) -> None:
        await stage.manager.start_replica(stage.spec("ignores SIGTERM"))
        await stage.wait_log("deaf")
        await stage.close()
        await wait_until(lambda: stage.heard.closed == 1)
        with pytest.raises(DeployError, match="being stopped"):
            await stage.manager.start_replica(stage.spec("waits", ReplicaId("model:1:1")))
        await stage.manager.stop_replica(ID, 0)

    play(script)
