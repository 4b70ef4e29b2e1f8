"""Feedback through a whole Clipper: real containers, a real worker, and a management that is killed in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from clipper import Clipper
from clipper.selection.learner_document import learner_key
from clipper.state.open import LEARNER, open_store
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import pid_of, wait_until, watch_deaths

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def run_dir() -> Iterator[Path]:
    directory = make_run_dir()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def clipper(run_dir: Path) -> Iterator[Clipper]:
    with Clipper.start(run_dir=run_dir, query_port=0, management_port=0) as started:
        for name in ("adder", "other"):
            started.deploy_model(name, version=1, container="sum")
        yield started


class Application:
    """An application over both models, as its clients see it."""

    def __init__(self, clipper: Clipper, name: str, **learning: Any) -> None:
        self._clipper, self._name = clipper, name
        body = {"name": name, "input_type": "doubles", "default_output": 0, "latency_slo_us": 1_000_000}
        self.manage("POST", "applications", {**body, "policy": {"name": "epsilon_greedy"}, "learning": learning})
        for model in ("adder", "other"):
            clipper.link_model_to_app(name, model)
        self._client = httpx.Client(base_url=clipper.query_url, trust_env=False, timeout=30)

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self._clipper.management_url}/api/v1/{path}"
        answer = httpx.request(method, url, json=body, trust_env=False, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def predict(self, number: float) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.post(f"/{self._name}/predict", json={"input": [number]}).json()
        assert not answer["default"], answer
        return answer

    def update(self, **said: Any) -> httpx.Response:
        return self._client.post(f"/{self._name}/update", json=said)

    def observations(self) -> int:
        return int(self.manage("GET", f"applications/{self._name}/policy")["observations"])


def kill(run_dir: Path, module: str) -> None:
    pid = pid_of(run_dir, module)
    with watch_deaths([pid]) as survivors:
        os.kill(pid, signal.SIGKILL)
        assert survivors(10) == []


def test_feedback_reaches_the_policy_by_id_and_by_input(clipper: Clipper) -> None:
    app = Application(clipper, "reaches")
    for number in range(20):
        answer = app.predict(float(number))
        assert app.update(query_id=answer["query_id"], label=answer["output"]).json()["feedback"] == "joined"
    assert app.update(query_id=answer["query_id"], label=answer["output"]).json()["feedback"] == "duplicate"
    assert app.update(query_id=answer["query_id"], label="other").status_code == 409
    by_input = app.update(input=[99.0], label=99.0).json()
    assert (by_input["evaluated"], by_input["missing"]) == (2, [])
    wait_until(lambda: app.observations() == 21, 30)


def test_management_that_is_killed_misses_no_feedback(clipper: Clipper, run_dir: Path) -> None:
    app = Application(clipper, "killed")
    given = 0
    for _ in range(3):
        for _ in range(30):
            answer = app.predict(float(given))
            assert app.update(query_id=answer["query_id"], label=0).json()["feedback"] == "joined"
            given += 1
        kill(run_dir, "clipper.management")  # some of it is on its way, some folded, some flushed
        answer = app.predict(float(given))
        assert app.update(query_id=answer["query_id"], label=0).json()["feedback"] == "joined"
        given += 1
        wait_until(lambda: httpx.get(f"{clipper.management_url}/healthz", trust_env=False).status_code == 200, 30)
    wait_until(lambda: app.observations() == given, 30)


def test_worker_that_is_killed_forgets_its_queries_and_says_so(clipper: Clipper, run_dir: Path) -> None:
    app = Application(clipper, "worker-killed")
    answer = app.predict(1.0)
    kill(run_dir, "clipper.frontend")
    clipper.wait_ready()
    assert app.update(query_id=answer["query_id"], label=0).status_code == 404
    again = app.predict(2.0)
    assert app.update(query_id=again["query_id"], label=0).json()["feedback"] == "joined"
    wait_until(lambda: app.observations() == 1, 30)


def test_feedback_of_many_clients_at_once_counts_once_each(clipper: Clipper) -> None:
    app = Application(clipper, "many", log_decisions=True)
    ids = [app.predict(float(number))["query_id"] for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda query_id: app.update(query_id=query_id, label=0).json()["feedback"], ids * 3))
    assert (said.count("joined"), said.count("duplicate")) == (40, 80)
    wait_until(lambda: app.observations() == 40, 30)


def test_clipper_that_is_stopped_has_stored_what_it_was_told_last() -> None:
    run_dir = make_run_dir()
    try:
        with Clipper.start(run_dir=run_dir, query_port=0, management_port=0) as clipper:
            for name in ("adder", "other"):
                clipper.deploy_model(name, version=1, container="sum")
            app = Application(clipper, "last", log_decisions=True)
            for number in range(10):
                app.update(query_id=app.predict(float(number))["query_id"], label=0)
        store = open_store("", run_dir, part=LEARNER)
        assert store.load().documents[learner_key("last")]["observations"] == 10
        store.close()
        lines = (run_dir / "logs" / "decisions" / "last.jsonl").read_text().splitlines()
        assert [json.loads(line)["type"] for line in lines].count("feedback") == 10
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
