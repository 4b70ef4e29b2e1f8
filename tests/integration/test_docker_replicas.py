"""A whole Clipper whose replicas are containers of a real Docker daemon: it predicts, whatever befalls them."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clipper import Clipper, DeployError
from clipper.config import ClipperConfig, DockerConfig, ListenConfig, ManagementConfig
from clipper.deploy.docker_spec import LOG_MAX_BYTES
from clipper.supervisor.launch import make_run_dir
from tests.support.dockerd import IS_PODMAN, NEEDS_DOCKERD, DockerDaemon
from tests.support.processes import pid_of, wait_until

pytestmark = [pytest.mark.timeout(120), *NEEDS_DOCKERD]
CLUSTER = "replicas"
SLO_US = 1_000_000
LINE_BYTES = 10_000
HUNGRY = "import sys; print('hungry', flush=True); hoard = bytearray(1 << 30); print(len(hoard))"


@pytest.fixture(scope="module")
def config(dockerd: DockerDaemon) -> ClipperConfig:
    return ClipperConfig(
        make_run_dir(),
        remove_run_dir=True,
        listen=ListenConfig(query_port=0, management_port=0),
        docker=DockerConfig(host=dockerd.host, image=dockerd.image, cluster_name=CLUSTER, network="clipper_replicas"),
        management=ManagementConfig(
            container_manager="docker",
            stop_grace_us=500_000,
            suspect_grace_us=200_000,
            suspect_keep_us=200_000,
            replace_backoff_min_us=10_000,
            replace_backoff_max_us=50_000,
            containers={"hungry": ("python3", "-c", HUNGRY)},
        ),
    )


@pytest.fixture(scope="module")
def clipper(config: ClipperConfig, docker: Any) -> Iterator[Clipper]:
    with Clipper.start(config=config) as running:
        running.register_application("sums", "doubles", -1.0, SLO_US)
        running.deploy_model("sum", 1, container="sum")
        running.link_model_to_app("sums", "sum")
        yield running
        assert containers(docker)
    assert containers(docker) == [], "none is left when Clipper has ended"


@pytest.fixture(scope="module")
def docker(dockerd: DockerDaemon) -> Iterator[Any]:
    with contextlib.closing(dockerd.client()) as client:
        yield client


def of_cluster(docker: Any, name: str) -> list[Any]:
    """Return the containers of a cluster, ended ones too."""
    found: list[Any] = docker.containers.list(
        all=True, filters={"label": f"ai.clipper.container.label={name}"}, ignore_removed=True
    )
    return found


def containers(docker: Any) -> list[Any]:
    return of_cluster(docker, CLUSTER)


def replica(docker: Any, index: int = 0) -> Any:
    return docker.containers.get(f"{CLUSTER}.sum_1_{index}")


def answers(clipper: Clipper, *numbers: float) -> Callable[[], bool]:
    def is_right() -> bool:
        return bool(clipper.predict("sums", list(numbers)).output == sum(numbers))

    return is_right


def test_replica_in_a_container_answers_and_may_do_little_else(clipper: Clipper, docker: Any) -> None:
    prediction = clipper.predict("sums", [1.0, 2.0, 4.0])
    assert (prediction.output, prediction.is_default) == (7.0, False)
    (container,) = containers(docker)
    host = container.attrs["HostConfig"]
    assert container.name == f"{CLUSTER}.sum_1_0"
    assert container.labels["ai.clipper.model_container.label"] == "sum_1"
    assert container.attrs["Config"]["User"].partition(":")[0] not in ("", "0")
    assert host["ReadonlyRootfs"] and host["PidsLimit"] == 512
    assert host["RestartPolicy"]["Name"] in ("no", "")  # podman writes it so
    status = Path(f"/proc/{container.attrs['State']['Pid']}/status").read_text()
    assert set(re.findall(r"^Cap(?:Inh|Prm|Eff|Bnd|Amb):\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    assert {mount["Destination"]: mount["RW"] for mount in container.attrs["Mounts"]}["/run/clipper"] is False
    assert list(container.attrs["NetworkSettings"]["Networks"]) == ["clipper_replicas"]


def test_killed_container_is_replaced(clipper: Clipper, docker: Any) -> None:
    before = replica(docker)
    before.kill()
    wait_until(lambda: [one.id for one in containers(docker)] not in ([], [before.id]))
    wait_until(answers(clipper, 3.0, 5.0))


def test_paused_container_is_replaced_and_what_is_asked_meanwhile_is_answered(clipper: Clipper, docker: Any) -> None:
    paused = replica(docker)
    paused.pause()
    wait_until(answers(clipper, 1.0, 6.0), 30)
    wait_until(lambda: paused.id not in [one.id for one in containers(docker)], 30)


def test_restarted_management_adopts_the_containers_that_run(
    clipper: Clipper, docker: Any, config: ClipperConfig
) -> None:
    before = [one.id for one in containers(docker)]
    management = pid_of(config.run_dir, "clipper.management")
    os.kill(management, signal.SIGKILL)
    wait_until(lambda: _management(config.run_dir) not in (0, management))
    wait_until(lambda: _ready(clipper) == 1)
    assert [one.id for one in containers(docker)] == before
    clipper.set_num_replicas("sum", 2, 1)
    assert len(containers(docker)) == 2
    clipper.set_num_replicas("sum", 1, 1)
    assert len(containers(docker)) == 1


def test_program_that_takes_more_memory_than_it_may_is_killed_and_the_error_says_so(clipper: Clipper) -> None:
    # Podman does not say why it was killed.
    told = "was killed by signal 9" + ("" if IS_PODMAN else r": it ran out of memory \(its limit is 32 MiB\)")
    with pytest.raises(DeployError, match=told) as raised:
        clipper.deploy_model("hungry", 1, container="hungry", resources={"memory": "32Mi"})
    assert "hungry" in raised.value.log_tail


def test_image_that_is_not_there_fails_the_deployment_and_says_which(clipper: Clipper) -> None:
    with pytest.raises(DeployError, match="there is no image 'localhost:1/nobody/has-it:1'"):
        clipper.deploy_model("nobody", 1, container="docker://localhost:1/nobody/has-it:1")


def test_image_without_the_container_contract_fails_the_deployment_and_says_what_is_missing(
    clipper: Clipper, docker: Any, dockerd: DockerDaemon
) -> None:
    file = f'FROM {dockerd.image}\nENTRYPOINT ["python3", "-c", "print(\'no container\')"]\n'
    docker.images.build(fileobj=io.BytesIO(file.encode()), tag="foreign:1")
    for image, told in (
        (dockerd.image, f"the image '{dockerd.image}' names no program to run: expected an ENTRYPOINT that speaks"),
        ("foreign:1", r"exited with code 0: it never registered, as the container contract asks for \(docs/cont"),
        ("No Image", "'No Image' is no name of an image: .*invalid reference format"),
    ):
        with pytest.raises(DeployError, match=told) as raised:
            clipper.deploy_model("foreign", 1, container=f"docker://{image}")
        assert ("no container" in raised.value.log_tail) == (image == "foreign:1")


def test_function_and_its_files_reach_a_container(clipper: Clipper) -> None:
    clipper.deploy_model("tripled", 1, lambda inputs: [3 * float(one.sum()) for one in inputs])
    clipper.register_application("triples", "doubles", -1.0, SLO_US)
    clipper.link_model_to_app("triples", "tripled")
    assert clipper.predict("triples", [1.0, 2.0]).output == 9.0


def test_query_that_finds_the_disk_of_its_container_full_fails_and_says_so_and_others_do_not(
    clipper: Clipper, docker: Any
) -> None:
    def fills(inputs: Any) -> list[float]:
        if inputs[0].sum() > 0:
            with open("/tmp/scratch", "ab") as file:
                while True:
                    file.write(bytes(1 << 20))
        return [float(len(one)) for one in inputs]

    clipper.register_application("scratches", "doubles", -1.0, 10 * SLO_US, on_miss="error")
    clipper.deploy_model("scratch", 1, fills)
    clipper.link_model_to_app("scratches", "scratch")
    before = docker.containers.get(f"{CLUSTER}.scratch_1_0")
    with ThreadPoolExecutor(2) as threads:
        failed = threads.submit(clipper.predict_batch, "scratches", [[1.0]])
        others = [clipper.predict("sums", [float(number), 1.0]) for number in range(50)]
        (answer,) = failed.result()
    assert [one.output for one in others] == [number + 1.0 for number in range(50)]
    assert answer.error == "model_error" and "No space left on device" in str(answer.cause)
    wait_until(lambda: "No space left on device" in clipper.logs("scratch:1:0"))
    # It is full still, and who does not write is answered: by the same container.
    assert clipper.predict("scratches", [0.0, 0.0]).output == 2.0
    assert clipper.predict_batch("scratches", [[2.0]])[0].error == "model_error"
    before.reload()
    assert before.status == "running"
    clipper.delete_application("scratches")
    clipper.delete_model("scratch")


def test_container_that_prints_without_end_fills_no_disk(clipper: Clipper, docker: Any, config: ClipperConfig) -> None:
    def talks(inputs: Any) -> list[float]:
        for number in range(LOG_MAX_BYTES // LINE_BYTES + 100):
            print(f"{number:>{LINE_BYTES}}")  # noqa: T201
        print("said all")  # noqa: T201
        return [1.0 for _ in inputs]

    clipper.register_application("talks", "doubles", -1.0, 10 * SLO_US)
    clipper.deploy_model("talker", 1, talks)
    clipper.link_model_to_app("talks", "talker")
    assert clipper.predict("talks", [0.0]).output == 1.0
    wait_until(lambda: "said all" in clipper.logs("talker:1:0"))
    kept = Path(docker.containers.get(f"{CLUSTER}.talker_1_0").attrs["LogPath"])
    for path in (kept, *config.log_dir.glob("talker_1_0.log*")):
        assert path.stat().st_size <= LOG_MAX_BYTES + 2 * LINE_BYTES, path
    clipper.delete_application("talks")
    clipper.delete_model("talker")


def test_replica_logs_are_read_as_those_of_a_process(clipper: Clipper) -> None:
    assert "sum" in clipper.logs("sum:1:0")


def test_daemon_that_ends_and_comes_back_has_its_replicas_again(
    clipper: Clipper, docker: Any, dockerd: DockerDaemon
) -> None:
    dockerd.stop()
    dockerd.start()
    wait_until(answers(clipper, 2.0, 9.0), 30)
    assert replica(docker).status == "running"


def _management(run_dir: Path) -> int:
    """Return the process of management; 0 between two of them."""
    try:
        return pid_of(run_dir, "clipper.management")
    except LookupError:
        return 0


def _ready(clipper: Clipper) -> int:
    try:
        return sum(one.state == "ready" for one in clipper.get_replicas("sum", "1"))
    except Exception:  # noqa: BLE001  # management is being started again
        return 0
