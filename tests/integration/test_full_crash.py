"""Every process of an instance is killed at once; started again in its run directory, everything is back by itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.procfs import processes_of
from clipper import Clipper, StartError, UnavailableError
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig, SupervisorConfig
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import SUPPORT, pid_of, wait_until, watch_deaths
from tests.support.steady_load import SteadyLoad, mean_offset
from tests.support.versioned_container import HELPER

pytestmark = pytest.mark.timeout(120)
SLO_US = 10_000_000
# Of each version, beside which is current and what a roll-back goes to.
KEPT = ("input_type", "container", "replicas", "labels", "resources", "description", "batch_size", "is_deployed")


@pytest.fixture
def run_dir() -> Iterator[Path]:
    directory = make_run_dir()
    yield directory
    for pid in processes_of(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


def configuration(run_dir: Path, query_port: int = 0, management_port: int = 0) -> ClipperConfig:
    return ClipperConfig(
        run_dir,
        listen=ListenConfig(query_port=query_port, management_port=management_port),
        supervisor=SupervisorConfig(restart_backoff_min_us=10_000),
        management=ManagementConfig(
            containers={"versioned": (sys.executable, str(SUPPORT / "versioned_container.py"))},
            ready_limit_us=30_000_000,
            replace_backoff_min_us=10_000,
        ),
    )


def deploy(clipper: Clipper, model: str, version: int, offset: float, **options: Any) -> None:
    environment = {"CLIPPER_VERSIONED_OFFSET": str(offset), **options.pop("environment", {})}
    clipper.deploy_model(model, version, container="versioned", environment=environment, **options)


def desired(clipper: Clipper) -> dict[str, Any]:
    """Return what must survive."""
    status = clipper.status()
    models = {
        model["name"]: (
            model["current_version"],
            model["previous_versions"],
            {version["version"]: [version[field] for field in KEPT] for version in model["versions"]},
        )
        for model in status["models"]
    }
    return {"applications": status["applications"], "models": models}


def replicas(clipper: Clipper) -> dict[str, str]:
    return {one["replica_id"]: one["state"] for one in clipper.status()["replicas"]}


def kill_all_but_helpers(run_dir: Path) -> list[int]:
    """SIGKILL the instance, all of its processes at once; return what is left: what a container had spawned."""
    processes = processes_of(run_dir)
    helpers = [pid for pid, command in processes.items() if HELPER in command]
    with watch_deaths(processes.keys() - set(helpers)) as survivors:
        for pid in processes.keys() - set(helpers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert survivors(15) == []
    return helpers


def test_everything_is_back_after_a_sigkill_of_every_process(run_dir: Path) -> None:
    clipper = Clipper.start(config=configuration(run_dir))
    deploy(clipper, "left", 1, 1000, labels=["old"], batch_size=4, resources={"cpu": 1}, description="the first")
    deploy(clipper, "left", 2, 2000)
    clipper.set_model_version("left", 1)
    clipper.set_num_replicas("left", 2, version=2)
    deploy(clipper, "right", 1, 400, replicas=1, environment={"CLIPPER_VERSIONED_HELPER": "1"})
    clipper.register_application("pair", "doubles", "default", SLO_US, policy="mean")
    for model in ("left", "right"):
        clipper.link_model_to_app("pair", model)
    clipper.register_application("empty", "strings", "nothing", SLO_US)
    clipper.register_application("alone", "doubles", "default", SLO_US, on_miss="error", cache=False, shape=2)
    clipper.link_model_to_app("alone", "left")
    before, were_running = desired(clipper), replicas(clipper)
    assert set(were_running.values()) == {"ready"}
    assert len(were_running) == 4
    ports = [int(url.rpartition(":")[2]) for url in (clipper.query_url, clipper.management_url)]

    # What must not come back: half a deployment, and the files of a deletion that was not finished.
    half = threading.Thread(target=deploy_for_ever, args=(clipper,))
    half.start()
    wait_until(lambda: replicas(clipper).get("half:1:0") == "loading")
    (run_dir / "models" / "gone" / "7").mkdir(parents=True)
    (helper,) = kill_all_but_helpers(run_dir)
    half.join(15)
    with pytest.raises(StartError, match="code -9"):
        clipper.stop()

    # The same ports at once: nothing of the dead instance holds them.
    with watch_deaths([helper]) as survivors, Clipper.start(config=configuration(run_dir, *ports)) as clipper:
        assert survivors(15) == [], "what a container had spawned lives on beside the new instance"
        assert desired(clipper) == before
        wait_until(lambda: replicas(clipper) == were_running, 30)
        assert httpx.get(f"{clipper.query_url}/readyz", trust_env=False).status_code == 200
        for app, offset in (("pair", mean_offset(1000, 400)), ("alone", 1000.0)):
            with SteadyLoad(clipper.query_url, app, {offset}) as queries:
                queries.wait_answers(20)
        with SteadyLoad(clipper.query_url, "alone", {2000.0}, extra={"version": "2"}) as queries:
            queries.wait_answers(20)
        assert clipper.predict("empty", "x").output == "nothing"
        assert {path.name for path in (run_dir / "models").iterdir()} == {".staging", "left", "right"}
        # And it is no museum: what could be done to it can be done to it again.
        assert clipper.rollback("left") == "2"
        clipper.delete_model_version("left", 1)
        deploy(clipper, "half", 1, 1)
    assert processes_of(run_dir) == {}


def deploy_for_ever(clipper: Clipper) -> None:
    with pytest.raises(UnavailableError):
        deploy(clipper, "half", 1, 1, environment={"CLIPPER_SIMULATED_LOAD_US": "60000000"})


def test_killed_supervisor_alone_takes_the_instance_along_and_the_next_start_serves(run_dir: Path) -> None:
    clipper = Clipper.start(config=configuration(run_dir))
    deploy(clipper, "one", 1, 1000, replicas=2)
    clipper.register_application("one", "doubles", "default", SLO_US)
    clipper.link_model_to_app("one", "one")
    ports = [int(url.rpartition(":")[2]) for url in (clipper.query_url, clipper.management_url)]
    os.kill(pid_of(run_dir, "clipper.supervisor"), signal.SIGKILL)
    # No waiting: the kernel may still be ending the children, which hold the ports and the state file.
    with Clipper.start(config=configuration(run_dir, *ports)) as again:
        wait_until(lambda: replicas(again) == {"one:1:0": "ready", "one:1:1": "ready"}, 30)
        with SteadyLoad(again.query_url, "one", {1000.0}) as queries:
            queries.wait_answers(20)
        assert all(version["failures"] == 0 for model in again.status()["models"] for version in model["versions"])
    with pytest.raises(StartError, match="code -9"):
        clipper.stop()
