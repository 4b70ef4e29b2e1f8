"""The fleet over a container manager that lives in memory: starts, waits, drains, replaces, stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipper.config import ManagementConfig
from clipper.deploy.fleet import CONSEQUENCES, DesiredModel, Fleet, FrontendLink
from clipper.deploy.manager import ContainerManager, ReplicaExit, ReplicaSpec, RunningReplica
from clipper.errors import DeployError, UnavailableError
from clipper.types import ModelId, ReplicaId
from tests.support.repository import text_of

SVM = ModelId("svm", "1")
MODEL = DesiredModel(1, "doubles", ("program",), {"CLIPPER_X": "1"}, Path("/models/svm/1"))
CONFIG = ManagementConfig(
    ready_limit_us=10_000_000, replace_backoff_min_us=1_000, replace_backoff_max_us=2_000, drain_limit_us=10_000_000
)


UNHEARD = "it never registered, as the container contract asks for"


class MemoryManager(ContainerManager):
    """Starts and stops at once; says what it was asked."""

    def __init__(self) -> None:
        self.running: dict[ReplicaId, ReplicaSpec] = {}
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.on_start: Callable[[ReplicaId], None] = lambda _: None

    async def start_replica(self, spec: ReplicaSpec) -> RunningReplica:
        self.asked.append(f"start {spec.replica_id}")
        if self.failure is not None:
            raise self.failure
        self.running[spec.replica_id] = spec
        self.on_start(spec.replica_id)
        return RunningReplica(spec.replica_id, 1)

    async def stop_replica(self, replica_id: ReplicaId, grace_us: int) -> None:
        self.asked.append(f"stop {replica_id}")
        self.end(replica_id, 0)

    def end(self, replica_id: ReplicaId, code: int) -> None:
        del self.running[replica_id]
        self.events.on_exit(ReplicaExit(replica_id, code))

    def list_replicas(self) -> tuple[RunningReplica, ...]:
        return tuple(RunningReplica(replica_id, 1) for replica_id in self.running)

    def logs(self, replica_id: ReplicaId, line_count: int) -> str:
        return f"log of {replica_id}"


class Scene:
    """A fleet with one frontend, whose replicas report ready as soon as they are started, unless told otherwise."""

    def __init__(self, config: ManagementConfig = CONFIG) -> None:
        self.manager = MemoryManager()
        self.gone: list[ReplicaId] = []
        self.drained: list[ReplicaId] = []
        frontends = FrontendLink(lambda: ("ipc://a", "ipc://b"), self.gone.append, self.drained.append)
        self.fleet = Fleet(config, frontends, self.manager)
        self.manager.on_start = self.report_ready
        self.fleet.on_workers(1)

    def report_ready(self, replica_id: ReplicaId) -> None:
        asyncio.get_running_loop().call_soon(self.fleet.on_session, replica_id, 0, "ready", "")

    def want(self, count: int) -> None:
        self.fleet.set_desired({SVM: replace(MODEL, replicas=count)} if count else {})


def play(scene_of: Callable[[], Scene], script: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = scene_of()
        loop_task = asyncio.create_task(scene.fleet.run())
        try:
            await asyncio.wait_for(script(scene), 20)
        finally:
            loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loop_task

    asyncio.run(main())


def test_wanted_replicas_are_started_with_the_environment_of_the_contract() -> None:
    async def script(scene: Scene) -> None:
        scene.want(2)
        await scene.fleet.wait_ready(SVM, 2)
        spec = scene.manager.running[ReplicaId("svm:1:1")]
        assert dict(spec.env) == {
            "CLIPPER_RPC_ADDRESS": "ipc://b,ipc://a",
            "CLIPPER_MODEL_NAME": "svm",
            "CLIPPER_MODEL_VERSION": "1",
            "CLIPPER_INPUT_TYPE": "doubles",
            "CLIPPER_REPLICA_ID": "svm:1:1",
            "CLIPPER_MODEL_PATH": "/models/svm/1",
            "CLIPPER_X": "1",
        }

    play(Scene, script)


def test_replica_that_dies_is_reported_first_and_replaced() -> None:
    async def script(scene: Scene) -> None:
        scene.want(1)
        await scene.fleet.wait_ready(SVM, 1)
        scene.manager.end(ReplicaId("svm:1:0"), -9)
        assert scene.gone == ["svm:1:0"]
        failure = scene.fleet.failure(SVM)
        assert failure is not None
        assert (failure.cause, failure.log_tail) == ("replica svm:1:0 was killed by signal 9", "log of svm:1:0")
        scene.fleet.forgive(SVM)
        await scene.fleet.wait_ready(SVM, 1)
        assert scene.manager.asked == ["start svm:1:0"] * 2

    play(Scene, script)


def test_waiting_for_a_model_that_fails_ends_at_once_with_its_log() -> None:
    async def script(scene: Scene) -> None:
        scene.manager.on_start = lambda replica_id: scene.manager.end(replica_id, 1)
        scene.want(1)
        with pytest.raises(DeployError, match="exited with code 1"):
            await scene.fleet.wait_ready(SVM, 1)

    play(Scene, script)


def test_program_that_cannot_be_started_is_a_failure() -> None:
    async def script(scene: Scene) -> None:
        scene.manager.failure = DeployError("no such program")
        scene.want(1)
        with pytest.raises(DeployError, match="no such program"):
            await scene.fleet.wait_ready(SVM, 1)

    play(Scene, script)


def test_replica_that_is_not_ready_in_time_is_named_with_its_state() -> None:
    async def script(scene: Scene) -> None:
        scene.manager.on_start = lambda _: None
        scene.want(1)
        with pytest.raises(DeployError, match=rf"svm:1:0 (is starting|did not become ready in time).*{UNHEARD}"):
            await scene.fleet.wait_ready(SVM, 1)

    play(lambda: Scene(replace(CONFIG, ready_limit_us=30_000)), script)


@pytest.mark.parametrize(("code", "has_more"), [(0, True), (1, False)])
def test_program_that_ends_well_without_having_registered_is_told_of_the_contract(code: int, has_more: bool) -> None:
    async def script(scene: Scene) -> None:
        def end(replica_id: ReplicaId) -> None:
            asyncio.get_running_loop().call_soon(scene.manager.end, replica_id, code)

        scene.manager.on_start = end
        scene.want(1)
        with pytest.raises(DeployError, match=f"exited with code {code}") as caught:
            await scene.fleet.wait_ready(SVM, 1)
        assert (UNHEARD in caught.value.message) == has_more, "who fails has said why in its log"

    play(Scene, script)


def test_scaling_down_stops_a_replica_only_when_its_session_has_closed() -> None:
    async def script(scene: Scene) -> None:
        scene.want(2)
        await scene.fleet.wait_ready(SVM, 2)
        scene.want(1)
        while not scene.drained:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert scene.drained == ["svm:1:1"]
        assert "stop svm:1:1" not in scene.manager.asked
        scene.fleet.on_session(ReplicaId("svm:1:1"), 0, "closed", "")
        await scene.fleet.wait_count(SVM, 1)
        assert list(scene.manager.running) == ["svm:1:0"]
        assert scene.fleet.failure(SVM) is None

    play(Scene, script)


def test_replicas_that_run_already_are_adopted_not_started_again() -> None:
    async def script(scene: Scene) -> None:
        replica_id = ReplicaId("svm:1:0")
        scene.manager.running[replica_id] = ReplicaSpec(replica_id, (), {})
        scene.fleet.on_session(replica_id, 0, "ready", "")
        scene.fleet.on_running(RunningReplica(replica_id, 1))
        scene.want(1)
        await scene.fleet.wait_ready(SVM, 1)
        assert scene.manager.asked == []
        scene.want(0)
        scene.fleet.on_session(replica_id, 0, "closed", "")
        await scene.fleet.wait_count(SVM, 0)
        assert scene.manager.asked == ["stop svm:1:0"]

    play(Scene, script)


QUICK = replace(CONFIG, suspect_grace_us=1, suspect_keep_us=1)


def test_suspect_is_replaced_and_stopped_when_its_replacement_is_ready() -> None:
    async def script(scene: Scene) -> None:
        scene.want(1)
        await scene.fleet.wait_ready(SVM, 1)
        scene.fleet.on_session(ReplicaId("svm:1:0"), 0, "suspect", "it was silent for 0.7 s")
        while "stop svm:1:0" not in scene.manager.asked:
            await asyncio.sleep(0.001)
        assert scene.manager.asked == ["start svm:1:0", "start svm:1:1", "stop svm:1:0"]
        failure = scene.fleet.failure(SVM)
        assert failure is not None
        assert failure.cause == "replica svm:1:0 was replaced: it was silent for 0.7 s"

    play(lambda: Scene(QUICK), script)


def test_suspect_whose_queries_may_be_in_time_yet_is_kept_beside_its_replacement() -> None:
    async def script(scene: Scene) -> None:
        scene.fleet.set_desired({SVM: MODEL}, {"svm": 3_600_000_000})
        await scene.fleet.wait_ready(SVM, 1)
        scene.fleet.on_session(ReplicaId("svm:1:0"), 0, "suspect", "it has had its batch for 0.8 s")
        await scene.fleet.wait_ready(SVM, 1)
        for _ in range(10):
            await asyncio.sleep(0)
        assert scene.manager.asked == ["start svm:1:0", "start svm:1:1"]
        scene.fleet.on_session(ReplicaId("svm:1:0"), 0, "ready", "heard again")
        while not scene.drained:
            await asyncio.sleep(0)
        assert scene.drained == ["svm:1:1"]  # it has come back: the other one is not needed
        assert scene.fleet.failure(SVM) is None

    play(lambda: Scene(QUICK), script)


def test_closed_manager_stops_all_replacing() -> None:
    async def script(scene: Scene) -> None:
        scene.want(1)
        await scene.fleet.wait_ready(SVM, 1)
        scene.manager.events.on_closed()
        scene.manager.failure = UnavailableError("closed")
        scene.manager.end(ReplicaId("svm:1:0"), 0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert scene.manager.asked == ["start svm:1:0"]
        assert scene.fleet.failure(SVM) is None

    play(Scene, script)


def test_sessions_of_a_lost_worker_are_open_again_when_reported_again() -> None:
    async def script(scene: Scene) -> None:
        scene.want(1)
        await scene.fleet.wait_ready(SVM, 1)
        scene.fleet.on_workers(0, lost_worker=0)
        assert scene.fleet.table.ready_count(SVM) == 0
        scene.fleet.on_workers(1)
        scene.fleet.on_session(ReplicaId("svm:1:0"), 0, "ready", "")
        await scene.fleet.wait_ready(SVM, 1)
        assert scene.manager.asked == ["start svm:1:0"]

    play(Scene, script)


def test_replica_that_connects_again_and_again_without_becoming_ready_is_late_one_day() -> None:
    async def script(scene: Scene) -> None:
        replica_id = ReplicaId("svm:1:0")
        scene.manager.on_start = lambda _: None
        scene.want(1)
        while scene.manager.asked == ["start svm:1:0"] or not scene.manager.asked:
            for state in ("loading", "closed"):
                scene.fleet.on_session(replica_id, 0, state, "")
            await asyncio.sleep(0.001)
        assert scene.manager.asked[:2] == ["start svm:1:0", "stop svm:1:0"]
        failure = scene.fleet.failure(SVM)
        assert failure is not None
        assert failure.cause == "replica svm:1:0 did not become ready in time"

    play(lambda: Scene(replace(CONFIG, ready_limit_us=30_000)), script)


def test_late_replica_counts_as_a_failure_before_it_is_replaced() -> None:
    async def script(scene: Scene) -> None:
        scene.manager.on_start = lambda _: None
        scene.want(1)
        while scene.manager.asked.count("stop svm:1:0") < 2:
            await asyncio.sleep(0.001)
        assert scene.manager.asked[:4] == ["start svm:1:0", "stop svm:1:0"] * 2
        failure = scene.fleet.failure(SVM)
        assert failure is not None
        assert failure.backoff.failures >= 1

    play(lambda: Scene(replace(CONFIG, ready_limit_us=30_000)), script)


def test_reason_for_which_a_frontend_sent_a_replica_away_is_told() -> None:
    async def script(scene: Scene) -> None:
        def refuse(replica_id: ReplicaId) -> None:
            loop = asyncio.get_running_loop()
            loop.call_soon(scene.fleet.on_session, replica_id, 0, "warming", "")
            loop.call_soon(scene.fleet.on_session, replica_id, 0, "closed", "the sample input failed: ValueError")
            loop.call_soon(scene.manager.end, replica_id, 3)

        scene.manager.on_start = refuse
        scene.want(1)
        with pytest.raises(DeployError, match="exited with code 3: the sample input failed: ValueError"):
            await scene.fleet.wait_ready(SVM, 1)

    play(Scene, script)


@pytest.mark.parametrize("reason", sorted(CONSEQUENCES))
def test_end_of_a_session_that_follows_from_the_end_of_its_process_is_no_cause(reason: str) -> None:
    assert f'"{reason}"' in text_of(Path("clipper/_core/rpc_server.pyx"))

    async def script(scene: Scene) -> None:
        def end(replica_id: ReplicaId) -> None:
            loop = asyncio.get_running_loop()
            loop.call_soon(scene.fleet.on_session, replica_id, 0, "loading", "")
            loop.call_soon(scene.fleet.on_session, replica_id, 0, "closed", reason)
            loop.call_soon(scene.manager.end, replica_id, 4)

        scene.manager.on_start = end
        scene.want(1)
        with pytest.raises(DeployError) as caught:
            await scene.fleet.wait_ready(SVM, 1)
        assert caught.value.message == "the model svm:1 failed: replica svm:1:0 exited with code 4"

    play(Scene, script)


def test_what_a_manager_runs_under_no_name_of_ours_is_stopped() -> None:
    async def script(scene: Scene) -> None:
        stranger = ReplicaId("stranger")
        scene.manager.running[stranger] = ReplicaSpec(stranger, (), {})
        scene.fleet.on_running(RunningReplica(stranger, 1))
        while scene.manager.running:
            await asyncio.sleep(0)
        assert scene.manager.asked == ["stop stranger"]

    play(Scene, script)


def test_drain_lasts_as_long_as_a_query_may_wait() -> None:
    async def script(scene: Scene) -> None:
        scene.want(1)
        await scene.fleet.wait_ready(SVM, 1)
        scene.fleet.set_desired({}, {"svm": 60_000_000, "other": 1})
        scene.fleet.set_desired({}, {"svm": 1})  # what was queued before may wait as long as it might
        while not scene.drained:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # past the configured limit of a drain
        assert scene.manager.running
        scene.fleet.on_session(ReplicaId("svm:1:0"), 0, "closed", "")
        assert await scene.fleet.wait_count(SVM, 0)

    play(lambda: Scene(replace(CONFIG, drain_limit_us=1_000)), script)


@pytest.mark.parametrize("turns", range(5))
def test_end_of_the_loop_is_not_lost_when_something_has_just_changed(turns: int) -> None:
    async def script(scene: Scene) -> None:
        scene.manager.on_start = lambda _: None
        scene.want(1)  # which never becomes ready: the loop waits with a limit
        task = asyncio.create_task(scene.fleet.run())
        for _ in range(10):
            await asyncio.sleep(0)
        scene.fleet.forgive(SVM)  # wakes the loop
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done == {task}

    play(Scene, script)
