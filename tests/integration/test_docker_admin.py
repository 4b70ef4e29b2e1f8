"""A script of the original system's, on a real Docker daemon: images, versions, scaling, logs, and the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clipper.admin import ClipperConnection, ClipperException, DockerContainerManager
from tests.support.dockerd import NEEDS_DOCKERD, DockerDaemon

pytestmark = [pytest.mark.timeout(120), *NEEDS_DOCKERD]
CLUSTER = "scripts"
MODEL = """
import os, pathlib
from model_containers import ModelContainer, serve
class Shifted(ModelContainer):
    def predict_batch(self, inputs):
        return inputs.sum(axis=1) + float(pathlib.Path(os.environ["CLIPPER_MODEL_PATH"], "shift").read_text())
serve(Shifted())
"""


@pytest.fixture
def manager(dockerd: DockerDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DockerContainerManager:
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    monkeypatch.setenv("CLIPPER_DOCKER__IMAGE", dockerd.image)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return DockerContainerManager(
        CLUSTER,
        clipper_query_port=0,
        clipper_management_port=1338,
        docker_network="clipper_scripts",
        extra_container_kwargs={"hostname": "replica"},
    )


@pytest.fixture
def docker(dockerd: DockerDaemon) -> Iterator[Any]:
    with contextlib.closing(dockerd.client()) as client:
        yield client


def test_script_of_the_original_builds_deploys_scales_and_stops(
    dockerd: DockerDaemon, docker: Any, manager: DockerContainerManager, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "shift").write_text("100")
    (model / "serve.py").write_text(MODEL)
    base = f"{dockerd.image}-shifted"
    docker.images.build(fileobj=_file(f'FROM {dockerd.image}\nENTRYPOINT ["python3", "/model/serve.py"]\n'), tag=base)
    conn = ClipperConnection(manager)
    conn.start_clipper()
    try:
        conn.register_application("app", "doubles", "-1.0", 1_000_000)
        conn.build_and_deploy_model("shifted", 1, "doubles", str(model), base)
        conn.link_model_to_app("app", "shifted")
        answer = httpx.post(f"http://{conn.get_query_addr()}/app/predict", json={"input": [1.0, 2.0]})
        assert answer.json()["output"] == 103.0
        assert conn.get_model_info("shifted", 1)["container_name"] == f"docker://{CLUSTER}-shifted:1"
        conn.set_num_replicas("shifted", 2)
        assert conn.get_num_replicas("shifted") == 2
        found = docker.containers.list(filters={"label": "ai.clipper.model_container.label=shifted_1"})
        assert len(found) == 2 and {one.attrs["Config"]["Hostname"] for one in found} == {"replica"}
        assert any("shifted_1_0" in path for path in conn.get_clipper_logs(str(tmp_path / "logs")))
        assert conn.inspect_instance()["counters"]
        conn.stop_all_model_containers()
        assert docker.containers.list(filters={"label": f"ai.clipper.container.label={CLUSTER}"}) == []
    finally:
        conn.stop_all()


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


def _file(text: str) -> Any:
    import io

    return io.BytesIO(text.encode())
