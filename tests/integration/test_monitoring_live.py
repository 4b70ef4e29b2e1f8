"""A model degrades while Clipper serves, nobody looks, and it is noticed and rolled back: real processes throughout."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from clipper import Clipper, ClipperError
from clipper.cli.app import app
from clipper.config import ClipperConfig, ListenConfig
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import pid_of, wait_until

pytestmark = pytest.mark.timeout(120)
LIMIT_S = 60
POLICY = {"name": "epsilon_greedy", "epsilon": 0.5}  # a degraded model keeps being asked
MONITOR = {"reference": 30, "cool_down_s": 3600, "output_window": 100}


def switched(switch: Path) -> Callable[[Any], list[int]]:
    """Return a model that says 1, or 0 while a file exists."""
    path = str(switch)

    def model(inputs: Any) -> list[int]:
        import os.path

        return [0 if os.path.exists(path) else 1 for _ in inputs]

    return model


@pytest.fixture(scope="module")
def run_dir() -> Path:
    return make_run_dir()


@pytest.fixture(scope="module")
def clipper(run_dir: Path) -> Iterator[Clipper]:
    config = ClipperConfig(run_dir, remove_run_dir=True, listen=ListenConfig(query_port=0, management_port=0))
    with Clipper.start(config=config) as running:
        yield running


class Traffic:
    """Queries whose right answer is 1, each with its feedback, until something is so."""

    def __init__(self, clipper: Clipper, application: str) -> None:
        self._client = httpx.Client(base_url=clipper.query_url, trust_env=False, timeout=20)
        self._application = application
        self._numbers = itertools.count()  # no input twice: nothing comes from the cache
        self.answers: list[dict[str, Any]] = []

    def run_until(self, is_over: Callable[[], bool], look_every: int = 20) -> None:
        def exchange() -> bool:
            for _ in range(look_every):
                self._one()
            return is_over()

        wait_until(exchange, LIMIT_S)

    def run(self, count: int) -> None:
        for _ in range(count):
            self._one()

    def _one(self) -> None:
        answer = self._client.post(f"/{self._application}/predict", json={"input": [float(next(self._numbers))]})
        assert answer.status_code == 200, answer.text
        self.answers.append(answer.json())
        body = {"query_id": answer.json()["query_id"], "label": 1}
        joined = self._client.post(f"/{self._application}/update", json=body)
        assert joined.status_code == 200, joined.text

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def traffic(clipper: Clipper, application: str) -> Iterator[Traffic]:
    found = Traffic(clipper, application)
    try:
        yield found
    finally:
        found.close()


def register(clipper: Clipper, name: str, **monitor: Any) -> None:
    clipper.register_application(
        name, "doubles", None, 5_000_000, policy=POLICY, learning={"monitor": {**MONITOR, **monitor}}
    )


def ready_arms(clipper: Clipper, application: str) -> set[str]:
    return {arm.arm for arm in clipper.monitoring(application).arms if arm.is_ready}


def kinds(clipper: Clipper, application: str) -> list[str]:
    return [event["kind"] for event in clipper.monitoring(application).events]


def test_model_that_degrades_live_is_noticed_and_rolled_back_while_nobody_looks(
    clipper: Clipper, run_dir: Path, tmp_path: Path
) -> None:
    switch = tmp_path / "svm-2-is-broken"
    register(clipper, "digits", on_degraded="rollback")
    clipper.deploy_model("svm", 1, model=lambda inputs: [1 for _ in inputs])
    clipper.link_model_to_app("digits", "svm")
    clipper.deploy_model("svm", 2, model=switched(switch))
    with traffic(clipper, "digits") as queries:
        queries.run_until(lambda: ready_arms(clipper, "digits") == {"svm:2"})
        assert kinds(clipper, "digits") == []
        queries.run_until(lambda: clipper.monitoring("digits").arms[0].outputs > 0)
        switch.touch()
        # From here on nobody asks management for anything but which version answers.
        queries.run_until(lambda: clipper.get_model("svm").current_version == "1")
        queries.run(20)
    last = queries.answers[-1]
    assert last["output"] == 1 and last["model"] == "svm:1"
    found = clipper.monitoring("digits")
    assert [event["kind"] for event in found.events] == ["degraded", "rolled_back"]
    assert [arm.arm for arm in found.arms] == ["svm:1"] and not found.degraded
    assert "rolled_back" in [event["kind"] for event in clipper.policy("digits").events]
    log = (run_dir / "logs" / "management.log").read_text()
    assert "svm:2 of application digits: degraded: its mean loss rose from 0.0" in log
    metrics = metrics_of(clipper)
    assert 'clipper_monitor_events_total{application="digits",kind="rolled_back"} 1.0' in metrics
    assert 'clipper_monitor_degraded{application="digits",model="svm",version="1"} 0.0' in metrics
    shown = CliRunner().invoke(app, ["status", "--url", clipper.management_url])
    assert "rolled_back  svm:2: svm:1 answers instead" in shown.output


def metrics_of(clipper: Clipper) -> str:
    return httpx.get(f"{clipper.management_url}/metrics", trust_env=False).text


def test_quarantine_takes_a_degraded_arm_out_of_the_plans_outlives_a_crash_and_is_lifted(
    clipper: Clipper, run_dir: Path, tmp_path: Path
) -> None:
    switch = tmp_path / "tree-is-broken"
    register(clipper, "pair", on_degraded="quarantine")
    clipper.deploy_model("tree", 1, model=switched(switch))
    clipper.deploy_model("forest", 1, model=lambda inputs: [1 for _ in inputs])
    for model in ("tree", "forest"):
        clipper.link_model_to_app("pair", model)
    with traffic(clipper, "pair") as queries:
        queries.run_until(lambda: "tree:1" in ready_arms(clipper, "pair"))
        switch.touch()
        queries.run_until(lambda: "tree:1" in clipper.monitoring("pair").quarantined)
        queries.run(50)
        assert {answer["model"] for answer in queries.answers[-40:]} == {"forest:1"}
        assert clipper.policy("pair").plan is not None and "tree:1" not in json.dumps(clipper.policy("pair").plan)
        # Written with the next flush; then management is killed, and the quarantine is there when it is back.
        wait_until(lambda: "tree:1" in stored_quarantine(run_dir, "pair"), LIMIT_S)
        os.kill(pid_of(run_dir, "clipper.management"), signal.SIGKILL)
        wait_until(lambda: is_back(clipper), LIMIT_S)
        assert list(clipper.monitoring("pair").quarantined) == ["tree:1"]
        queries.run(20)
        assert {answer["model"] for answer in queries.answers[-20:]} == {"forest:1"}
        switch.unlink()
        clipper.lift_quarantine("pair", "tree:1")
        queries.run_until(lambda: queries.answers[-1]["model"] == "tree:1", look_every=1)
    assert kinds(clipper, "pair") == ["degraded", "quarantined", "lifted"]


def stored_quarantine(run_dir: Path, application: str) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(run_dir / "state-learner.sqlite")) as store:
        rows = store.execute("SELECT text FROM documents WHERE key = ?", (f"monitor/{application}",)).fetchall()
    quarantined: dict[str, str] = json.loads(rows[0][0])["monitor"]["quarantined"] if rows else {}
    return quarantined


def is_back(clipper: Clipper) -> bool:
    try:
        return len(clipper.status()["workers"]) == 1
    except ClipperError:
        return False
