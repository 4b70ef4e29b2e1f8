"""The admin calls of the original Clipper: its texts, in its order of checks, and what they do here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from clipper.management.routes.admin import check_input_type
from clipper.types import ReplicaId
from tests.support.management_server import ManagementInThread, client_of, management_server

APP: dict[str, Any] = {"name": "app", "input_type": "doubles", "default_output": "-1.0", "latency_slo_micros": 100_000}
MODEL: dict[str, Any] = {
    "model_name": "m", "model_version": "1", "labels": ["a", "b"], "input_type": "doubles",
    "container_name": "clipper/noop-container:develop", "model_data_path": "/tmp/model", "batch_size": -1,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementInThread]:
    with management_server(tmp_path_factory.mktemp("admin") / "run") as server:
        yield server


@pytest.fixture
def client(server: ManagementInThread) -> Iterator[httpx.Client]:
    with client_of(server) as client:
        yield client
        for application in client.get("/api/v1/applications").json():
            client.delete(f"/api/v1/applications/{application['name']}").raise_for_status()
        for model in client.get("/api/v1/models").json():
            client.delete(f"/api/v1/models/{model['name']}").raise_for_status()


def call(client: httpx.Client, name: str, values: object) -> httpx.Response:
    content = values if isinstance(values, bytes) else json.dumps(values).encode()
    # As curl sends it: the original looked at no Content-Type.
    answer = client.post(
        f"/admin/{name}", content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.headers["content-type"] == "application/json"
    return answer


def done(client: httpx.Client, name: str, /, **values: Any) -> str:
    answer = call(client, name, values)
    assert answer.status_code == 200, answer.text
    return answer.text


def got(client: httpx.Client, name: str, /, **values: Any) -> Any:
    return json.loads(done(client, name, **values))


def refused(client: httpx.Client, name: str, /, **values: Any) -> str:
    answer = call(client, name, values)
    assert answer.status_code == 400
    return answer.text


def test_ping_answers_pong(client: httpx.Client) -> None:
    answer = client.get("/admin/ping")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "PONG", "application/json")


def test_application_is_added_shown_and_deleted_with_the_texts_of_the_original(client: httpx.Client) -> None:
    assert done(client, "add_app", **APP) == "Successfully added application with name 'app'"
    assert refused(client, "add_app", **APP) == "application 'app' already exists"
    shown = {
        "input_type": "doubles", "default_output": "-1.0", "latency_slo_micros": 100_000, "name": "app",
        "linked_models": [],
    }  # fmt: skip
    assert got(client, "get_application", name="app") == shown
    assert got(client, "get_application", name="nobody") == {}
    assert got(client, "get_all_applications", verbose=False) == ["app"]
    assert got(client, "get_all_applications", verbose=True) == [shown]
    assert done(client, "get_state", app_name="app", uid=3) == "-1.0"
    assert done(client, "delete_app", name="app") == "Successfully deleted application with name 'app'"
    assert refused(client, "delete_app", name="app") == "Application 'app' does not exist"
    assert refused(client, "get_linked_models", app_name="app") == "No application with name 'app' exists."


@pytest.mark.parametrize(
    ("text", "value"),
    [("-1.0", -1.0), ("DEFAULT", "DEFAULT"), ('{"a": 1}', {"a": 1}), ("", ""), ("NaN", "NaN"), ("null", None)],
)
def test_default_output_is_json_if_it_parses_and_a_string_otherwise(
    client: httpx.Client, text: str, value: object
) -> None:
    done(client, "add_app", **{**APP, "default_output": text})
    assert client.get("/api/v1/applications/app").json()["default_output"] == value
    assert got(client, "get_application", name="app")["default_output"] == text


def test_every_spelling_of_an_input_type_is_stored_in_its_canonical_form(client: httpx.Client) -> None:
    spellings = {
        "bytes": "bytes byte b", "integers": "integers ints integer int i", "floats": "floats float f",
        "doubles": "doubles double d", "strings": "strings string str strs s",
    }  # fmt: skip
    for canonical, aliases in spellings.items():
        assert {check_input_type(alias) for alias in aliases.split()} == {canonical}
    done(client, "add_app", **{**APP, "input_type": "strs"})
    assert got(client, "get_application", name="app")["input_type"] == "strings"


@pytest.mark.parametrize("input_type", ["Doubles", "tensor", "", "pictures"])
def test_unknown_input_type_is_refused(client: httpx.Client, input_type: str) -> None:
    text = refused(client, "add_app", **{**APP, "input_type": input_type})
    assert text == f"{input_type} is not a valid input string"


SCHEMA = '\n  {\n   "name" := string\n  }\n'


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "JSON parse error: The document is empty. (offset 0)\n"),
        (b'{"name"', "JSON parse error: Missing a colon after a name of object member. (offset 7)\n"),
        (b'{"name": }', "JSON parse error: Invalid value. (offset 9)\n"),
        (b"{name: 1}", "JSON parse error: Missing a name for object member. (offset 1)\n"),
        (b'{"name": "x', "JSON parse error: Missing a closing quotation mark in string. (offset 9)\n"),
        (b'{"name": "x"} 1', "JSON parse error: The document root must not be followed by other values. (offset 14)\n"),
        (b'{"name": NaN}', "JSON parse error: Invalid value. (offset 0)\n"),
        (b'{"name": "\xff"}', "JSON parse error: Invalid encoding in string. (offset 10)\n"),
        (b'{"name": "\\ud800"}', "JSON parse error: The surrogate pair in string is invalid."),
        (b"[" * 100_000, "JSON parse error: the document is nested too deeply\n"),
        (b"[]", "JSON schema invalid"),
        (b"{}", "JSON object does not have required key: name"),
        (b'{"name": 1}', "Type mismatch! JSON key name expected type String but found type Number"),
        (b'{"name": null}', "Type mismatch! JSON key name expected type String but found type Null"),
        (b'{"name": true}', "Type mismatch! JSON key name expected type String but found type True"),
        (b'{"name": ["x"]}', "Type mismatch! JSON key name expected type String but found type Array"),
    ],
)
def test_bad_json_is_told_as_the_original_did(client: httpx.Client, body: bytes, cause: str) -> None:
    answer = call(client, "delete_app", body)
    assert (answer.status_code, answer.text) == (
        400, f"Error parsing JSON: {cause}. Expected JSON schema: {SCHEMA}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"model_names": "m"}, "Type mismatch! JSON key model_names expected type Array but found type String"),
        ({"model_names": ["m", 1]}, "Array input of type Number is not of type string"),
    ],
)
def test_list_of_names_is_checked_element_by_element(client: httpx.Client, values: Any, cause: str) -> None:
    assert cause in refused(client, "add_model_links", app_name="app", **values)


@pytest.mark.parametrize("value", [1.5, 2**31, -(2**31) - 1])
def test_number_that_is_no_int32_is_refused(client: httpx.Client, value: float) -> None:
    text = refused(client, "add_app", **{**APP, "latency_slo_micros": value})
    assert "Input of type Number for JSON key latency_slo_micros is not of type int" in text
    assert "latency_slo_micros" in refused(client, "add_app", **{**APP, "latency_slo_micros": 0})


def test_links_are_checked_in_the_order_of_the_original(client: httpx.Client) -> None:
    def link(*names: str, app: str = "app") -> str:
        return refused(client, "add_model_links", app_name=app, model_names=list(names))

    done(client, "add_app", **APP)
    for name in ("m", "m2"):
        done(client, "add_model", **{**MODEL, "model_name": name})
    done(client, "add_model", **{**MODEL, "model_name": "texts", "input_type": "strings"})
    assert link("m", app="nobody") == "No app with name 'nobody' exists."
    assert link("m", "nobody") == "No model with name 'nobody' exists."
    assert link("texts", "nobody") == (
        "Model with name 'texts' has incompatible input_type 'strings'. Requested app to link to has input_type "
        "'doubles'."
    )
    assert link() == "Please provide the name of the model that you want to link to the application 'app'"
    assert link("m", "m2") == (
        "Applications must be linked with at most one model. Attempted to add links to 2 models."
    )
    assert done(client, "add_model_links", app_name="app", model_names=["m"]) == (
        "Successfully linked model with name 'm' to application 'app'"
    )
    assert link("m") == "The model with name 'm' is already linked to 'app'"
    assert link("m2") == "A model with name m is already linked to 'app'."
    assert got(client, "get_linked_models", app_name="app") == ["m"]


def test_links_are_deleted_all_or_none(client: httpx.Client) -> None:
    def unlink(app: str, *names: str) -> httpx.Response:
        return call(client, "delete_model_links", {"app_name": app, "model_names": list(names)})

    done(client, "add_app", **APP)
    done(client, "add_model", **MODEL)
    done(client, "add_model_links", app_name="app", model_names=["m"])
    assert unlink("nobody", "m").text == "No app with name nobody exists."
    assert unlink("app", "m", "m2").text == "Cannot remove nonexistent link between app app and model m2"
    assert got(client, "get_linked_models", app_name="app") == ["m"]
    assert (unlink("app", "m").text, got(client, "get_linked_models", app_name="app")) == ("Success!", [])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"batch_size": 0, "model_name": "a:b"}, "The batch size must be positive or DEFAULT_BATCH_SIZE, which is -1"),
        ({"batch_size": -2}, "The batch size must be positive or DEFAULT_BATCH_SIZE, which is -1"),
        ({"model_name": "a:b", "model_version": ","},
         "Invalid model name supplied: a:b. Contains one of: ',', ':'"),
        ({"model_version": "1,0", "labels": [":"]},
         "Invalid model version supplied: 1,0. Contains one of: ',', ':'"),
        ({"labels": ["fine", "a:b"]}, "Invalid label supplied: a:b. Contains one of: ',', ':'"),
        ({"input_type": "nothing"}, "nothing is not a valid input string"),
    ],
)  # fmt: skip
def test_model_with_a_bad_value_is_refused_in_the_order_of_the_original(
    client: httpx.Client, values: dict[str, Any], text: str
) -> None:
    assert refused(client, "add_model", **{**MODEL, **values}) == text
    assert got(client, "get_all_models", verbose=False) == []


def test_name_that_clipper_admin_refused_itself_is_refused_here(client: httpx.Client) -> None:
    assert "lower-case letters" in refused(client, "add_model", **{**MODEL, "model_name": "Not_A_Label"})
    text = refused(client, "add_model", **{**MODEL, "container_name": "x" * 1025})
    assert "container_name has 1025 characters" in text


def test_added_model_is_current_and_shown_as_it_was_given(client: httpx.Client) -> None:
    assert done(client, "add_model", **MODEL) == "Successfully added model with name 'm' and input type 'doubles'"
    assert refused(client, "add_model", **MODEL) == "model with name 'm' and version '1' already exists"
    shown = {key: MODEL[key] for key in ("model_name", "model_version", "input_type", "labels", "container_name")}
    shown |= {"model_data_path": "/tmp/model", "is_current_version": True}
    assert got(client, "get_model", model_name="m", model_version="1") == shown
    assert got(client, "get_model", model_name="m", model_version="2") == {}
    assert got(client, "get_model", model_name="x", model_version="1") == {}
    done(client, "add_model", **{**MODEL, "model_version": "2", "batch_size": 7})
    assert got(client, "get_all_models", verbose=False) == ["m:1", "m:2"]
    assert [each["is_current_version"] for each in got(client, "get_all_models", verbose=True)] == [False, True]
    second = client.get("/api/v1/models/m/versions/2").json()
    assert (second["controller"], second["batch_size"], second["is_external"]) == ("fixed", 7, True)
    answer = client.put("/api/v1/models/m/versions/2/replicas", json={"count": 1})
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")


def test_version_of_a_linked_model_must_fit_the_application(client: httpx.Client) -> None:
    done(client, "add_app", **APP)
    done(client, "add_model", **MODEL)
    done(client, "add_model_links", app_name="app", model_names=["m"])
    text = refused(client, "add_model", **{**MODEL, "model_version": "2", "input_type": "strings"})
    assert text == (
        "Model with name 'm' is already linked to app 'app' using input type 'doubles'. The input type you provided "
        "for a new version of the model, 'strings', is not compatible."
    )


def test_version_is_chosen_with_the_texts_of_the_original(client: httpx.Client) -> None:
    def choose(name: str, version: str) -> httpx.Response:
        return call(client, "set_model_version", {"model_name": name, "model_version": version})

    for version in ("1", "2"):
        done(client, "add_model", **{**MODEL, "model_version": version})
    assert choose("m", "1").text == "Successfully set model with name 'm' to version '1'"
    assert client.get("/api/v1/models/m").json()["current_version"] == "1"
    assert choose("x", "1").text == "Cannot set version for nonexistent model 'x'"
    assert choose("m", "9").text == "Cannot set non-existent version '9' for model with name 'm'"

    done(client, "add_model", **{**MODEL, "model_version": "3", "input_type": "strings"})
    choose("m", "1")
    done(client, "add_app", **APP)
    done(client, "add_model_links", app_name="app", model_names=["m"])
    assert choose("m", "3").text == (
        "Model with name 'm' is already linked to app 'app' using input type 'doubles'. The input type you provided "
        "for a new version of the model, 'strings', is not compatible."
    )
    assert client.get("/api/v1/models/m").json()["current_version"] == "1"


def test_deleted_current_version_leaves_the_link_which_the_next_version_serves(client: httpx.Client) -> None:
    done(client, "add_app", **APP)
    done(client, "add_model", **MODEL)
    done(client, "add_model_links", app_name="app", model_names=["m"])
    assert done(client, "delete_versioned_model", model_name="m", model_version="1") == (
        "Successfully deleted model with name 'm' and version '1'"
    )
    assert refused(client, "delete_versioned_model", model_name="m", model_version="1") == (
        "model with name 'm' and version '1' does not exist"
    )
    assert got(client, "get_all_models", verbose=False) == []
    assert got(client, "get_linked_models", app_name="app") == ["m"]
    assert client.get("/api/v1/models/m").json()["current_version"] is None
    done(client, "add_model", **{**MODEL, "model_version": "2"})
    assert client.get("/api/v1/models/m").json()["current_version"] == "2"
    done(client, "delete_versioned_model", model_name="m", model_version="2")
    done(client, "delete_app", name="app")
    assert client.get("/api/v1/models/m").status_code == 404  # nothing is left of it


def test_containers_are_those_that_run_and_those_that_were_started_by_hand(
    server: ManagementInThread, client: httpx.Client
) -> None:
    version = {"version": "1", "input_type": "doubles", "container": "fake", "replicas": 2}
    client.post("/api/v1/models/own/versions", json=version).raise_for_status()
    done(client, "add_model", **MODEL)
    assert client.get("/api/v1/models/m/versions/1").json()["ready_replicas"] == 0
    for state in ("loading", "ready"):
        server.call(server.fleet.on_session, ReplicaId("m:1:7f00beef"), 0, state, "")
    assert got(client, "get_all_containers", verbose=False) == ["own:1:0", "own:1:1", "m:1:0"]
    shown = {
        "model_id": "m:1", "model_name": "m", "model_version": "1", "model_replica_id": 0, "input_type": "doubles",
    }  # fmt: skip
    assert got(client, "get_container", model_name="m", model_version="1", replica_id=0) == shown
    assert got(client, "get_all_containers", verbose=True)[-1] == shown
    for key, value in (("replica_id", 1), ("model_version", "2"), ("model_name", "x")):
        asked = {"model_name": "m", "model_version": "1", "replica_id": 0, key: value}
        assert got(client, "get_container", **asked) == {}
    assert client.get("/api/v1/models/m/versions/1").json()["ready_replicas"] == 1
    by_hand = [replica for replica in client.get("/api/v1/replicas").json() if replica["model"] == "m"]
    assert by_hand == [
        {
            "replica_id": "m:1:7f00beef",
            "model": "m",
            "version": "1",
            "pid": 0,
            "state": "ready",
            "reason": "",
            "devices": [],
            "gpus": 0.0,
        }
    ]
    server.call(server.fleet.on_session, ReplicaId("m:1:7f00beef"), 0, "closed", "it left")
    assert got(client, "get_all_containers", verbose=False) == ["own:1:0", "own:1:1"]


def test_unknown_call_is_not_found_and_get_is_not_allowed(client: httpx.Client) -> None:
    assert client.post("/admin/no_such_call", content=b"{}").json()["error"] == "not_found"
    assert client.get("/admin/add_app").status_code == 405
