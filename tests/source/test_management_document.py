"""docs/management-api.md and the OpenAPI document speak of the same calls, codes and limits."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from clipper import errors
from clipper.config import ManagementConfig
from clipper.errors import ClipperError
from clipper.registry.learning import LEARNING_FIELDS, Learning
from tests.support.management_server import api_document
from tests.support.repository import files, text_of

DOCUMENT = Path("docs/management-api.md")


@cache
def operations() -> dict[str, dict[str, Any]]:
    """Return every operation by method and path."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in api_document()["paths"].items()
        for method, operation in methods.items()
    }


def test_document_tells_every_call_and_no_other() -> None:
    rows = re.findall(r"^\| `((?:GET|POST|PUT|DELETE) [^`]+)` \|", text_of(DOCUMENT), re.MULTILINE)
    assert sorted(rows) == sorted(operations())


def test_every_operation_has_a_tag_a_summary_a_description_and_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in api_document()["tags"]}
    for call, operation in operations().items():
        assert len(operation["tags"]) == 1 and set(operation["tags"]) <= tags, call
        assert operation["summary"] and operation["description"], call


def test_names_of_operations_are_those_that_generated_clients_use() -> None:
    # Whoever renames one breaks every client that was generated from the document.
    paths = {call.partition(" ")[2]: operation["operationId"] for call, operation in operations().items()}
    original = {path: name for path, name in paths.items() if path.startswith("/admin/")}
    assert original == {path: f"admin_{path.removeprefix('/admin/')}" for path in original}
    names = {operation["operationId"] for operation in operations().values()}
    assert names - set(original.values()) == {
        "list_applications", "register_application", "get_application", "delete_application", "link_model",
        "unlink_model", "list_models", "get_model", "delete_model", "set_current_version", "roll_back",
        "deploy_version", "get_version", "delete_version", "set_replicas", "upload_files", "list_replicas", "get_log",
        "get_health", "get_metrics", "get_status", "get_config", "evaluate_policy",
        "get_monitoring", "quarantine_arm", "lift_quarantine",
        "get_policy", "set_policy", "give_feedback",
    }  # fmt: skip


def test_fields_of_learning_are_those_of_the_code_in_the_schema_and_in_the_document() -> None:
    learning = api_document()["components"]["schemas"]["ApplicationRequest"]["properties"]["learning"]
    assert tuple(learning["anyOf"][0]["properties"]) == LEARNING_FIELDS
    table = text_of(DOCUMENT).split("`learning` takes these fields:")[1].split("\n\n")[1]
    told = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", table, re.MULTILINE))
    assert told == {name: json.dumps(value) for name, value in Learning().to_json().items()}


def test_every_operation_describes_its_errors() -> None:
    for call, operation in operations().items():
        expected = {"400"} if call == "GET /healthz" else {"400", "401"}
        expected |= {"403", "503"} if not call.startswith("GET") else set()
        expected |= {"404"} if "{" in call else set()
        expected |= {"408", "413"} if "requestBody" in operation else set()
        assert expected <= operation["responses"].keys(), call
        assert "422" not in operation["responses"], call  # FastAPI's own; ours is 400
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and "original" not in operation["tags"]:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}, (call, status)


def test_every_code_that_management_answers_is_told_and_exists() -> None:
    table = text_of(DOCUMENT).split("## Errors")[1].split("## Limits")[0]
    rows = re.findall(r"^\| [\d, ]+ \| (.*?) \|", table, re.MULTILINE)
    told = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClipperError)]
    of_classes = {kind.code for kind in classes}
    sources = "\n".join(text_of(path) for path in files(".py", under=("clipper",)) if "management" in path.parts)
    written = {code for code in told - of_classes if f'"{code}"' in sources}
    assert told - of_classes - written <= {"unauthorized"}
    for code in ("headers_too_large", "request_timeout", "payload_too_large", "overloaded", "forbidden"):
        assert code in told


def test_every_limit_of_the_document_is_an_option() -> None:
    table = text_of(DOCUMENT).split("## Limits")[1].split("## The calls")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    options = set(ManagementConfig.__dataclass_fields__)
    assert told == {name for name in options if name in told or re.match("max_|head_|body_|idle_|write_", name)}
