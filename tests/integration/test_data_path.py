"""A query's way through one worker: cache, joins, deadlines, the batch form, versions; containers are puppets.

No loop timer but the deadline timer runs here, so every wait that ends proves that nothing needed a second wake-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from clipper.config import CoreConfig
from tests.support.data_path import DataPath, application, ask_batches, data_path, model
from tests.support.http_responses import get, parse_responses, post
from tests.support.http_server_thread import read_responses_bytes

LATE = "Failed to retrieve a prediction response within the specified latency SLO"
UNCONNECTED = "No connected models found for query"
SHORT_SLO_US = 30_000


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


# -- the plain way ---------------------------------------------------------------------------------------------


def test_query_is_answered_with_the_models_output_and_name(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0, 2.5]})
    batch = puppet.take_batch()
    assert batch.inputs == [[1.0, 2.5]]
    assert 0 < batch.header.budget_us <= 20_000_000
    puppet.answer(batch, [{"class": 7}])
    answer = pending.response()
    assert answer.status == 200
    query_id = answer.json.pop("query_id")
    assert 0 < query_id < 2**53
    assert answer.json | {"query_id": 0} == {
        "query_id": 0,
        "output": {"class": 7},
        "default": False,
        "model": "m:1",
        "confidence": 1.0,
    }


def test_typed_outputs_are_answered_as_numbers(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input_batch": [[1.0], [2.0], [3.0]]})
    puppet.answer_array(puppet.take_batch(), np.array([0.5, -1.0, 1e300]))
    assert [one["output"] for one in pending.response().json["batch_predictions"]] == [0.5, -1.0, 1e300]


def test_query_ids_are_never_given_twice(path: DataPath) -> None:
    path.serving(lambda inputs: [0] * len(inputs))
    ids = [one["query_id"] for _ in range(3) for one in ask_batches(path, [[1.0], [2.0]])]
    assert len(set(ids)) == 6


def test_batch_form_is_answered_in_input_order(path: DataPath) -> None:
    path.serving(lambda inputs: [one[0] for one in inputs])
    numbers = [float(number) for number in range(300)]
    assert [one["output"] for one in ask_batches(path, [[number] for number in numbers])] == numbers


def test_batch_of_one_keeps_the_batch_form(path: DataPath) -> None:
    path.serving(lambda inputs: [one[0] for one in inputs])
    assert [one["output"] for one in ask_batches(path, [[4.0]])] == [4.0]


def test_empty_batch_is_answered_with_an_empty_list(path: DataPath) -> None:
    answer = path.ask({"input_batch": []})
    assert (answer.status, answer.json) == (200, {"batch_predictions": []})


def test_vectors_of_several_lengths_share_a_batch(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input_batch": [[1.0], [1.0, 2.0], [3.0, 4.0, 5.0]]})
    batch = puppet.take_batch()
    assert batch.inputs == [[1.0], [1.0, 2.0], [3.0, 4.0, 5.0]]
    puppet.answer(batch, [1, 2, 3])
    assert pending.response().status == 200


@pytest.mark.parametrize(
    ("input_type", "shape", "dtype", "given", "received"),
    [
        ("integers", None, None, [1, -2], [1, -2]),
        ("floats", None, None, [0.5], [0.5]),
        ("strings", None, None, "héllo \u0000", "héllo \u0000"),
        ("bytes", None, None, "AAH/", b"\x00\x01\xff"),
        ("tensor", [2, 2], "int16", [[1, 2], [3, -4]], [[1, 2], [3, -4]]),
    ],
)
def test_every_input_type_reaches_the_container_as_its_own(
    path: DataPath, input_type: str, shape: Any, dtype: Any, given: Any, received: Any
) -> None:
    path.apply(
        [application(input_type=input_type, shape=shape, dtype=dtype)],
        [model(versions=("1", "2"), input_type=input_type)],
    )
    for version in ("1", "2"):  # a version that is not the current one has the application's shape as well
        puppet = path.ready(version=version, input_type=input_type)
        pending = path.begin({"input": given, "version": version})
        batch = puppet.take_batch()
        assert batch.inputs == [received]
        puppet.answer(batch, [0])
        assert pending.response().status == 200


def test_binary_body_reaches_the_container_and_headers_choose_the_batch_form(path: DataPath) -> None:
    path.apply([application(shape=[2])], [model()])
    path.serving(lambda inputs: [sum(one) for one in inputs])
    binary, head = b"Content-Type: application/octet-stream", b"Clipper-Batch: 2"
    one = path.send(post(np.array([1.0, 2.0]).tobytes(), binary)).response()
    two = path.send(post(np.array([1.0, 2.0, 3.0, 4.0]).tobytes(), binary, head)).response()
    assert one.json["output"] == 3.0
    assert [part["output"] for part in two.json["batch_predictions"]] == [3.0, 7.0]


def test_pipelined_answers_leave_in_request_order(path: DataPath) -> None:
    puppet = path.ready()
    path.apply([application(), application("other", ("none",))], [model(), model("none")])
    slow = post(b'{"input": [1]}')
    at_once = post(b'{"input": [1]}', path=b"/other/predict")
    pending = path.send(slow + at_once + get(b"/healthz"))
    batch = puppet.take_batch()
    assert not pending.is_answered()
    puppet.answer(batch, ["slow"])
    with pending.client:
        first, second, third = parse_responses(read_responses_bytes(pending.client, 3))
    assert first.json["output"] == "slow"
    assert second.json["default_explanation"] == UNCONNECTED
    assert third.json == {"status": "ok"}


def test_options_and_head_pass_the_predict_route_without_a_query(path: DataPath) -> None:
    options = path.send(get(b"/app/predict", method=b"OPTIONS")).client
    with options:
        (answer,) = parse_responses(read_responses_bytes(options, 1), head_only=True)
    assert (answer.status, answer.headers["allow"]) == (204, "POST, OPTIONS")
    with path.send(get(b"/app/predict", b"Connection: close", method=b"HEAD")).client as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 405 ")
    assert path.application_figures()["queries"] == 0


# -- misses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("models", [(), ("m",)], ids=["no linked model", "no replica"])
def test_unconnected_application_answers_at_once(path: DataPath, models: tuple[str, ...]) -> None:
    path.apply([application(models=models), application("strict", models, on_miss="error")], [model()])
    lenient, strict = path.ask({"input": [1.0]}), path.ask({"input": [1.0]}, "strict")
    assert (lenient.status, lenient.json["default_explanation"]) == (200, UNCONNECTED)
    assert (strict.status, strict.error, strict.headers["retry-after"]) == (503, "no_replica", "1")


def test_errors_are_answered_where_the_application_chose_them(path: DataPath) -> None:
    path.apply([application(on_miss="error")], [model()])
    puppet = path.ready()
    pending = path.begin({"input": [1.0], "slo_us": SHORT_SLO_US})
    batch = puppet.take_batch()
    late = pending.response()
    assert (late.status, late.error) == (504, "deadline_passed")
    puppet.answer(batch, [1])
    pending = path.begin({"input": [2.0]})
    puppet.fail(puppet.take_batch(), b"ValueError: no")
    failed = pending.response()
    assert (failed.status, failed.error) == (502, "model_error")
    assert failed.json["cause"].endswith("ValueError: no")


def test_failing_items_of_a_batch_carry_their_errors_in_a_good_answer(path: DataPath) -> None:
    path.apply([application(on_miss="error")], [model()])
    puppet = path.ready()
    pending = path.begin({"input_batch": [[1.0], [2.0]]})
    puppet.answer(puppet.take_batch(), ["good", "too hot"], failed=[1])
    answer = pending.response()
    assert answer.status == 200
    good, bad = answer.json["batch_predictions"]
    assert good["output"] == "good"
    assert set(bad) == {"query_id", "error", "cause"}
    assert bad["query_id"] != good["query_id"]
    assert bad["error"] == "model_error"
    assert "too hot" in bad["cause"]


def test_full_pool_refuses_at_once_and_serves_again() -> None:
    with data_path(CoreConfig(slot_count=2)) as path:
        path.apply([application(), application("strict", on_miss="error")], [model()])
        puppet = path.ready()
        pending = path.begin({"input_batch": [[1.0], [2.0]]})
        path.wait_until(lambda: path.core.slots.in_use == 2)
        lenient, strict = path.ask({"input": [9.0]}), path.ask({"input": [9.0]}, "strict")
        assert lenient.json["default_explanation"] == "The batch queue of the model is full"
        assert (strict.status, strict.error, strict.headers["retry-after"]) == (503, "overloaded", "1")
        puppet.answer(puppet.take_batch(), [1, 2])
        assert [one["output"] for one in pending.response().json["batch_predictions"]] == [1, 2]
        pending = path.begin({"input": [9.0]})
        puppet.answer(puppet.take_batch(), [9])
        assert pending.response().json["output"] == 9


HOSTILE = {
    "quotes": b'say "no" \\ and \\" again',
    "controls": bytes(range(32)),
    "invalid UTF-8": b"\xff\xfe caf\xc3",
    "empty": b"",
    "long": b"x" * 5_000,
    "script": "</script>\u2028\U0001f600".encode(),
}


@pytest.mark.parametrize("on_miss", ["default", "error"])
@pytest.mark.parametrize("cause", HOSTILE.values(), ids=HOSTILE)
def test_cause_of_a_model_error_never_breaks_the_answer(path: DataPath, cause: bytes, on_miss: str) -> None:
    path.apply([application(on_miss=on_miss)], [model()])
    puppet = path.ready()
    pending = path.begin({"input": [1.0]})
    puppet.fail(puppet.take_batch(), cause)
    answer = pending.response()
    told = answer.json["default_explanation" if on_miss == "default" else "cause"]
    assert told.startswith("The model raised an error")
    if cause.isascii() and len(cause) < 1000:
        assert told.endswith(cause.decode())


# -- versions and deadlines of the query itself ----------------------------------------------------------------


def test_query_may_name_any_version(path: DataPath) -> None:
    path.apply([application()], [model(versions=("2", "1"))])
    path.serving(lambda inputs: ["old"] * len(inputs), version="1")
    path.serving(lambda inputs: ["new"] * len(inputs), version="2")
    assert path.ask({"input": [1.0]}).json["model"] == "m:2"
    old = path.ask({"input": [1.0], "version": "1"}).json
    assert (old["model"], old["output"]) == ("m:1", "old")


def test_unknown_version_is_refused_in_the_words_of_the_original(path: DataPath) -> None:
    answer = path.ask({"input": [1.0], "version": 'x"\n'})
    assert (answer.status, answer.error) == (400, "unknown_version")
    assert answer.json["cause"] == 'Requested version: x"\n does not exist for model: m'


def test_version_is_refused_where_several_models_are_linked(path: DataPath) -> None:
    path.apply([application(models=("m", "n"))], [model(), model("n")])
    answer = path.ask({"input": [1.0], "version": "1"})
    assert (answer.status, answer.json["cause"]) == (400, "Too many models linked to application app")


def test_version_is_refused_where_no_model_is_linked(path: DataPath) -> None:
    path.apply([application(models=())], [model()])
    assert path.ask({"input": [1.0], "version": "1"}).error == "unknown_version"


def test_version_of_another_input_type_is_unknown_to_the_application(path: DataPath) -> None:
    described = model(versions=("1", "2"))
    described["versions"][1]["input_type"] = "strings"
    path.apply([application()], [described])
    assert path.ask({"input": [1.0], "version": "2"}).error == "unknown_version"


def test_deadline_above_the_ceiling_is_refused_and_up_to_it_taken(path: DataPath) -> None:
    path.apply([application(latency_slo_us=50_000, max_slo_us=100_000)], [model()])
    path.serving(lambda inputs: [1] * len(inputs))
    assert path.ask({"input": [1.0], "slo_us": 100_000}).status == 200
    answer = path.ask({"input": [1.0], "slo_us": 100_001})
    assert (answer.status, answer.error) == (400, "slo_too_large")
    assert path.application_figures()["bad_requests"] == 1
