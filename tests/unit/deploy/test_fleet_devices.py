"""The fleet and its devices: given when a replica starts, known again when it is adopted, taken back when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from clipper.deploy.devices import Device, Grant
from clipper.deploy.fleet import Fleet, FrontendLink
from clipper.deploy.manager import ReplicaSpec, RunningReplica
from clipper.deploy.resources import with_gpus
from clipper.errors import DeployError
from clipper.types import ModelId, ReplicaId
from tests.unit.deploy.test_fleet import CONFIG, MODEL, SVM, Scene, play

NET = ModelId("net", "1")
DEVICES = (Device("GPU-a"), Device("GPU-b"))


class DeviceScene(Scene):
    """With two devices."""

    def __init__(self, devices: Sequence[Device] = DEVICES) -> None:
        super().__init__()
        links = FrontendLink(lambda: ("ipc://a",), self.gone.append, self.drain)
        self.fleet = Fleet(replace(CONFIG, suspect_keep_us=0, suspect_grace_us=0), links, self.manager, devices)
        self.fleet.on_workers(1)

    def drain(self, replica_id: ReplicaId) -> None:
        asyncio.get_running_loop().call_soon(self.fleet.on_session, replica_id, 0, "closed", "")

    def want_gpus(self, *wanted: tuple[ModelId, int, float], is_deployed: bool = True) -> None:
        self.fleet.set_desired(
            {
                model_id: replace(MODEL, replicas=count, resources=with_gpus({}, gpus), is_deployed=is_deployed)
                for model_id, count, gpus in wanted
            }
        )

    def grants(self) -> dict[str, str]:
        return {replica_id: str(spec.grant) for replica_id, spec in self.manager.running.items()}


def test_shares_are_packed_and_whole_devices_left_whole() -> None:
    async def script(scene: DeviceScene) -> None:
        scene.want_gpus((SVM, 2, 0.5))
        await scene.fleet.wait_ready(SVM, 2)
        scene.want_gpus((SVM, 2, 0.5), (NET, 1, 1))
        await scene.fleet.wait_ready(NET, 1)
        assert scene.grants() == {"svm:1:0": "GPU-a@0.5", "svm:1:1": "GPU-a@0.5", "net:1:0": "GPU-b@1"}
        assert scene.fleet.ledger.free() == {"GPU-a": 0, "GPU-b": 0}

    play(DeviceScene, script)  # type: ignore[arg-type]


def test_replica_that_finds_no_device_waits_says_for_whom_and_starts_when_one_is_free() -> None:
    async def script(scene: DeviceScene) -> None:
        scene.want_gpus((SVM, 2, 1))
        await scene.fleet.wait_ready(SVM, 2)
        scene.want_gpus((SVM, 2, 1), (NET, 1, 1))
        seen: list[str] = []

        def look() -> None:
            if (said := scene.fleet.waiting(NET)) and not seen:
                seen.append(said)
                scene.want_gpus((SVM, 1, 1), (NET, 1, 1))

        await scene.fleet.wait_ready(NET, 1, look)
        assert seen == ["1 replica waits for a device: GPU-a is held by svm:1:0; GPU-b is held by svm:1:1"]
        assert scene.grants() == {"svm:1:0": "GPU-a@1", "net:1:0": "GPU-b@1"}
        assert scene.fleet.waiting(NET) == scene.fleet.waiting(SVM) == ""

    play(DeviceScene, script)  # type: ignore[arg-type]


def test_deployment_that_waited_too_long_says_what_for() -> None:
    async def script(scene: DeviceScene) -> None:
        scene.fleet._config = replace(CONFIG, ready_limit_us=1)
        scene.want_gpus((SVM, 1, 1))
        with pytest.raises(DeployError, match=r"0 of 1 replicas ready.*waits for a device: this machine has no device"):
            await scene.fleet.wait_ready(SVM, 1, lambda: None)

    play(lambda: DeviceScene(()), script)  # type: ignore[arg-type]


def test_device_of_a_replica_that_died_is_given_to_its_successor() -> None:
    async def script(scene: DeviceScene) -> None:
        scene.want_gpus((SVM, 2, 1))
        await scene.fleet.wait_ready(SVM, 2)
        scene.manager.end(ReplicaId("svm:1:0"), 1)
        assert scene.fleet.ledger.holders("GPU-a") == {}
        started = len(scene.manager.asked)
        await scene.fleet._changed.wait_until(lambda: scene.fleet.table.ready_count(SVM) == 2, 10_000_000)
        assert scene.manager.asked[started:] == ["start svm:1:0"]
        assert scene.grants()["svm:1:0"] == "GPU-a@1"

    play(DeviceScene, script)  # type: ignore[arg-type]


def test_start_that_failed_takes_its_device_back() -> None:
    async def script(scene: DeviceScene) -> None:
        scene.manager.failure = DeployError("there is no such program")
        scene.want_gpus((SVM, 1, 2))
        with pytest.raises(DeployError, match="no such program"):
            await scene.fleet.wait_ready(SVM, 1)
        scene.want_gpus()  # a further try may have begun meanwhile
        assert await scene.fleet._changed.wait_until(
            lambda: scene.fleet.ledger.free() == {"GPU-a": 1, "GPU-b": 1}, 10_000_000
        )

    play(DeviceScene, script)  # type: ignore[arg-type]


def test_replica_of_an_earlier_management_keeps_its_device_and_nobody_else_gets_it() -> None:
    async def script(scene: DeviceScene) -> None:
        for replica_id, grant in (("svm:1:0", Grant(("GPU-b",), Fraction(1, 2))), ("old:1:0", Grant(("GPU-gone",)))):
            scene.manager.running[ReplicaId(replica_id)] = ReplicaSpec(ReplicaId(replica_id), (), {})
            scene.fleet.on_running(RunningReplica(ReplicaId(replica_id), 1, grant))
        scene.report_ready(ReplicaId("svm:1:0"))
        scene.want_gpus((SVM, 2, 0.5), (NET, 1, 1))
        await scene.fleet.wait_ready(SVM, 2)
        await scene.fleet.wait_ready(NET, 1)
        assert scene.fleet.ledger.holders("GPU-b").keys() == {"svm:1:0", "svm:1:1"}
        assert scene.fleet.ledger.holders("GPU-a").keys() == {"net:1:0"}

    play(DeviceScene, script)  # type: ignore[arg-type]


def test_hanging_replica_gives_way_where_its_replacement_finds_no_device() -> None:
    async def script(scene: DeviceScene) -> None:
        scene.want_gpus((SVM, 1, 2))
        await scene.fleet.wait_ready(SVM, 1)
        scene.fleet.on_session(ReplicaId("svm:1:0"), 0, "suspect", "it is silent")
        await scene.fleet._changed.wait_until(lambda: scene.manager.asked.count("start svm:1:0") == 2, 10_000_000)
        assert scene.manager.asked == ["start svm:1:0", "stop svm:1:0", "start svm:1:0"]
        failure = scene.fleet.failure(SVM)
        assert failure is not None and "was replaced: it is silent" in failure.cause

    play(DeviceScene, script)  # type: ignore[arg-type]
