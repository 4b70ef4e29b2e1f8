"""Cache, joins and deadlines on a query's way through one worker; containers are puppets, and no loop timer runs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from clipper.config import CoreConfig
from tests.support.data_path import DataPath, application, ask_batches, data_path, model

LATE = "Failed to retrieve a prediction response within the specified latency SLO"
SHORT_SLO_US = 30_000


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


# -- cache and joins -------------------------------------------------------------------------------------------


def test_second_identical_query_is_answered_from_the_cache(path: DataPath) -> None:
    puppet = path.serving(lambda inputs: [1] * len(inputs))
    assert path.ask({"input": [1.0]}).json["output"] == 1
    assert path.ask({"input": [1.0]}).json["output"] == 1
    assert puppet.batch_sizes == [1]
    assert path.figures()["cache_hits"] == 1


def test_identical_inputs_of_one_batch_are_evaluated_once(path: DataPath) -> None:
    puppet = path.serving(lambda inputs: [one[0] for one in inputs])
    answers = ask_batches(path, [[5.0], [6.0], [5.0], [5.0]])
    assert [one["output"] for one in answers] == [5.0, 6.0, 5.0, 5.0]
    assert sum(puppet.batch_sizes) == 2
    assert path.figures()["cache_joins"] == 2


def test_identical_queries_of_several_clients_join_the_one_in_flight(path: DataPath) -> None:
    puppet = path.ready()
    first = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    others = [path.begin({"input": [1.0]}) for _ in range(5)]
    path.wait_until(lambda: path.core.processor.live_queries == 6)
    puppet.answer(batch, ["shared"])
    assert [one.response().json["output"] for one in (first, *others)] == ["shared"] * 6
    assert not puppet.has_batch()


def test_joined_query_outlives_the_deadline_of_the_one_it_joined(path: DataPath) -> None:
    puppet = path.ready()
    first = path.begin({"input": [1.0], "slo_us": SHORT_SLO_US})
    batch = puppet.take_batch()
    second = path.begin({"input": [1.0]})
    assert first.response().json["default_explanation"] == LATE
    puppet.answer(batch, ["late for one"])
    assert second.response().json["output"] == "late for one"


def test_joined_query_with_a_shorter_deadline_leaves_the_others_waiting(path: DataPath) -> None:
    puppet = path.ready()
    first = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    assert path.ask({"input": [1.0], "slo_us": SHORT_SLO_US}).json["default"] is True
    puppet.answer(batch, ["patience"])
    assert first.response().json["output"] == "patience"


def test_failed_evaluation_is_told_to_all_that_joined_and_not_cached(path: DataPath) -> None:
    puppet = path.ready()
    first = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    second = path.begin({"input": [1.0]})
    path.wait_until(lambda: path.core.processor.live_queries == 2)
    puppet.fail(batch, b"broken")
    assert [one.response().json["default"] for one in (first, second)] == [True, True]
    third = path.begin({"input": [1.0]})
    puppet.answer(puppet.take_batch(), ["mended"])
    assert third.response().json["output"] == "mended"


def test_joiners_are_answered_by_the_rule_of_their_own_application(path: DataPath) -> None:
    path.apply([application(), application("strict", on_miss="error")], [model()])
    puppet = path.ready()
    lenient = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    strict = path.begin({"input": [1.0]}, "strict")
    path.wait_until(lambda: path.core.processor.live_queries == 2)
    puppet.fail(batch, b"broken")
    assert lenient.response().status == 200
    assert strict.response().status == 502


@pytest.mark.parametrize(("options", "uses_cache"), [(CoreConfig(cache_bytes=0), True), (CoreConfig(), False)])
def test_without_a_cache_every_query_is_evaluated(options: CoreConfig, uses_cache: bool) -> None:
    with data_path(options) as path:
        path.apply([application(cache=uses_cache)], [model()])
        puppet = path.serving(lambda inputs: [1] * len(inputs))
        assert len(ask_batches(path, [[1.0], [1.0]])) == 2
        path.ask({"input": [1.0]})
        assert sum(puppet.batch_sizes) == 3


def test_cached_output_expires_with_its_applications_ttl(path: DataPath) -> None:
    path.apply([application(cache_ttl_us=50_000), application("forever")], [model()])
    puppet = path.serving(lambda inputs: [1] * len(inputs))
    path.ask({"input": [1.0]}, "forever")
    begun_s = time.monotonic()  # it is stored after this, however late we hear of it
    path.ask({"input": [1.0]})
    assert len(puppet.batch_sizes) == 2  # what may be served for ever is no answer for who wants it fresh
    while path.ask({"input": [1.0]}).status == 200 and len(puppet.batch_sizes) == 2:
        assert time.monotonic() < begun_s + 10
    assert time.monotonic() >= begun_s + 0.05
    path.ask({"input": [1.0]}, "forever")
    assert len(puppet.batch_sizes) == 3


def test_tensor_of_another_shape_with_the_same_bytes_is_not_answered_from_the_cache(path: DataPath) -> None:
    path.apply([application(input_type="tensor", dtype="float64", shape=[4])], [model(input_type="tensor")])
    puppet = path.serving(lambda inputs: [np.shape(one) for one in inputs], input_type="tensor")
    assert path.ask({"input": [1, 2, 3, 4]}).json["output"] == [4]
    path.apply([application(input_type="tensor", dtype="float64", shape=[2, 2])], [model(input_type="tensor")])
    assert path.ask({"input": [1, 2, 3, 4]}).json["output"] == [2, 2]
    assert len(puppet.batch_sizes) == 3  # with the sample of zeros


# -- deadlines -------------------------------------------------------------------------------------------------


def test_late_output_enters_the_cache_after_its_query_got_the_default(path: DataPath) -> None:
    puppet = path.ready()
    started_s = time.monotonic()
    pending = path.begin({"input": [1.0], "slo_us": 500_000})
    batch = puppet.take_batch()
    answer = pending.response()
    assert time.monotonic() - started_s > 0.49
    assert answer.status == 200
    assert answer.json["output"] == "default"
    assert answer.json["default_explanation"] == LATE
    puppet.answer(batch, ["late"])
    path.wait_until(lambda: path.core.cache.resident_entries == 1)
    assert path.ask({"input": [1.0]}).json["output"] == "late"
    assert not puppet.has_batch()


def test_deadline_smaller_than_the_reply_margin_is_answered_within_it(path: DataPath) -> None:
    path.ready()
    for slo_us in (1, 2, 499, 1000):
        answer = path.ask({"input": [float(slo_us)], "slo_us": slo_us})
        assert answer.json["default_explanation"] == LATE


def test_queued_task_that_nobody_waits_for_any_more_gives_its_slot_back(path: DataPath) -> None:
    puppet = path.ready()
    hanging = path.begin({"input": [0.0]})
    batch = puppet.take_batch()
    answers = path.ask({"input_batch": [[float(number)] for number in range(1, 50)], "slo_us": SHORT_SLO_US})
    assert all(one["default"] for one in answers.json["batch_predictions"])
    path.wait_until(lambda: path.core.slots.in_use == 1)  # while its replica still hangs
    assert path.call(lambda: [found.queue_depth for found in path.snapshots.models.values()]) == [0]
    puppet.answer(batch, ["woke"])
    assert hanging.response().json["output"] == "woke"
    assert not puppet.has_batch()


def test_batch_mixes_answers_and_defaults(path: DataPath) -> None:
    path.apply([application()], [model(controller="fixed", batch_size=2)])
    puppet = path.ready()
    pending = path.begin({"input_batch": [[1.0], [2.0], [3.0]], "slo_us": 100_000})
    puppet.answer(puppet.take_batch(), ["one", "two"])
    puppet.take_batch()
    assert [one["output"] for one in pending.response().json["batch_predictions"]] == ["one", "two", "default"]
