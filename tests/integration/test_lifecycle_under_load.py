"""The life of a model while queries stream in: none fails or gets the default output, and none an old version."""

from __future__ import annotations

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
from clipper import Clipper, ClipperError, ConflictError, DeployError, InvalidArgumentError, NotFoundError
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig, SupervisorConfig
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import SUPPORT, pid_of, wait_until
from tests.support.steady_load import SteadyLoad, all_answered_by, mean_offset

pytestmark = pytest.mark.timeout(120)
SLO_US = 10_000_000  # the machine may be busy; a gap in serving shows at once all the same: as a default output


@pytest.fixture(scope="module")
def run_dir() -> Iterator[Path]:
    directory = make_run_dir()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def clipper(run_dir: Path) -> Iterator[Clipper]:
    config = ClipperConfig(
        run_dir,
        listen=ListenConfig(query_port=0, management_port=0),
        supervisor=SupervisorConfig(restart_backoff_min_us=10_000),
        management=ManagementConfig(
            containers={"versioned": (sys.executable, str(SUPPORT / "versioned_container.py"))},
            ready_limit_us=30_000_000,
            replace_backoff_min_us=10_000,
        ),
    )
    with Clipper.start(config=config) as running:
        yield running
    assert processes_of(run_dir) == {}


def deploy(clipper: Clipper, model: str, version: int, offset: float, **options: Any) -> None:
    """Deploy a version that adds ``offset``; options in capitals are parameters of the simulated container."""
    environment = {"CLIPPER_VERSIONED_OFFSET": str(offset)}
    for name in [name for name in options if name.isupper()]:
        environment[f"CLIPPER_{name}"] = str(options.pop(name))
    clipper.deploy_model(model, version, container="versioned", environment=environment, **options)


def serve(clipper: Clipper, app: str, *models: str, slo_us: int = SLO_US, **options: Any) -> None:
    """Register an application and link models to it."""
    clipper.register_application(app, "doubles", "default", slo_us, **options)
    for model in models:
        clipper.link_model_to_app(app, model)


def load(clipper: Clipper, app: str, *allowed: float, **options: Any) -> SteadyLoad:
    return SteadyLoad(clipper.query_url, app, set(allowed), **options)


def versions_of(clipper: Clipper, name: str) -> dict[str, int]:
    """Return how many ready replicas each version of a model has."""
    for model in clipper.status()["models"]:
        if model["name"] == name:
            return {version["version"]: version["ready_replicas"] for version in model["versions"]}
    return {}


def test_new_version_rollback_roll_forward_and_deletion_leave_no_gap(clipper: Clipper) -> None:
    deploy(clipper, "rolled", 1, 1000)
    serve(clipper, "rolled", "rolled")
    with load(clipper, "rolled", 1000) as queries:
        with queries.switching(to={2000}):
            deploy(clipper, "rolled", 2, 2000)
        with queries.switching(to={1000}):
            assert clipper.rollback("rolled") == "1"
        with queries.switching(to={2000}):
            clipper.set_model_version("rolled", 2)
        with queries.switching(to={2000}):
            clipper.delete_model_version("rolled", 1)
    assert versions_of(clipper, "rolled") == {"2": 1}
    with pytest.raises(NotFoundError, match="'1'"):
        clipper.set_model_version("rolled", 1)
    with pytest.raises(ConflictError, match="current"):
        clipper.delete_model_version("rolled", 2)


def test_scaling_up_and_down_leaves_no_gap_and_to_zero_is_refused(clipper: Clipper) -> None:
    deploy(clipper, "scaled", 1, 1000, SIMULATED_BASE_US=2000)
    serve(clipper, "scaled", "scaled")
    with load(clipper, "scaled", 1000) as queries:
        for count in (3, 1, 2):
            clipper.set_num_replicas("scaled", count)
            assert versions_of(clipper, "scaled") == {"1": count}
            queries.wait_answers(30)
        for count in (0, -1):
            with pytest.raises(InvalidArgumentError, match="replicas"):
                clipper.set_num_replicas("scaled", count)
    assert versions_of(clipper, "scaled") == {"1": 2}


def test_first_batch_that_takes_longer_than_the_objective_is_paid_for_by_a_sample(clipper: Clipper) -> None:
    """Nobody gave a sample: it is made up from the shape that the application declares."""
    deploy(clipper, "cold", 1, 1000)
    serve(clipper, "cold", "cold", slo_us=1_000_000, shape=2)
    with load(clipper, "cold", 1000, rate=60) as queries:
        with queries.switching(to={2000}):
            deploy(clipper, "cold", 2, 2000, VERSIONED_COLD_US=1_300_000)
        clipper.set_num_replicas("cold", 2)  # the second replica is as cold as the first one was
        queries.wait_answers(60)


def test_model_that_cannot_evaluate_its_sample_is_not_deployed(clipper: Clipper) -> None:
    deploy(clipper, "sampled", 1, 1000, sample_input=[1.0])
    serve(clipper, "sampled", "sampled")
    with load(clipper, "sampled", 1000) as queries:
        with pytest.raises(DeployError, match="the sample input failed: RuntimeError: simulated failure") as caught:
            deploy(clipper, "sampled", 2, 2000, sample_input=[1.0], SIMULATED_FAULT="raise")
        assert "Traceback" in caught.value.log_tail
        queries.wait_answers(20)
    assert versions_of(clipper, "sampled") == {"1": 1}


def test_deployment_that_fails_changes_nothing_for_those_who_query(clipper: Clipper, run_dir: Path) -> None:
    deploy(clipper, "robust", 1, 1000)
    serve(clipper, "robust", "robust")
    with load(clipper, "robust", 1000) as queries:
        with pytest.raises(DeployError, match="exited with code 1") as caught:
            deploy(clipper, "robust", 2, 2000, replicas=2, SIMULATED_FAULT="no such fault")
        assert "no such fault" in caught.value.log_tail
        queries.wait_answers(20)
    assert versions_of(clipper, "robust") == {"1": 1}
    assert [path.name for path in (run_dir / "models" / "robust").iterdir()] == ["1"]


def test_version_that_is_deleted_answers_everything_in_its_queue_first(clipper: Clipper) -> None:
    """A second and a half of work waits for the one replica of the old version when it is switched away and deleted."""
    deploy(clipper, "queued", 1, 1000, batch_size=1, SIMULATED_BASE_US=100_000)
    deploy(clipper, "queued", 2, 2000, make_current=False)
    serve(clipper, "queued", "queued", cache=False)
    answers: list[dict[str, Any]] = []

    def ask(value: float) -> None:
        prediction = clipper.predict("queued", [value])
        answers.append({"default": prediction.is_default, "model": prediction.model})

    clients = [threading.Thread(target=ask, args=(float(number),)) for number in range(15)]
    for client in clients:
        client.start()
    metrics = f'clipper_queries_total{{application="queued"}} {len(clients)}.0'
    wait_until(lambda: metrics in _metrics(clipper))
    clipper.set_model_version("queued", 2)
    assert clipper.predict("queued", [0.0]).output == 2000
    clipper.delete_model_version("queued", 1)
    for client in clients:
        client.join()
    assert len(answers) == 15
    assert all_answered_by(answers, "queued:1")
    assert versions_of(clipper, "queued") == {"2": 1}


def _metrics(clipper: Clipper) -> str:
    return httpx.get(f"{clipper.query_url}/metrics", trust_env=False).text


def test_version_that_is_not_current_answers_those_who_name_it(clipper: Clipper) -> None:
    deploy(clipper, "named", 1, 1000)
    serve(clipper, "named", "named")
    with load(clipper, "named", 1000) as queries:
        deploy(clipper, "named", 2, 2000, make_current=False)
        with load(clipper, "named", 2000, extra={"version": "2"}) as named:
            with queries.switching(to={2000}):
                clipper.set_model_version("named", 2)
            named.wait_answers(20)
        with load(clipper, "named", 1000, extra={"version": "1"}) as old:
            old.wait_answers(20)
    assert "does not exist for model: named" in _cause_of(clipper, "named", version=3)


def _cause_of(clipper: Clipper, app: str, **options: Any) -> str:
    with pytest.raises(ClipperError) as caught:
        clipper.predict(app, [1.0], **options)
    return str(caught.value)


def test_two_applications_share_a_model_and_one_of_them_leaves_it(clipper: Clipper) -> None:
    deploy(clipper, "shared", 1, 1000)
    serve(clipper, "first", "shared")
    serve(clipper, "second", "shared", slo_us=2 * SLO_US)
    with load(clipper, "first", 1000) as first:
        with load(clipper, "second", 1000) as second, first.switching(to={2000}), second.switching(to={2000}):
            deploy(clipper, "shared", 2, 2000)
        clipper.unlink_model_from_app("second", "shared")
        clipper.delete_application("second")
        first.wait_answers(20)
        with pytest.raises(ConflictError, match="linked to: first"):
            clipper.delete_model_version("shared", 2)
    assert versions_of(clipper, "shared") == {"1": 1, "2": 1}


def test_one_model_of_several_is_replaced_unlinked_and_deleted_without_a_gap(clipper: Clipper) -> None:
    deploy(clipper, "left", 1, 1000)
    deploy(clipper, "right", 1, 400)
    serve(clipper, "pair", "left", "right", policy="mean")
    with load(clipper, "pair", mean_offset(1000, 400)) as queries:
        with queries.switching(to={mean_offset(2000, 400)}):
            deploy(clipper, "left", 2, 2000)
        with queries.switching(to={mean_offset(2000, 800)}):
            deploy(clipper, "right", 2, 800)
        with queries.switching(to={2000}):
            clipper.unlink_model_from_app("pair", "right")
        clipper.delete_model_version("right", 1)
        clipper.delete_model("right")
        queries.wait_answers(20)
    assert versions_of(clipper, "right") == {}


def test_management_killed_in_the_middle_of_a_deployment_disturbs_no_query_and_leaves_no_half_version(
    clipper: Clipper, run_dir: Path
) -> None:
    deploy(clipper, "midway", 1, 1000)
    serve(clipper, "midway", "midway")
    failures: list[ClipperError] = []

    def deploy_second() -> None:
        try:
            deploy(clipper, "midway", 2, 2000, SIMULATED_LOAD_US=60_000_000)
        except ClipperError as error:
            failures.append(error)

    with load(clipper, "midway", 1000) as queries:
        deployment = threading.Thread(target=deploy_second)
        deployment.start()
        wait_until(lambda: "loading" in [one["state"] for one in clipper.status()["replicas"]])
        os.kill(pid_of(run_dir, "clipper.management"), signal.SIGKILL)
        deployment.join()
        assert len(failures) == 1

        def is_undone() -> bool:
            try:
                return versions_of(clipper, "midway") == {"1": 1}
            except ClipperError:  # management is being started again
                return False

        wait_until(is_undone)
        wait_until(lambda: not any(one["replica_id"] == "midway:2:0" for one in clipper.status()["replicas"]))
        assert [path.name for path in (run_dir / "models" / "midway").iterdir()] == ["1"]
        with queries.switching(to={2000}):
            deploy(clipper, "midway", 2, 2000)
