"""What an operator sees of a running Clipper: the metrics of both ports, and one query in the logs of its processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clipper import Clipper, ClipperError
from clipper.config import ClipperConfig, ListenConfig, LogConfig
from clipper.metrics.names import Page, metrics_of
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import pid_of, wait_until
from tests.support.promtool import PROMTOOL, lint_metrics

pytestmark = pytest.mark.timeout(120)


def positive(inputs: Any) -> list[float]:
    if any(row[0] < 0 for row in inputs):
        raise ValueError("it is negative")
    return [row[0] for row in inputs]


@pytest.fixture(scope="module")
def run_dir() -> Path:
    return make_run_dir()


@pytest.fixture(scope="module")
def clipper(run_dir: Path) -> Iterator[Clipper]:
    config = ClipperConfig(
        run_dir,
        remove_run_dir=True,
        listen=ListenConfig(query_port=0, management_port=0),
        logs=LogConfig(format="json", level="debug"),
    )
    with Clipper.start(config=config) as running:
        running.register_application("app", "doubles", -1.0, latency_slo_us=5_000_000)
        running.deploy_model("positive", 1, model=positive, input_type="doubles")
        running.link_model_to_app("app", "positive")
        yield running


def records(run_dir: Path, name: str) -> list[dict[str, Any]]:
    whole_lines = (run_dir / "logs" / name).read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole_lines.splitlines()]


def wait_for(run_dir: Path, name: str, count: int, key: str, value: object) -> list[dict[str, Any]]:
    """Return the lines of a log with this field, when there are so many: the supervisor writes it in its time."""

    def found() -> list[dict[str, Any]]:
        return [one for one in records(run_dir, name) if one.get(key) == value]

    wait_until(lambda: len(found()) >= count)
    return found()


def ask(clipper: Clipper, value: float, **headers: str) -> dict[str, Any]:
    answer = httpx.post(f"{clipper.query_url}/app/predict", json={"input": [value]}, headers=headers)
    document: dict[str, Any] = answer.json()
    return document


def test_batch_of_a_traced_query_is_found_in_the_log_of_its_replica(clipper: Clipper, run_dir: Path) -> None:
    query_id = ask(clipper, 1.0, **{"Clipper-Trace": "1"})["query_id"]
    lines = wait_for(run_dir, "frontend-0.log", 5, "query_id", query_id)
    assert [line["message"] for line in lines] == ["arrived", "queued", "sent", "evaluated", "answered"]
    sent = lines[2]
    evaluated = wait_for(run_dir, "positive_1_0.log", 1, "batch_id", sent["batch_id"])
    assert [one["message"] for one in evaluated] == ["answered a batch"]
    assert evaluated[0]["replica_id"] == sent["replica_id"] == "positive:1:0"


def test_failed_batch_has_one_id_in_both_logs_and_its_traceback_in_one(clipper: Clipper, run_dir: Path) -> None:
    query_id = ask(clipper, -1.0)["query_id"]
    (missed,) = wait_for(run_dir, "frontend-0.log", 1, "query_id", query_id)
    assert (missed["logger"], missed["level"]) == ("clipper.query", "warning")
    failed = wait_for(run_dir, "positive_1_0.log", 1, "batch_id", missed["batch_id"])
    assert [(one["level"], one["process"]) for one in failed] == [("error", missed["replica_id"])]
    assert failed[0]["exception"].endswith("ValueError: it is negative")


def test_every_process_writes_json_lines_with_its_name(clipper: Clipper, run_dir: Path) -> None:
    assert httpx.get(f"{clipper.management_url}/healthz").status_code == 200
    for name in ("supervisor", "frontend-0", "management", "positive_1_0"):
        lines = records(run_dir, f"{name}.log")
        assert {line["process"] for line in lines} <= {name.replace("_", ":"), "supervisor"}
        assert all(line["time"].endswith("Z") and len(line["time"]) == 27 for line in lines)
    # A replica's log is shown from its last start on: the line of the start is known in this form, too.
    assert "--- started" not in str(clipper.logs("positive:1:0"))


def test_credentials_that_a_caller_sends_stand_in_no_log(clipper: Clipper, run_dir: Path) -> None:
    secret = {"Authorization": "Bearer s3cret-token"}
    query_id = ask(clipper, 5.0, **secret, **{"Clipper-Trace": "1"})["query_id"]
    assert httpx.get(f"{clipper.management_url}/api/v1/status?token=s3cret-token", headers=secret).status_code == 200
    wait_for(run_dir, "frontend-0.log", 5, "query_id", query_id)
    written = "".join(path.read_text() for path in (run_dir / "logs").iterdir())
    assert "s3cret-token" not in written


def pages(clipper: Clipper) -> dict[Page, str]:
    urls = {Page.QUERY: clipper.query_url, Page.MANAGEMENT: clipper.management_url}
    return {page: httpx.get(f"{url}/metrics").text for page, url in urls.items()}


@pytest.mark.optional(*PROMTOOL)
def test_metrics_of_both_ports_pass_the_lint_of_prometheus(clipper: Clipper) -> None:
    ask(clipper, 2.0)
    for page, text in pages(clipper).items():
        assert lint_metrics(text) == "", page


def test_both_ports_publish_what_the_table_says(clipper: Clipper) -> None:
    for page, text in pages(clipper).items():
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert {name for name in families if name.startswith("clipper_")} == {m.name for m in metrics_of(page)}


def management_value(clipper: Clipper, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(pages(clipper)[Page.MANAGEMENT])
    found = [s.value for family in families for s in family.samples if s.name == name and s.labels == labels]
    assert len(found) == 1, (name, labels)
    return float(found[0])


def test_deployments_are_counted_by_how_they_ended(clipper: Clipper) -> None:
    def count(outcome: str) -> float:
        return management_value(clipper, "clipper_version_operations_total", operation="deployed", outcome=outcome)

    done, failed = count("done"), count("failed")
    with pytest.raises(ClipperError):
        clipper.deploy_model("broken", 1, container="sklearn")  # it has no file to load
    assert (count("done"), count("failed")) == (done, failed + 1)
    assert management_value(clipper, "clipper_replicas", model="positive", version="1", state="ready") == 1


def test_restart_of_a_killed_worker_is_counted(clipper: Clipper, run_dir: Path) -> None:
    def restarts() -> float:
        return management_value(clipper, "clipper_process_restarts_total", process="frontend-0")

    before = restarts()
    os.kill(pid_of(run_dir, "clipper.frontend"), signal.SIGKILL)
    wait_until(lambda: restarts() == before + 1)
    wait_until(lambda: management_value(clipper, "clipper_workers_connected") == 1)
