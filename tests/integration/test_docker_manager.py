"""What a Docker manager finds and meets on its daemon: leftovers, other clusters, foreign hands."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipper.config import ClipperConfig, DockerConfig, ManagementConfig
from clipper.deploy.choose import make_manager
from clipper.deploy.manager import ReplicaSpec
from clipper.errors import DeployError, StartError
from clipper.types import ReplicaId
from tests.support.docker_stage import DockerStage
from tests.support.dockerd import NEEDS_DOCKERD, DockerDaemon

ON_A_DAEMON = [pytest.mark.timeout(60), *NEEDS_DOCKERD]
ID = ReplicaId("model:1:0")
WAITS = ReplicaSpec(ID, ("python3", "-c", "import signal; print('up', flush=True); signal.pause()"), {})


@pytest.fixture
def docker(dockerd: DockerDaemon) -> Iterator[Any]:
    with contextlib.closing(dockerd.client()) as client:
        yield client


class TestOnADaemon:
    pytestmark = ON_A_DAEMON

    def test_containers_of_an_earlier_life_are_removed_and_those_of_another_clipper_left_alone(
        self, dockerd: DockerDaemon, docker: Any, docker_run_dir: Path
    ) -> None:
        others = {container.id for container in docker.containers.list(all=True)}  # of tests before this one

        def new(**more: bool) -> list[Any]:
            return [container for container in docker.containers.list(**more) if container.id not in others]

        async def script() -> None:
            async with DockerStage(dockerd, docker_run_dir) as first:
                await first.manager.start_replica(WAITS)
            with pytest.raises(
                StartError, match=r"exists already on this Docker daemon.*" + re.escape(str(docker_run_dir))
            ):
                async with DockerStage(dockerd, docker_run_dir, instance="another"):
                    pass
            assert len(new()) == 1, "untouched"
            async with DockerStage(dockerd, docker_run_dir, life="next") as second:
                assert second.manager.list_replicas() == () and second.heard.running == []
                assert new(all=True) == []
                await second.manager.start_replica(WAITS)
                second.say("draining")
                while not second.heard.closed:
                    await asyncio.sleep(0.01)
            assert new(all=True) == [], "Clipper was stopped"

        asyncio.run(script())

    def test_container_removed_by_hand_is_told_as_gone_and_its_name_taken_by_another_is_refused(
        self, dockerd: DockerDaemon, docker: Any, docker_run_dir: Path
    ) -> None:
        async def script() -> None:
            async with DockerStage(dockerd, docker_run_dir) as stage:
                await stage.manager.start_replica(WAITS)
                docker.containers.get("stage.model_1_0").remove(force=True)
                while not stage.heard.exits:
                    await asyncio.sleep(0.01)
                assert [one.code for one in stage.heard.exits] == [-9]
                docker.containers.create(dockerd.image, ["python3"], name="stage.model_1_0")
                with pytest.raises(DeployError, match=r"name 'stage\.model_1_0' is taken by another container"):
                    await stage.manager.start_replica(WAITS)
                ended = ReplicaSpec(ReplicaId("model:1:1"), ("/no/such/program",), {})
                with pytest.raises(DeployError, match="no '/no/such/program' in the image"):
                    await stage.manager.start_replica(ended)
                with pytest.raises(DeployError, match="memory='much'"):
                    await stage.manager.start_replica(replace(ended, resources={"memory": "much"}))

        asyncio.run(script())

    def test_log_goes_on_where_an_earlier_management_had_stopped_to_copy_it(
        self, dockerd: DockerDaemon, docker_run_dir: Path
    ) -> None:
        counts = "import itertools, time\nfor n in itertools.count(): print(n, flush=True); time.sleep(0.01)"
        spec = ReplicaSpec(ID, ("python3", "-c", counts), {})

        async def script() -> None:
            for _ in range(3):
                async with DockerStage(dockerd, docker_run_dir) as stage:
                    if not stage.heard.running:
                        await stage.manager.start_replica(spec)
                    before = len(stage.manager.logs(ID, 10_000).split())
                    while len(stage.manager.logs(ID, 10_000).split()) < before + 20:
                        await asyncio.sleep(0.01)
            numbers = [int(word) for word in stage.manager.logs(ID, 10_000).split()]
            assert numbers == list(range(len(numbers))), "none twice, none lost"

        asyncio.run(script())


def test_management_without_a_daemon_says_where_it_was_looked_for(tmp_path: Path) -> None:
    config = ClipperConfig(
        tmp_path, management=ManagementConfig(container_manager="docker"), docker=DockerConfig(host="tcp://127.0.0.1:1")
    )

    async def script() -> None:
        ours, theirs = socket.socketpair()
        with ours:
            ours.sendall(b'{"event": "listed"}\n')
            manager = make_manager(config, "mark")
            with pytest.raises(StartError, match=r"Docker daemon at tcp://127\.0\.0\.1:1 does not answer: .*refused"):
                await manager.connect(theirs)
            await manager.close(0)

    asyncio.run(script())
