"""The compose file on a real dockerd: Clipper in its image, its state in Redis, its metrics in Prometheus."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from clipper import Clipper, UnauthorizedError
from clipper.errors import ClipperError
from tests.support.composition import NEEDS_COMPOSE, Composition, composed, container, make_images
from tests.support.dockerd import NEEDS_DOCKERD, DockerDaemon
from tests.support.processes import wait_until

pytestmark = [pytest.mark.timeout(120), *NEEDS_DOCKERD, *NEEDS_COMPOSE]
SLO_US = 5_000_000
STOP_LIMIT_S = 40  # stop_grace_period


@pytest.fixture(scope="module")
def composition(dockerd: DockerDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    make_images(dockerd)
    with composed(dockerd, tmp_path_factory.mktemp("composed"), "whole") as running:
        yield running


@pytest.fixture(scope="module")
def docker(dockerd: DockerDaemon) -> Iterator[Any]:
    with contextlib.closing(dockerd.client()) as client:
        yield client


@pytest.fixture(scope="module")
def clipper(composition: Composition) -> Iterator[Clipper]:
    """A client outside, as a user's: by the published port, with the token."""
    url = f"http://{composition.management}"
    wait_until(lambda: _answers(f"{url}/healthz"), 60)
    with Clipper.connect(url, token=composition.token) as outside:
        outside.register_application("sums", "doubles", -1.0, SLO_US)
        outside.deploy_model("tripled", 1, lambda inputs: [3 * float(one.sum()) for one in inputs])
        outside.link_model_to_app("sums", "tripled")
        yield outside


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def predict(composition: Composition, *numbers: float, app: str = "sums") -> Any:
    body = {"input": list(numbers)}
    return httpx.post(f"http://{composition.query}/{app}/predict", json=body, timeout=30).json()


def test_model_deployed_from_outside_answers_on_the_published_port(clipper: Clipper, composition: Composition) -> None:
    answer = predict(composition, 1.0, 2.0)
    assert (answer["output"], answer["default"]) == (9.0, False)
    with pytest.raises(UnauthorizedError), Clipper.connect(clipper.management_url, token="a" * 32) as stranger:
        stranger.status()


def test_services_may_do_no_more_than_they_need(clipper: Clipper, composition: Composition, docker: Any) -> None:
    for service in ("clipper", "redis", "prometheus"):
        found = container(docker, composition, service)
        host = found.attrs["HostConfig"]
        assert host["ReadonlyRootfs"] and int(_of_process(found, "CapBnd"), 16) == 0, service
        assert host["Memory"] and host["PidsLimit"] and _of_process(found, "NoNewPrivs") == "1", service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        assert _of_process(found, "Uid") != "0", service
    assert not container(docker, composition, "redis").attrs["HostConfig"]["PortBindings"]
    assert docker.networks.get(f"{composition.name}_state").attrs["Internal"]


def _of_process(found: Any, field: str) -> str:
    """Return what the kernel says of a container's first process."""
    with open(f"/proc/{found.attrs['State']['Pid']}/status", encoding="ascii") as status:
        return next(line.split()[1] for line in status if line.startswith(f"{field}:"))


def test_image_says_that_it_is_well(clipper: Clipper, composition: Composition, docker: Any) -> None:
    found = container(docker, composition, "clipper")
    done = found.exec_run(found.attrs["Config"]["Healthcheck"]["Test"][1:])
    assert (done.exit_code, done.output) == (0, b"ok\n")
    assert b"tripled" in found.exec_run(["clipper", "models"]).output, "the command line inside knows the token"


def test_clipper_that_is_killed_comes_back_with_its_state_from_redis(
    clipper: Clipper, composition: Composition, docker: Any
) -> None:
    found = container(docker, composition, "clipper")
    files = found.exec_run(["python3", "-c", "import os; print(sorted(os.listdir('/var/lib/clipper')))"]).output
    assert b"models" in files and b"sqlite" not in files
    os.kill(found.attrs["State"]["Pid"], signal.SIGKILL)
    wait_until(lambda: container(docker, composition, "clipper").attrs["RestartCount"] == 1, 60)
    wait_until(lambda: _output(composition, 2.0, 3.0) == 15.0, 60)
    assert [one["name"] for one in clipper.status()["models"]] == ["tripled"]


def _output(composition: Composition, *numbers: float) -> Any:
    try:
        return predict(composition, *numbers).get("output")
    except httpx.HTTPError:
        return None


def test_prometheus_has_what_both_ports_count(clipper: Clipper, composition: Composition) -> None:
    def values(expression: str) -> list[str]:
        url = f"http://{composition.prometheus}/api/v1/query"
        found = httpx.get(url, params={"query": expression}).json()["data"]["result"]
        return [one["value"][1] for one in found]

    predict(composition, 4.0)
    wait_until(lambda: values('up{job="clipper"}') == ["1", "1"], 30)
    wait_until(lambda: values('max(clipper_queries_total{application="sums"})') not in ([], ["0"]), 30)
    assert values("clipper_registry_revision") != []


def test_stopped_clipper_answers_what_is_in_flight_and_ends_in_order(
    clipper: Clipper, composition: Composition, docker: Any
) -> None:
    slow = lambda inputs: [float(one.sum()) for one in inputs if not __import__("time").sleep(1)]  # noqa: E731
    clipper.register_application("slow", "doubles", -1.0, SLO_US)
    clipper.deploy_model("slow", 1, slow)
    clipper.link_model_to_app("slow", "slow")
    found = container(docker, composition, "clipper")
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(predict, composition, 7.0, app="slow")
        wait_until(lambda: _in_flight(composition))
        found.stop(timeout=STOP_LIMIT_S)
        assert answer.result()["output"] == 7.0
    found.reload()
    assert found.attrs["State"]["ExitCode"] == 0, "not killed"
    with pytest.raises(ClipperError, match="cannot be reached"):
        clipper.status()


def _in_flight(composition: Composition) -> bool:
    text = httpx.get(f"http://{composition.query}/metrics").text
    return 'clipper_model_batches_total{model="slow",version="1"} 1' in text
