"""Devices of containers on a real daemon: what NVIDIA's hook of it is told, and that the next management knows it.

The machine needs no device, since the hook does nothing (`tests.support.dockerd`).
"""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import pytest

from clipper.deploy.devices import Grant
from clipper.deploy.manager import ReplicaSpec
from clipper.types import ReplicaId
from tests.support.docker_stage import DockerStage
from tests.support.dockerd import IS_PODMAN, NEEDS_DOCKERD, DockerDaemon

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(IS_PODMAN, reason="podman 4's Docker API drops requests for devices"),
    *NEEDS_DOCKERD,
]
NAMES = ("NVIDIA_VISIBLE_DEVICES", "CLIPPER_GPU_DEVICE", "CLIPPER_GPU_MEMORY_RATIO", "CUDA_VISIBLE_DEVICES")
SHOWS = f"import os, signal; print([os.getenv(name) for name in {NAMES!r}], flush=True); signal.pause()"
CASES: dict[ReplicaId, tuple[Grant | None, dict[str, int | str], list[str | None]]] = {
    ReplicaId("net:1:0"): (Grant(("GPU-a",), Fraction(1, 2)), {}, ["GPU-a", "cuda", "0.5", None]),
    ReplicaId("net:1:1"): (None, {"nvidia.com/gpu": 0}, ["void", None, None, ""]),
}


def test_containers_get_the_devices_of_their_grants_and_the_next_management_knows_them(
    dockerd: DockerDaemon, docker_run_dir: Path
) -> None:
    async def script() -> None:
        async with DockerStage(dockerd, docker_run_dir) as stage:
            specs = [ReplicaSpec(name, ("python3", "-c", SHOWS), {}, CASES[name][1], CASES[name][0]) for name in CASES]
            started = await asyncio.gather(*map(stage.manager.start_replica, specs))
            assert [one.grant for one in started] == [grant for grant, _, _ in CASES.values()]
            for name, (_, _, shown) in CASES.items():
                while str(shown) not in stage.manager.logs(name, 5):
                    await asyncio.sleep(0.02)
        async with DockerStage(dockerd, docker_run_dir) as second:
            assert {one.replica_id: one.grant for one in second.heard.running} == {
                name: grant for name, (grant, _, _) in CASES.items()
            }
            assert set(second.manager.list_replicas()) == set(started)

    asyncio.run(asyncio.wait_for(script(), 30))
