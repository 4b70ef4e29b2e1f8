"""From served queries to an answer: a whole Clipper writes the log, and the command line evaluates it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from clipper import Clipper
from clipper.cli.app import app as command_line
from clipper.errors import NotFoundError, UnusableLogError
from clipper.supervisor.launch import make_run_dir

pytestmark = pytest.mark.timeout(120)
QUERIES = 240


class Traffic(contextlib.AbstractContextManager["Traffic"]):
    """Queries to an application, each answered by its sign; the label says that "right" is right."""

    def __init__(self, clipper: Clipper, name: str, policy: dict[str, Any]) -> None:
        self._name = name
        clipper_body = {"name": name, "input_type": "doubles", "default_output": None, "latency_slo_us": 1_000_000}
        body = {**clipper_body, "policy": policy, "learning": {"log_decisions": True}}
        url = f"{clipper.management_url}/api/v1/applications"
        httpx.post(url, json=body, trust_env=False, timeout=60).raise_for_status()
        for model in ("good", "poor"):
            clipper.link_model_to_app(name, model)
        self._client = httpx.Client(base_url=clipper.query_url, trust_env=False, timeout=30)

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, count: int) -> None:
        """Ask and tell."""
        for number in range(count):
            answer = self._client.post(f"/{self._name}/predict", json={"input": [float(number)]}).json()
            said = self._client.post(
                f"/{self._name}/update", json={"query_id": answer["query_id"], "label": number % 2}
            )
            assert said.status_code == 200, said.text

    def tell_by_input(self, count: int) -> None:
        """Tell what is right without having asked."""
        for number in range(count):
            said = self._client.post(f"/{self._name}/update", json={"input": [float(number)], "label": number % 2})
            assert said.status_code == 200, said.text


def good(inputs: Any) -> list[int]:
    return [int(vector[0]) % 2 for vector in inputs]


def poor(inputs: Any) -> list[int]:
    return [0 for _ in inputs]


@pytest.fixture(scope="module")
def run_dir() -> Iterator[Path]:
    directory = make_run_dir()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def clipper(run_dir: Path) -> Iterator[Clipper]:
    with Clipper.start(run_dir=run_dir, query_port=0, management_port=0) as clipper:
        for model in (good, poor):
            clipper.deploy_model(model.__name__, version=1, model=model)
        with Traffic(clipper, "explored", {"name": "epsilon_greedy", "epsilon": 0.5}) as explored:
            explored.send(QUERIES)
        with Traffic(clipper, "asked", {"name": "ensemble"}) as asked:
            asked.send(60)
        with Traffic(clipper, "told", {"name": "static"}) as told:
            told.send(5)
            told.tell_by_input(60)
        yield clipper


def evaluated(run_dir: Path, name: str, policy: str, *options: str) -> Any:
    arguments = ["evaluate", name, "--policy", policy, "--run-dir", str(run_dir), "--json", *options]
    done = CliRunner().invoke(command_line, arguments)
    if done.exit_code != 0:
        raise AssertionError(done.output)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("model", "reward"), [("good", 1.0), ("poor", 0.5)])
def test_explored_traffic_tells_what_each_model_would_have_earned(run_dir: Path, model: str, reward: float) -> None:
    found = evaluated(run_dir, "explored", "static", "--parameters", json.dumps({"model": model}))
    assert found["queries"] == found["log"]["decisions"] == QUERIES
    for name in ("snips", "doubly_robust"):
        estimate = found["estimates"][name]
        assert estimate["low"] - 0.05 <= reward <= estimate["high"] + 0.05, (name, estimate)


def test_explored_traffic_tells_what_a_policy_would_have_learned(run_dir: Path) -> None:
    found = evaluated(run_dir, "explored", "thompson")
    assert found["differences"]["doubly_robust"]["reward"] > 0.0
    assert found["shares"]["good:1"] > 0.6


def test_ensembles_traffic_tells_exactly_what_one_of_its_members_would_have_earned(run_dir: Path) -> None:
    found = evaluated(run_dir, "asked", "static", "--parameters", '{"model": "poor"}')
    assert found["estimates"]["ips"]["reward"] == 0.5
    assert found["effective_sample_size"] == found["queries"]


def test_traffic_of_a_static_policy_is_refused(run_dir: Path) -> None:
    done = CliRunner().invoke(command_line, ["evaluate", "told", "--policy", "thompson", "--run-dir", str(run_dir)])
    assert done.exit_code == 2
    assert "propensity 1" in done.stderr


@pytest.mark.optional("pyarrow", "pip install 'clipper[parquet]'")
def test_served_traffic_goes_to_parquet_whole(run_dir: Path, tmp_path: Path) -> None:
    to = tmp_path / "told.parquet"
    arguments = ["decisions", "export", "told", "--to", str(to), "--run-dir", str(run_dir), "--json"]
    done = CliRunner().invoke(command_line, arguments)
    assert json.loads(done.stdout)["decisions"] == 65  # by input, too


def test_management_answers_as_the_command_line_does(clipper: Clipper, run_dir: Path) -> None:
    candidate = {"name": "static", "model": "good"}
    found = clipper.evaluate_policy("explored", candidate, confidence=0.9)
    assert found == evaluated(run_dir, "explored", json.dumps(candidate), "--confidence", "0.9")


def test_management_passes_on_why_a_log_cannot_tell(clipper: Clipper) -> None:
    with pytest.raises(UnusableLogError, match="holds no decision"):
        clipper.evaluate_policy("explored", "thompson", until_us=1)


def test_evaluation_without_a_log_says_how_to_have_one(clipper: Clipper) -> None:
    clipper.register_application("silent", input_type="doubles", default_output=0, latency_slo_us=1_000_000)
    with pytest.raises(NotFoundError, match="log_decisions"):
        clipper.evaluate_policy("silent", "thompson")


@pytest.mark.parametrize(
    "question", [{"policy": None}, {"policy": "thompsn"}, {"policy": "thompson", "confidence": 1.0}, {}]
)
def test_evaluation_of_something_else_is_refused_before_it_begins(clipper: Clipper, question: dict[str, Any]) -> None:
    url = f"{clipper.management_url}/api/v1/applications/explored/policy/evaluate"
    assert httpx.post(url, json=question, trust_env=False).status_code == 400
