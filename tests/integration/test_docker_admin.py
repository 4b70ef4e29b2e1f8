"""A script of the original system's, on a real Docker daemon and over TCP: images, versions, logs, and the end."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clipper.admin import ClipperConnection, ClipperException, DockerContainerManager
from clipper.security.rpc_keys import make_rpc_keys
from tests.support.dockerd import NEEDS_DOCKERD, DockerDaemon
from tests.support.processes import wait_until
from tests.support.repository import ROOT

pytestmark = [pytest.mark.timeout(120), *NEEDS_DOCKERD]
CLUSTER = "scripts"
NETWORK = "clipper_scripts"
SILENCE = "CLIPPER_RPC_FRONTEND_SILENCE_US=700000"
MODEL = """
import os, pathlib
from model_containers import ModelContainer, serve
class Shifted(ModelContainer):
    def predict_batch(self, inputs):
        return inputs.sum(axis=1) + float(pathlib.Path(os.environ["CLIPPER_MODEL_PATH"], "shift").read_text())
serve(Shifted())
"""


@pytest.fixture(scope="module")
def manager(dockerd: DockerDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerContainerManager]:
    home = tmp_path_factory.mktemp("scripts")
    make_rpc_keys(home / "keys")
    with socket.create_server(("0.0.0.0", 0)) as free:
        port = free.getsockname()[1]
    variables = {
        "DOCKER_HOST": dockerd.host,
        "XDG_STATE_HOME": str(home),
        "CLIPPER_DOCKER__IMAGE": dockerd.image,
        "CLIPPER_DOCKER__RPC": "tcp",
        "CLIPPER_RPC__TCP_HOST": "0.0.0.0",
        "CLIPPER_SECURITY__RPC_KEYS_DIR": str(home / "keys"),
        "CLIPPER_MANAGEMENT__SUSPECT_GRACE_US": "60_000_000",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield DockerContainerManager(
            CLUSTER,
            clipper_query_port=0,
            clipper_rpc_port=port,
            docker_network=NETWORK,
            extra_container_kwargs={"hostname": "replica"},
        )


@pytest.fixture(scope="module")
def conn(manager: DockerContainerManager, docker: Any) -> Iterator[ClipperConnection]:
    conn = ClipperConnection(manager)
    conn.start_clipper()
    try:
        yield conn
    finally:
        conn.stop_all()
    assert replicas(docker) == []


@pytest.fixture(scope="module")
def docker(dockerd: DockerDaemon) -> Iterator[Any]:
    with contextlib.closing(dockerd.client()) as client:
        yield client


def replicas(docker: Any) -> list[Any]:
    found: list[Any] = docker.containers.list(all=True, filters={"label": f"ai.clipper.container.label={CLUSTER}"})
    return found


def predict(conn: ClipperConnection, *numbers: float, app: str = "app") -> Any:
    return httpx.post(f"http://{conn.get_query_addr()}/{app}/predict", json={"input": list(numbers)}).json()


def test_script_of_the_original_builds_and_deploys_over_tcp(
    dockerd: DockerDaemon, docker: Any, conn: ClipperConnection, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "shift").write_text("100")
    (model / "serve.py").write_text(MODEL)
    base = f"{dockerd.image}-shifted"
    file = f'FROM {dockerd.image}\nENV {SILENCE}\nENTRYPOINT ["python3", "/model/serve.py"]\n'
    docker.images.build(fileobj=io.BytesIO(file.encode()), tag=base)
    conn.register_application("app", "doubles", "-1.0", 500_000)
    conn.build_and_deploy_model("shifted", 1, "doubles", str(model), base)
    conn.link_model_to_app("app", "shifted")
    assert predict(conn, 1.0, 2.0)["output"] == 103.0
    info = conn.get_model_info("shifted", 1)
    assert info is not None and info["container_name"] == f"docker://{CLUSTER}-shifted:1"
    assert conn.get_num_replicas("shifted") == 1
    (container,) = replicas(docker)
    assert container.labels["ai.clipper.model_container.label"] == "shifted_1"
    assert container.attrs["Config"]["Hostname"] == "replica"
    assert [mount["Destination"] for mount in container.attrs["Mounts"]] == ["/run/clipper.keys"]
    assert any("shifted_1_0" in path for path in conn.get_clipper_logs(str(tmp_path / "logs")))
    assert conn.inspect_instance()["counters"]


def test_replica_outlives_a_cut_network(docker: Any, conn: ClipperConnection) -> None:
    (container,) = replicas(docker)
    network = docker.networks.get(NETWORK)
    network.disconnect(container)
    assert predict(conn, 1.0, 3.0)["default"]
    network.connect(container)
    wait_until(lambda: predict(conn, 1.0, 4.0)["output"] == 105.0)
    assert [one.id for one in replicas(docker)] == [container.id], "the same one"


def test_images_of_the_command_and_of_a_dockerfile_run_their_container(
    dockerd: DockerDaemon, docker: Any, conn: ClipperConnection
) -> None:
    command = [sys.executable, "-m", "clipper", "build-image", "clipper/sum:cli", "--container", "sum", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (
        told["image"] == "clipper/sum:cli" and told["size_bytes"] == docker.images.get("clipper/sum:cli").attrs["Size"]
    )
    built, _ = docker.images.build(
        path=str(ROOT / "model_containers"),
        dockerfile="noop/Dockerfile",
        buildargs={"BASE": dockerd.image},
        tag="clipper/noop:file",
    )
    assert built.attrs["Config"]["Entrypoint"] == ["python3", "-m", "model_containers.noop"]
    assert built.attrs["Config"]["User"] == "65532:65532"
    conn.register_application("sums", "doubles", "-1.0", 500_000)
    conn.deploy_model("summed", 1, "doubles", "clipper/sum:cli")
    conn.link_model_to_app("sums", "summed")
    assert predict(conn, 1.0, 2.0, app="sums")["output"] == 3.0


def test_stopped_model_leaves_no_container(docker: Any, conn: ClipperConnection) -> None:
    conn.stop_all_model_containers()
    assert replicas(docker) == []


def test_build_that_fails_says_what_it_said(manager: DockerContainerManager, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("1")
    conn = ClipperConnection(manager)
    with pytest.raises(ClipperException, match=r"(?s)cannot be built: .*nobody/has-it"):
        conn.build_model("digits", 1, str(tmp_path / "weights"), "localhost:1/nobody/has-it:1")
    with pytest.raises(ClipperException, match="there is no model at"):
        conn.build_model("digits", 1, str(tmp_path / "no-such"), manager.container_of("x").removeprefix("docker://"))


def test_network_of_the_host_is_refused() -> None:
    with pytest.raises(ClipperException, match="docker_network='host' is not supported"):
        DockerContainerManager(docker_network="host")
