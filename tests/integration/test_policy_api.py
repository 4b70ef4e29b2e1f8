"""The policy of an application over REST: looked at, changed, and fed; every bad value has an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.learning import observation
from tests.support.management_calls import deploy
from tests.support.management_server import ManagementInThread, client_of, management_server
from tests.support.processes import wait_until

APPLICATIONS = "/api/v1/applications"


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementInThread]:
    with management_server(tmp_path_factory.mktemp("run"), learner_flush_interval_us=10_000) as started:
        yield started


@pytest.fixture
def client(management: ManagementInThread) -> Iterator[httpx.Client]:
    with client_of(management) as made:
        yield made


def register(client: httpx.Client, name: str, **values: Any) -> httpx.Response:
    body = {"name": name, "input_type": "doubles", "default_output": 0, "latency_slo_us": 1000, **values}
    return client.post(APPLICATIONS, json=body)


def policy_of(client: httpx.Client, name: str, **query: str) -> dict[str, Any]:
    answer = client.get(f"{APPLICATIONS}/{name}/policy", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def observe(management: ManagementInThread, app: str, items: list[Any], first_seq: int = 1) -> None:
    message = {"type": "observations", "application": app, "epoch": 5, "first_seq": first_seq, "items": items}
    management.call(management.learning._on_observations, 0, message)


def test_application_without_learning_shows_its_policy_and_nothing_learned(client: httpx.Client) -> None:
    assert register(client, "plain").json()["learning"] is None
    found = policy_of(client, "plain")
    assert found["policy"] == {"name": "static"} and found["learning"] is None and found["plan"] is None
    assert (found["arms"], found["observations"], found["contexts"], found["events"]) == ([], 0, 0, [])


def test_policy_that_learns_implies_learning_with_all_defaults(client: httpx.Client) -> None:
    assert register(client, "implied", policy="epsilon_greedy").json()["learning"] == {}
    learning = policy_of(client, "implied")["learning"]
    assert (learning["loss"], learning["max_contexts"], learning["decision_ttl_s"]) == ("zero_one", 10_000, 3600)


def test_observations_move_the_plan_and_are_shown_by_arm(client: httpx.Client, management: ManagementInThread) -> None:
    register(client, "moving", policy={"name": "epsilon_greedy", "epsilon": 0.2}, learning={"per_context": True})
    for model in ("mov-a", "mov-b"):
        deploy(client, model)
        client.put(f"{APPLICATIONS}/moving/links/{model}").raise_for_status()
    before = policy_of(client, "moving")["plan"]
    assert before["models"] == ["mov-a:1", "mov-b:1"]
    good = [{"arm": "mov-b:1", "output": 1, "propensity": 0.5}]
    bad = [{"arm": "mov-a:1", "output": 0, "propensity": 0.5}]
    observe(management, "moving", [observation(n, "ann", arms=good if n % 2 else bad) for n in range(20)])
    wait_until(lambda: policy_of(client, "moving")["observations"] == 20)
    found = policy_of(client, "moving")
    assert found["plan"]["probabilities"] == pytest.approx([0.1, 0.9]) and found["plan"]["plan_id"] > before["plan_id"]
    arms = {arm["arm"]: arm for arm in found["arms"]}
    assert arms["mov-b:1"]["share"] == pytest.approx(0.9) and arms["mov-a:1"]["pulls"] == 10
    assert arms["mov-a:1"]["mean_reward"] < 0.5 < arms["mov-b:1"]["interval_low"]
    assert policy_of(client, "moving", context="ann")["context"] == "ann"
    assert policy_of(client, "moving", context="nobody")["context"] is None
    page = client.get("/metrics").text
    assert 'clipper_arm_pulls_total{application="moving",model="mov-b",version="1"} 10.0' in page
    assert 'clipper_learner_observations_total{application="moving",outcome="folded"} 20.0' in page


def test_policy_is_changed_and_learning_stays_unless_it_is_named(client: httpx.Client) -> None:
    register(client, "changing", policy="epsilon_greedy", learning={"decision_ttl_s": 60})
    path = f"{APPLICATIONS}/changing/policy"
    changed = client.put(path, json={"policy": {"name": "majority"}})
    assert changed.status_code == 200 and changed.json()["policy"] == {"name": "majority"}
    assert changed.json()["learning"]["decision_ttl_s"] == 60
    assert client.put(path, json={"policy": None, "learning": None}).json()["learning"] is None
    again = client.put(path, json={"policy": "epsilon_greedy", "learning": None}).json()
    assert again["learning"]["decision_ttl_s"] == 3600
    assert client.get(f"{APPLICATIONS}/changing").json()["policy"] == {"name": "epsilon_greedy"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"policy": "epsilon_gredy"}, "there is no policy 'epsilon_gredy'"),
        ({"policy": {"name": "epsilon_greedy", "epsilon": 2}}, "epsilon=2"),
        ({"policy": {"epsilon": 2}}, "'name'"),
        ({"policy": "no_such_package:Policy"}, "no_such_package"),
        ({"policy": "clipper.errors:ClipperError"}, "no class derived from SelectionPolicy"),
        ({"policy": None, "learning": {"los": "log"}}, "no field 'los'"),
        ({"policy": None, "learning": {"loss": "hinge"}}, "loss='hinge'"),
        ({"policy": None, "learning": {"loss_bound": 0}}, "loss_bound=0"),
        ({"policy": None, "learning": {"loss_bound": True}}, "loss_bound=True"),
        ({"policy": None, "learning": {"per_context": 1}}, "per_context=1"),
        ({"policy": None, "learning": {"max_contexts": 0}}, "max_contexts=0"),
        ({"policy": None, "learning": {"context_ttl_s": 1.5}}, "context_ttl_s=1.5"),
        ({"policy": None, "learning": {"decision_ttl_s": 10**12}}, "decision_ttl_s"),
        ({"policy": None, "learning": {"feedback_deadline_us": 0}}, "feedback_deadline_us=0"),
        ({"policy": None, "learning": {"label_field": ""}}, "label_field=''"),
        ({"policy": None, "learning": {"log_decisions": "yes"}}, "log_decisions='yes'"),
        ({"policy": None, "learning": {"shadows": "svm"}}, "shadows='svm'"),
        ({"policy": None, "learning": {"shadows": ["svm", "svm"]}}, "shadows"),
        ({"policy": None, "learning": {"shadows": ["Bad_Name"]}}, "Bad_Name"),
        ({"policy": None, "learning": {"monitor": {"windw": 7}}}, "did you mean 'window'"),
        ({"policy": None, "learning": {"monitor": 7}}, "monitor=7"),
        ({"policy": None, "learning": []}, "learning"),
        ({}, "policy"),
        ({"policy": None, "lerning": {}}, "lerning"),
    ],
)
def test_bad_policy_or_learning_is_refused_with_what_was_expected(
    client: httpx.Client, body: dict[str, Any], said: str
) -> None:
    register(client, "refusing")
    answer = client.put(f"{APPLICATIONS}/refusing/policy", json=body)
    document = answer.json()
    assert (answer.status_code, document["error"]) == (400, "invalid_argument")
    assert said in document["cause"] + document["hint"]
    assert policy_of(client, "refusing")["policy"] == {"name": "static"}


@pytest.mark.parametrize(("method", "path"), [("GET", "policy"), ("PUT", "policy"), ("POST", "feedback")])
def test_calls_for_an_application_that_does_not_exist_are_not_found(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, f"{APPLICATIONS}/nobody/{path}", json={"policy": None} if method != "GET" else None)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_feedback_without_a_frontend_says_so(client: httpx.Client, tmp_path: Path) -> None:
    register(client, "feeding", policy="epsilon_greedy")
    answer = client.post(f"{APPLICATIONS}/feeding/feedback", json={"query_id": 1, "label": 1})
    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert "again counts once" in answer.json()["hint"]
