"""What is logged of single queries: misses with their batch, a few a second, and traces of those that ask."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from clipper._core.counters import MISS_REASONS
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.http_responses import Response, post

SHORT_SLO_US = 30_000


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


def fields(caplog: pytest.LogCaptureFixture, logger: str) -> list[dict[str, Any]]:
    return [{"message": r.getMessage(), **vars(r)} for r in caplog.records if r.name == logger]


def ask_traced(path: DataPath, body: bytes, value: bytes = b"1") -> Response:
    return path.send(post(body, b"Clipper-Trace: " + value)).response()


# -- misses ----------------------------------------------------------------------------------------------------


def test_query_that_the_model_failed_is_logged_with_batch_and_replica(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    puppet.fail(batch, b'ValueError: no "x"')
    query_id = pending.response().json["query_id"]
    (told,) = fields(caplog, "clipper.query")
    assert (told["query_id"], told["application"], told["reason"]) == (query_id, "app", "model_error")
    assert (told["model"], told["replica_id"], told["batch_id"]) == ("m:1", "m:1:0", batch.header.batch_id)
    assert told["cause"] == 'ValueError: no "x"' and "default output" in told["message"]


def test_item_that_failed_is_logged_with_its_batch_although_the_replica_has_the_next_one(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    puppet = path.ready()
    pending = path.begin({"input_batch": [[1.0], [2.0]]})
    batch = puppet.take_batch()
    waiting = path.begin({"input": [3.0]})
    path.wait_until(lambda: path.core.processor.live_queries == 3)
    puppet.answer(batch, ["good", "bad"], failed=[1])
    failed = pending.response().json["batch_predictions"][1]
    puppet.answer(puppet.take_batch(), ["next"])
    assert waiting.response().json["output"] == "next"
    (told,) = fields(caplog, "clipper.query")
    assert (told["query_id"], told["batch_id"]) == (failed["query_id"], batch.header.batch_id)


def test_late_query_names_the_batch_that_holds_it_and_a_queued_one_names_none(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    puppet = path.ready()
    held = path.begin({"input": [1.0], "slo_us": SHORT_SLO_US})
    batch = puppet.take_batch()
    queued = path.begin({"input": [2.0], "slo_us": SHORT_SLO_US})
    ids = [one.response().json["query_id"] for one in (held, queued)]
    told = {one["query_id"]: one for one in fields(caplog, "clipper.query")}
    assert [told[i]["reason"] for i in ids] == ["deadline", "deadline"]
    assert (told[ids[0]]["batch_id"], told[ids[0]]["replica_id"]) == (batch.header.batch_id, "m:1:0")
    assert "batch_id" not in told[ids[1]] and told[ids[1]]["model"] == "m:1"
    assert told[ids[0]]["elapsed_us"] >= SHORT_SLO_US // 2
    puppet.answer(batch, ["late"])


def test_query_without_a_replica_is_logged_as_unavailable(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    path.apply([application()], [model()])
    path.ask({"input": [1.0]})
    (told,) = fields(caplog, "clipper.query")
    assert (told["reason"], told["model"]) == ("unavailable", "m:1") and "batch_id" not in told


def test_misses_beyond_the_limit_of_a_second_are_counted_and_told_later(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    path.apply([application()], [model()])
    limit = 3
    path.core.processor.log.misses_per_second = limit
    path.ask({"input_batch": [[float(index)] for index in range(limit)]})
    assert len(fields(caplog, "clipper.query")) == limit
    path.ask({"input_batch": [[float(index)] for index in range(100)]})
    stats = path.snapshots.applications["app"].stats
    assert len(fields(caplog, "clipper.query")) <= 2 * limit, "the second may have ended between the two requests"
    over_us = 1 << 62
    suppressed = path.call(lambda: stats.take_suppressed(over_us))
    told = sum(one.get("suppressed", 0) for one in fields(caplog, "clipper.query"))
    assert suppressed["unavailable"] + told + len(fields(caplog, "clipper.query")) == limit + 100
    assert set(suppressed) == set(MISS_REASONS)
    assert path.call(lambda: stats.take_suppressed(over_us))["unavailable"] == 0


def test_no_miss_is_logged_with_a_limit_of_zero(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    path.apply([application()], [model()])
    path.core.processor.log.misses_per_second = 0
    path.ask({"input": [1.0]})
    assert fields(caplog, "clipper.query") == []


def test_query_that_is_answered_leaves_no_line(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path.serving(lambda inputs: [1] * len(inputs))
    assert path.ask({"input": [1.0]}).json["output"] == 1
    assert fields(caplog, "clipper.query") + fields(caplog, "clipper.trace") == []


# -- traces ----------------------------------------------------------------------------------------------------


def test_traced_query_is_followed_from_arrival_to_answer(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path.serving(lambda inputs: [1] * len(inputs))
    query_id = ask_traced(path, b'{"input": [1.0]}').json["query_id"]
    lines = fields(caplog, "clipper.trace")
    assert [line["message"] for line in lines] == ["arrived", "queued", "sent", "evaluated", "answered"]
    assert {line["query_id"] for line in lines} == {query_id}
    sent, evaluated, answered = lines[2:]
    assert sent["batch_id"] == evaluated["batch_id"] and sent["batch_size"] == 1
    assert sent["replica_id"] == "m:1:0" and answered["outcome"] == "prediction"
    stages = [answered[f"{stage}_us"] for stage in ("parse", "queue", "rpc", "compute", "gather")]
    assert sum(stages) <= answered["total_us"]
    assert path.core.processor.log.traced_queries == 0


def test_traced_query_of_a_cached_input_never_reaches_a_batch(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path.serving(lambda inputs: [1] * len(inputs))
    path.ask({"input": [1.0]})
    ask_traced(path, b'{"input": [1.0]}')
    messages = [line["message"] for line in fields(caplog, "clipper.trace")]
    assert messages == ["arrived", "found in the cache", "answered"]


def test_traced_query_that_joins_names_the_batch_that_evaluates_it(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    puppet = path.ready()
    first = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    joined = path.send(post(b'{"input": [1.0]}', b"Clipper-Trace: 1"))
    path.wait_until(lambda: path.core.processor.live_queries == 2)
    puppet.answer(batch, ["shared"])
    assert first.response().json["output"] == joined.response().json["output"] == "shared"
    lines = fields(caplog, "clipper.trace")
    assert [line["message"] for line in lines] == [
        "arrived", "joined the evaluation of an equal input", "evaluated", "answered",
    ]  # fmt: skip
    assert lines[1]["batch_id"] == lines[2]["batch_id"] == batch.header.batch_id


def test_traced_answer_of_an_ensemble_names_the_models_that_are_missing(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path.apply([application(models=["a", "b"])], [model("a"), model("b")])
    path.serving(lambda inputs: [1] * len(inputs), "a")
    path.ready("b")
    ask_traced(path, b'{"input": [1.0]}')
    answered = fields(caplog, "clipper.trace")[-1]
    assert (answered["message"], answered["outcome"], answered["missing"]) == ("answered", "prediction", "b:1")


def test_traced_miss_is_logged_whatever_the_limit_of_misses(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path.apply([application()], [model()])
    path.core.processor.log.misses_per_second = 0
    ask_traced(path, b'{"input": [1.0]}')
    assert [line["message"] for line in fields(caplog, "clipper.trace")] == ["arrived", "not queued", "answered"]
    assert fields(caplog, "clipper.trace")[-1]["outcome"] == "default"
    assert len(fields(caplog, "clipper.query")) == 1


def test_traces_beyond_the_limit_of_a_second_are_answered_untraced(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path.serving(lambda inputs: [1] * len(inputs))
    path.core.processor.log.traces_per_second = 0
    assert ask_traced(path, b'{"input": [1.0]}').json["output"] == 1
    assert fields(caplog, "clipper.trace") == []


def test_input_of_a_query_stands_in_no_line(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path.apply([application(input_type="strings")], [model(input_type="strings")])
    secret = "the-patient-has"
    path.send(
        post(f'{{"input": "{secret}"}}'.encode(), b"Clipper-Trace: 1", b"Authorization: Bearer s3cret")
    ).response()
    assert fields(caplog, "clipper.query")
    assert not [line for line in caplog.text.splitlines() if secret in line or "s3cret" in line]


@pytest.mark.parametrize(("value", "status"), [(b"0", 200), (b"1", 200), (b"2", 400), (b"true", 400), (b"", 400)])
def test_trace_header_is_zero_or_one(path: DataPath, value: bytes, status: int) -> None:
    path.serving(lambda inputs: [1] * len(inputs))
    answer = ask_traced(path, b'{"input": [1.0]}', value)
    assert answer.status == status
    assert status == 200 or answer.error == "invalid_header"


def test_trace_header_given_twice_is_refused(path: DataPath) -> None:
    path.serving(lambda inputs: [1] * len(inputs))
    raw = post(b'{"input": [1.0]}', b"Clipper-Trace: 1", b"Clipper-Trace: 0")
    assert path.send(raw).response().error == "duplicate_header"
