"""The Python API on real processes: what there is, what goes wrong with a model, and what is left of it then."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.procfs import processes_of
from clipper import Clipper, ConflictError, DeployError, InvalidArgumentError, NotFoundError, Progress, UnavailableError
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig
from clipper.supervisor.launch import make_run_dir

pytestmark = pytest.mark.timeout(120)
SLO_US = 5_000_000


@pytest.fixture(scope="module")
def clipper() -> Iterator[Clipper]:
    with Clipper.start(query_port=0, management_port=0) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(clipper: Clipper) -> Clipper:
    """Two versions of one model, linked to an application."""
    clipper.register_application("listed", "doubles", -1, SLO_US, shape=2)
    clipper.deploy_model("listed", 1, container="sum", labels=["old"])
    clipper.link_model_to_app("listed", "listed")
    clipper.deploy_model("listed", 2, container="noop", replicas=2, description="the new one", resources={"cpu": 1})
    return clipper


def test_listings_show_applications_models_versions_and_replicas(deployed: Clipper) -> None:
    application = deployed.get_application("listed")
    assert (application.models, application.shape, application.default_output) == (("listed",), (2,), -1)
    assert "listed" in [one.name for one in deployed.get_applications()]
    model = deployed.get_model("listed")
    assert (model.current_version, [one.version for one in model.versions]) == ("2", ["1", "2"])
    assert deployed.get_version("listed", 1).labels == ("old",)
    current = deployed.get_version("listed")
    assert (current.version, current.description, current.resources) == ("2", "the new one", {"cpu": 1})
    assert model.previous_versions == ("1",)
    assert len(deployed.get_versions("listed")) == 2 <= len(deployed.get_versions())
    assert [one.replica_id for one in deployed.get_replicas("listed", 2)] == ["listed:2:0", "listed:2:1"]
    assert {one.state for one in deployed.get_replicas("listed")} == {"ready"}
    assert repr(deployed.get_models()).startswith("name")


def test_unknown_names_are_not_found(deployed: Clipper) -> None:
    for call in (
        lambda: deployed.get_application("nobody"),
        lambda: deployed.get_model("nobody"),
        lambda: deployed.get_version("listed", 9),
        lambda: deployed.set_num_replicas("nobody", 1),
        lambda: deployed.rollback("nobody"),
        lambda: deployed.delete_model("nobody"),
        lambda: list(deployed.logs("nobody:1:0", follow=True)),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_rollback_brings_the_former_version_back_and_says_which(deployed: Clipper) -> None:
    clipper = deployed
    clipper.deploy_model("rolled", 1, container="sum")
    with pytest.raises((ConflictError, NotFoundError)):
        clipper.rollback("rolled")
    clipper.deploy_model("rolled", 2, container="noop")
    assert clipper.rollback("rolled") == "1"
    assert clipper.get_model("rolled").current_version == "1"


def test_model_is_deleted_as_a_whole_but_not_while_it_is_linked(clipper: Clipper) -> None:
    clipper.register_application("holds", "doubles", 0, SLO_US)
    for version in (1, 2):
        clipper.deploy_model("doomed", version, container="noop")
    clipper.link_model_to_app("holds", "doomed")
    with pytest.raises(ConflictError, match="holds"):
        clipper.delete_model("doomed")
    clipper.unlink_model_from_app("holds", "doomed")
    clipper.delete_model("doomed")
    assert clipper.get_replicas("doomed") == ()
    with pytest.raises(NotFoundError):
        clipper.get_model("doomed")


def test_wait_ready_returns_at_once_or_tells_what_is_missing(deployed: Clipper) -> None:
    deployed.wait_ready()
    deployed.wait_ready("listed")
    deployed.wait_ready("listed", 2, limit_us=0)
    with pytest.raises(NotFoundError):
        deployed.wait_ready("nobody")


def test_log_can_be_followed(clipper: Clipper) -> None:
    def speak(inputs: Any) -> Any:
        sys.stderr.write(f"asked for {inputs[0][0]:g}\n")
        return inputs[:, 0]

    clipper.register_application("speaks", "doubles", 0, SLO_US)
    clipper.deploy_model("speaks", 1, speak)
    clipper.link_model_to_app("speaks", "speaks")
    lines = clipper.logs("speaks:1:0", follow=True)
    clipper.predict("speaks", [41.0])
    assert next(line for line in lines if "asked for 41" in line)
    clipper.predict("speaks", [42.0])
    assert next(line for line in lines if "asked for 42" in line)


# -- models that cannot be served ------------------------------------------------------------------------------------


def what_there_is(clipper: Clipper) -> tuple[Any, ...]:
    status = clipper.status()
    files = sorted(path for path in Path(status["run_dir"], "models").rglob("*"))
    return status["applications"], status["models"], status["replicas"], files


def needs_a_missing_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that refers to a module which is here, and in no place that a container looks at."""
    monkeypatch.setitem(sys.modules, "only_here", types.ModuleType("only_here"))

    class Refers:
        def __reduce__(self) -> Any:
            return importlib.import_module, ("only_here",)

    refers = Refers()
    return lambda inputs: refers and inputs


def raises_at_load(_: pytest.MonkeyPatch) -> Any:
    class Broken:
        def __call__(self, inputs: Any) -> Any:
            return inputs

        def __setstate__(self, state: Any) -> None:
            raise ValueError("the weights are torn")

        def __getstate__(self) -> Any:
            return {"weights": 1}

    return Broken()


def exits_at_load(_: pytest.MonkeyPatch) -> Any:
    class Exits:
        def __reduce__(self) -> Any:
            return os._exit, (9,)

        def __call__(self, inputs: Any) -> Any:
            return inputs

    return Exits()


@pytest.mark.parametrize(
    ("make", "message", "log"),
    [
        (needs_a_missing_module, "no only_here: install it where Clipper runs", "No module named 'only_here'"),
        (raises_at_load, "exited with code 4", "ValueError: the weights are torn"),
        (exits_at_load, "exited with code 9", ""),
    ],
)
def test_model_that_does_not_load_is_an_error_with_its_log_and_leaves_nothing(
    deployed: Clipper, monkeypatch: pytest.MonkeyPatch, make: Any, message: str, log: str
) -> None:
    before = what_there_is(deployed)
    with pytest.raises(DeployError, match=message) as caught:
        deployed.deploy_model("broken", 1, make(monkeypatch))
    assert log in caught.value.log_tail
    assert what_there_is(deployed) == before
    deployed.deploy_model("broken", 1, lambda inputs: inputs)  # the name is free
    deployed.delete_model_version("broken", 1)


def test_model_that_cannot_be_pickled_leaves_nothing(deployed: Clipper) -> None:
    before = what_there_is(deployed)
    connection = deployed.status  # it holds locks and sockets

    with pytest.raises(InvalidArgumentError, match="variable 'connection', object, attribute"):
        deployed.deploy_model("unpicklable", 1, lambda inputs: connection())
    assert what_there_is(deployed) == before


# -- notebooks and other machines ------------------------------------------------------------------------------------


class NeverLoads:
    def __reduce__(self) -> Any:
        return exec, ("import time; print('opening the weights', flush=True); time.sleep(3600)",)

    def __call__(self, inputs: Any) -> Any:
        return inputs


def cells_of_a_notebook(config: ClipperConfig) -> list[Progress]:
    steps: list[Progress] = []
    with Clipper.start(config=config) as clipper:
        clipper.register_application("app", "doubles", 0, SLO_US)
        clipper.deploy_model("model", 1, lambda inputs: [float(sum(one)) for one in inputs], progress=steps.append)
        clipper.link_model_to_app("app", "model")
        assert clipper.predict("app", [1.0, 2.0]).output == 3.0
        clipper.set_num_replicas("model", 2, progress=steps.append)
        with Clipper.connect(clipper.management_url) as second:
            assert len(second.get_replicas()) == 2
        before = what_there_is(clipper)
        with pytest.raises(DeployError, match="0 of 1 replicas ready after 4 s") as caught:
            clipper.deploy_model("late", 1, NeverLoads())
        assert "opening the weights" in caught.value.log_tail
        assert what_there_is(clipper) == before
    return steps


def test_every_call_works_in_a_notebook_where_an_event_loop_runs_in_the_same_thread() -> None:
    management = ManagementConfig(ready_limit_us=4_000_000)
    listen = ListenConfig(query_port=0, management_port=0)
    config = ClipperConfig(make_run_dir(), remove_run_dir=True, listen=listen, management=management)

    async def cell() -> list[Progress]:
        assert asyncio.get_running_loop()
        return cells_of_a_notebook(config)

    stages = [step.stage for step in asyncio.run(cell())]
    assert stages[0] == "saving" and stages.count("done") == 2
    assert processes_of(config.run_dir) == {}


def test_second_client_deploys_without_seeing_the_servers_directory(
    deployed: Clipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Progress] = []
    with Clipper.connect(deployed.management_url) as remote:
        monkeypatch.setattr("clipper.client.model_files._runs_here", lambda *_: False)
        remote.deploy_model("sent", 1, lambda inputs: [7.0 for _ in inputs], make_current=True, progress=steps.append)
    assert "uploading" in [step.stage for step in steps]
    deployed.register_application("sent", "doubles", 0, SLO_US)
    deployed.link_model_to_app("sent", "sent")
    assert deployed.predict("sent", [1.0]).output == 7.0
    staging = Path(deployed.status()["staging_dir"])
    assert list(staging.iterdir()) == []


def test_clipper_that_was_stopped_says_so_to_every_call(deployed: Clipper) -> None:
    second = Clipper.connect(deployed.management_url)
    second.stop()
    for call in (second.status, second.get_models, lambda: second.predict("listed", [1.0, 2.0])):
        with pytest.raises(UnavailableError, match="has been stopped"):
            call()
    assert json.dumps(deployed.status()["revision"])
