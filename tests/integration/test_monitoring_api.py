"""What the management API shows of monitoring, and what an operator does there, over real HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clipper.metrics.names import METRICS, MONITOR_EVENT_KINDS
from tests.support.management_server import ManagementInThread, client_of, management_server

API = "/api/v1"


class Observed:
    def __init__(self, losses: dict[str, float]) -> None:
        self.at_us = 0
        self.losses = losses


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementInThread]:
    with management_server(tmp_path_factory.mktemp("run")) as running:
        yield running


@pytest.fixture(scope="module")
def client(management: ManagementInThread) -> Iterator[httpx.Client]:
    with client_of(management) as connected:
        for name in ("svm", "tree"):
            version = {"version": "1", "input_type": "doubles", "container": "fake"}
            assert connected.post(f"{API}/models/{name}/versions", json=version).status_code == 201
        yield connected


def register(client: httpx.Client, name: str, learning: dict[str, Any] | None) -> httpx.Response:
    body = {"name": name, "input_type": "doubles", "default_output": None, "latency_slo_us": 20_000}
    answer = client.post(f"{API}/applications", json={**body, "learning": learning})
    if answer.status_code == 201:
        for model in ("svm", "tree"):
            assert client.put(f"{API}/applications/{name}/links/{model}").status_code == 200
    return answer


def feed(management: ManagementInThread, name: str, arm: str, errors_in_ten: int, count: int) -> None:
    def observe() -> None:
        for number in range(count):
            loss = 1.0 if number % 10 < errors_in_ten else 0.0
            management.monitoring.on_observation(name, Observed({arm: loss}))

    management.call(observe)


def test_health_of_each_model_is_shown_with_what_was_found(
    management: ManagementInThread, client: httpx.Client
) -> None:
    register(client, "watched", {"monitor": {"reference": 50}})
    feed(management, "watched", "svm:1", 1, 200)
    feed(management, "watched", "svm:1", 8, 100)
    found = client.get(f"{API}/applications/watched/monitoring").json()
    svm, tree = found["arms"]
    assert svm["is_degraded"] and svm["is_ready"] and svm["observations"] == 300 and not tree["is_ready"]
    assert svm["loss_low"] < svm["loss"] < svm["loss_high"] and tree["loss"] is None
    assert list(found["degraded"]) == ["svm:1"] and found["on_degraded"] == "tell"
    (event,) = found["events"]
    assert event["kind"] == "degraded" and event["text"].startswith("svm:1: its mean loss rose from 0.1")
    assert event in client.get(f"{API}/applications/watched/policy").json()["events"]
    (status,) = [each for each in client.get(f"{API}/status").json()["monitoring"] if each["application"] == "watched"]
    assert list(status["degraded"]) == ["svm:1"] and status["events"] == [event]


def test_operator_quarantines_and_lifts_and_the_plan_follows_at_once(client: httpx.Client) -> None:
    register(client, "handled", {})
    path = f"{API}/applications/handled/quarantines"
    answer = client.put(f"{path}/svm:1")
    assert answer.status_code == 200 and answer.json()["quarantined"] == {"svm:1": "by hand"}
    assert client.get(f"{API}/applications/handled/policy").json()["plan"]["models"] == ["tree:1"]
    refused = client.put(f"{path}/tree:1")
    assert refused.status_code == 409 and "last model that answers" in refused.json()["cause"]
    assert client.delete(f"{path}/tree:1").status_code == 404
    assert client.put(f"{path}/nobody:1").status_code == 404
    lifted = client.delete(f"{path}/svm:1", params={"forget": True})
    assert lifted.status_code == 200 and lifted.json()["quarantined"] == {}
    assert client.get(f"{API}/applications/handled/policy").json()["plan"]["models"] == ["svm:1", "tree:1"]
    assert [event["kind"] for event in lifted.json()["events"]] == ["quarantined", "lifted"]


@pytest.mark.parametrize("learning", [None, {"monitor": False}])
def test_application_that_is_not_monitored_is_told_how_to_be(
    client: httpx.Client, learning: dict[str, Any] | None
) -> None:
    name = "unwatched-1" if learning is None else "unwatched-2"
    register(client, name, learning)
    answer = client.get(f"{API}/applications/{name}/monitoring")
    assert answer.status_code == 404 and "register it with learning" in answer.json()["hint"]
    assert client.get(f"{API}/applications/nobody/monitoring").status_code == 404


@pytest.mark.parametrize(
    ("monitor", "cause"),
    [
        ({"on_degraded": "panic"}, "expected one of tell, quarantine, rollback"),
        ({"windows": 3}, "no option 'windows'"),
        ({"window": 0}, "expected an integer from 10 to 10000"),
        ("rollback", "monitor"),
    ],
)
def test_monitor_that_is_not_valid_is_refused(client: httpx.Client, monitor: object, cause: str) -> None:
    answer = register(client, "wrong", {"monitor": monitor})
    assert answer.status_code == 400 and cause in answer.json()["cause"]


def test_detector_whose_library_is_missing_is_refused_at_registration(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)
    answer = register(client, "adaptive", {"monitor": {"detector": "adwin"}})
    assert answer.status_code == 400 and "clipper[monitoring]" in answer.json()["hint"]
    assert client.get(f"{API}/applications/adaptive").status_code == 404


def test_metrics_of_monitoring_are_those_of_the_table(management: ManagementInThread, client: httpx.Client) -> None:
    register(client, "measured", {"monitor": {"output_window": 100}})
    feed(management, "measured", "svm:1", 3, 20)
    management.call(management.monitoring.on_outputs, "measured", {"svm:1": ["cat"] * 100 + ["dog"] * 100})
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}

    def value(name: str, **labels: str) -> float:
        wanted = {"application": "measured", **labels}
        (found,) = [sample.value for sample in families[name].samples if wanted.items() <= sample.labels.items()]
        return found

    assert value("clipper_monitor_loss_ratio", model="svm") == pytest.approx(0.3)
    assert value("clipper_monitor_observations", model="svm") == 20
    assert value("clipper_monitor_outputs_changed", model="svm") == 1
    assert value("clipper_monitor_output_distance", model="svm", measure="psi") > 0.25
    for kind in MONITOR_EVENT_KINDS:
        assert value("clipper_monitor_events", kind=kind) == (kind == "outputs_changed")
    assert {m.name for m in METRICS if m.name.startswith("clipper_monitor")} <= families.keys()
