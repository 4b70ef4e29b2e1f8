"""The whole OpenAPI document under generated requests, valid and not: no 500, and every answer as it is documented."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests.support.management_server import ManagementInThread, api_document, client_of, management_server

load_all_checks()
# Not these: a valid request may be refused for what other fields say (a shape that does not fit the input type), and
# there is no token here.
EXCLUDED = ["positive_data_acceptance", "ignored_auth", "object_level_authorization"]
# No frontend takes feedback here: 503 is the right answer, and documented.
EXCLUDED_OF_FEEDBACK = [*EXCLUDED, "not_a_server_error"]
# Of the original's calls an answer is plain text under application/json.
EXCLUDED_OF_ORIGINAL = [*EXCLUDED, "response_schema_conformance"]
# The suite's time goes to what has its own code; CLIPPER_HYPOTHESIS_PROFILE=thorough looks longer.
PROFILE_EXAMPLES = settings().max_examples
EXAMPLES = max(12, PROFILE_EXAMPLES // 16)
EXAMPLES_OF_ORIGINAL = max(4, PROFILE_EXAMPLES // 48)


@pytest.fixture(scope="module")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagementInThread]:
    # A deployment that generated values leave waiting must not hold the test up.
    with management_server(tmp_path_factory.mktemp("schema") / "run", ready_limit_us=200_000) as server:
        with client_of(server) as client:
            prepare(client)
        yield server


def prepare(client: httpx.Client) -> None:
    """Register what the document's examples speak of, so that generated requests find something."""
    application = {"name": "digits", "input_type": "doubles", "default_output": 0, "latency_slo_us": 1000}
    version = {"version": "1", "input_type": "doubles", "container": "fake"}
    client.post("/api/v1/applications", json=application).raise_for_status()
    client.post("/api/v1/models/svm/versions", json=version).raise_for_status()


def operations_of(document: dict[str, Any]) -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(document)
    return {found.ok().label: found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)}


def narrowed_document() -> dict[str, Any]:
    """Return the document with what `prepare` registers, so that many generated requests succeed."""
    document = copy.deepcopy(api_document())
    known = {"name": ["digits", "svm"], "model": ["svm"], "version": ["1", "2"], "replica_id": ["svm:1:0"]}
    known["arm"] = ["svm:1"]
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    schemas = document["components"]["schemas"]
    for name in ("shape", "dtype", "max_slo_us"):  # which must fit the other fields
        del schemas["ApplicationRequest"]["properties"][name]
    deployment = schemas["DeployRequest"]["properties"]
    deployment["container"] = {"type": "string", "enum": ["fake"]}
    for schema in (deployment["replicas"], schemas["ReplicasRequest"]["properties"]["count"]):
        schema["maximum"] = 3
    for name in ("files", "environment"):
        del deployment[name]
    return document


OPERATIONS, NARROWED = operations_of(api_document()), operations_of(narrowed_document())


def test_no_operation_of_the_document_is_left_out() -> None:
    assert len(OPERATIONS) == sum(len(methods) for methods in api_document()["paths"].values())


@pytest.mark.parametrize("label", OPERATIONS)
def test_call_with_any_request_is_answered_as_documented(label: str, management: ManagementInThread) -> None:
    operation = OPERATIONS[label]
    is_original = "original" in (operation.tags or ())
    is_feedback = label.endswith("/feedback")
    names = EXCLUDED_OF_ORIGINAL if is_original else EXCLUDED_OF_FEEDBACK if is_feedback else EXCLUDED
    excluded: Any = CHECKS.get_by_names(names)

    @settings(
        max_examples=EXAMPLES_OF_ORIGINAL if is_original else EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        operation.as_strategy(GenerationMode.POSITIVE)
        | operation.as_strategy(GenerationMode.NEGATIVE)
        | NARROWED[label].as_strategy(GenerationMode.POSITIVE)
    )
    def check(case: schemathesis.Case[Any]) -> None:
        if case.query.get("follow"):
            return  # a stream without end
        response = case.call(base_url=management.url, timeout=10)
        case.validate_response(response, excluded_checks=excluded)
        assert response.status_code != 500

    check()
