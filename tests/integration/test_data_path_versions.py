"""Versions and replicas that come and go on one worker: the sample before the first query, the queue after the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clipper.errors import InvalidArgumentError
from model_containers.wire import ErrorCode, MessageType
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.puppet_container import PuppetContainer

UNCONNECTED = "No connected models found for query"


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


# -- the sample --------------------------------------------------------------------------------------------------------


def sampled(sample: str | None = "[7.0]", **changes: Any) -> dict[str, Any]:
    return model(sample_input=sample, is_deployed=False, **changes)


def apply_sampled(path: DataPath, must_succeed: bool) -> list[Any]:
    """Serve a model with a sample of its own, which must succeed, or with a made-up one; return the sample."""
    path.apply([application(shape=(1,))], [sampled("[7.0]" if must_succeed else None)])
    return [7.0] if must_succeed else [0.0]


def start(path: DataPath, **registration: str) -> PuppetContainer:
    puppet = path.puppet(**registration).start()
    path.wait_until(lambda: path.state_of(puppet.replica_id) == "warming")
    return puppet


@pytest.mark.parametrize("must_succeed", [True, False])
def test_replica_gets_the_sample_alone_and_queries_only_when_it_has_answered(
    path: DataPath, must_succeed: bool
) -> None:
    expected = apply_sampled(path, must_succeed)
    puppet = start(path)
    sample = puppet.take_batch()
    assert sample.inputs == [expected]
    assert path.ask({"input": [1.0]}).json["default_explanation"] == UNCONNECTED
    puppet.answer(sample, [0.5])
    path.wait_ready("m:1:0")
    asked = path.begin({"input": [2.0]})
    batch = puppet.take_batch()
    assert batch.inputs == [[2.0]]
    puppet.answer(batch, ["after"])
    assert asked.response().json["output"] == "after"
    assert path.figures()["batches"] == 1, "a sample is no query: it counts nowhere"


@pytest.mark.parametrize("how", ["batch", "item"])
def test_replica_that_fails_a_sample_of_the_caller_is_refused_with_the_cause(path: DataPath, how: str) -> None:
    apply_sampled(path, must_succeed=True)
    puppet = start(path)
    sample = puppet.take_batch()
    if how == "batch":
        puppet.fail(sample, b"ValueError: expected 3 features")
    else:
        puppet.answer(sample, ["ValueError: expected 3 features"], failed=[0])
    cause = "the sample input failed: ValueError: expected 3 features"
    assert puppet.expect_error() == (ErrorCode.REFUSED, cause)
    path.wait_until(lambda: path.state_of("m:1:0") == "closed")
    assert path.reports[-1] == ("m:1:0", "closed", cause)
    assert path.call(lambda: path.core.slots.in_use) == 0


def test_replica_that_fails_a_made_up_sample_gets_queries_all_the_same(path: DataPath) -> None:
    apply_sampled(path, must_succeed=False)
    puppet = start(path)
    puppet.fail(puppet.take_batch(), b"ValueError: zeros make no sense to me")
    path.wait_ready("m:1:0")


@pytest.mark.parametrize("end", ["dies", "leaves", "is asked to leave"])
def test_replica_that_goes_while_it_has_the_sample_leaves_nothing_behind(path: DataPath, end: str) -> None:
    apply_sampled(path, must_succeed=True)
    puppet = start(path)
    sample = puppet.take_batch()
    if end == "dies":
        path.gone("m:1:0")
    elif end == "leaves":
        puppet.say_leaving()
        puppet.expect(MessageType.DRAIN)
        puppet.say_left()
    else:
        path.call(lambda: path.core.rpc.drain_replica("m:1:0"))
        puppet.answer(sample, [1])
        puppet.expect(MessageType.DRAIN)
        puppet.say_left()
    path.wait_until(lambda: path.state_of("m:1:0") == "closed")
    assert path.call(lambda: path.core.slots.in_use) == 0


def test_ready_replica_is_warmed_when_an_application_says_what_inputs_look_like(path: DataPath) -> None:
    path.apply([], [model(sample_input=None)])
    puppet = path.ready()
    expected = apply_sampled(path, must_succeed=False)
    sample = puppet.take_batch()
    assert sample.inputs == [expected]
    asked = path.begin({"input": [2.0]})  # it waits behind the sample, as it would behind a batch
    path.wait_until(lambda: path.core.processor.live_queries == 1)
    assert not puppet.has_batch()
    puppet.answer(sample, [0.5])
    puppet.answer(puppet.take_batch(), ["after"])
    assert asked.response().json["output"] == "after"
    assert path.figures()["batches"] == 1


@pytest.mark.parametrize("end", ["fails", "goes"])
def test_ready_replica_that_cannot_evaluate_a_late_sample_is_not_held_against_it(path: DataPath, end: str) -> None:
    path.apply([], [model(sample_input=None)])
    puppet = path.ready()
    apply_sampled(path, must_succeed=True)
    sample = puppet.take_batch()
    if end == "fails":
        puppet.fail(sample, b"ValueError: expected 3 features")
        asked = path.begin({"input": [2.0]})
        puppet.answer(puppet.take_batch(), ["after"])
        assert asked.response().json["output"] == "after"
    else:
        path.gone("m:1:0")
    path.wait_until(lambda: path.core.slots.in_use == 0)


def test_replica_that_has_served_is_not_asked_for_a_sample_again(path: DataPath) -> None:
    path.apply([application()], [model(sample_input=None)])
    puppet = path.ready()
    asked = path.begin({"input": [1.0]})
    puppet.answer(puppet.take_batch(), ["x"])
    asked.response()
    apply_sampled(path, must_succeed=False)
    path.tick()
    assert not puppet.has_batch()
    path.apply([application(shape=(1,), on_miss="error")], [sampled(None)])
    path.tick()
    assert not puppet.has_batch()


def test_sample_that_is_no_input_refuses_a_deployment_but_not_what_is_served(path: DataPath) -> None:
    with pytest.raises(InvalidArgumentError, match="sample input of m:1 cannot be used"):
        path.apply([application()], [sampled('"text"')])
    deployed = sampled('"text"')
    deployed["versions"][0]["is_deployed"] = True
    path.apply([application()], [deployed])
    path.ready()


def test_sample_of_a_tensor_waits_for_an_application_that_says_what_it_looks_like(path: DataPath) -> None:
    tensors = sampled("[[1, 2], [3, 4]]", input_type="tensor")
    path.apply([], [tensors])
    path.ready(input_type="tensor").close()
    path.gone("m:1:0")
    path.apply([application(input_type="tensor", dtype="int16", shape=[2, 2])], [tensors])
    assert start(path, input_type="tensor").take_batch().inputs == [[[1, 2], [3, 4]]]


def test_version_that_is_being_deployed_is_not_there_for_those_who_name_it(path: DataPath) -> None:
    both = model(versions=("1", "2"), sample_input=None, is_deployed=True)
    both["versions"][1]["is_deployed"] = False
    path.apply([application()], [both])
    path.ready(version="2")
    answer = path.ask({"input": [1.0], "version": "2"})
    assert (answer.status, answer.json["cause"]) == (400, "Requested version: 2 does not exist for model: m")


@pytest.mark.parametrize("name", ["aimd", "quantile"])
def test_link_that_comes_or_goes_keeps_what_was_learned_of_the_model(path: DataPath, name: str) -> None:
    adaptive = model(controller=name, batch_size=0)
    path.apply([application()], [adaptive])
    path.serving(lambda inputs: [1] * len(inputs))

    def controller() -> Any:
        return path.snapshots.models["m", "1"].replicas[0].controller  # type: ignore[index]

    learned = path.call(controller)
    for applications in ([application(), application("other", latency_slo_us=50_000)], [application()], []):
        path.apply(applications, [adaptive])
        assert path.call(controller) is learned
    path.apply([application()], [model(controller="fixed", batch_size=3)])
    assert path.call(controller) is not learned


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_retired_model_answers_what_is_in_flight_and_what_is_queued(path: DataPath) -> None:
    puppet = path.ready()
    flying = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    queued = path.begin({"input": [2.0]})
    path.wait_until(lambda: path.core.slots.in_use == 2)
    path.apply([application(models=())], [])
    assert path.ask({"input": [2.0]}).json["default_explanation"] == UNCONNECTED
    puppet.answer(batch, ["still good"])
    assert flying.response().json["output"] == "still good"
    puppet.answer(puppet.take_batch(), ["good, too"])
    assert queued.response().json["output"] == "good, too"
    assert path.call(lambda: path.core.cache.resident_entries) == 0


def test_retired_model_without_a_replica_refuses_what_is_queued_at_once(path: DataPath) -> None:
    puppet = path.ready()
    flying = path.begin({"input": [1.0]})
    puppet.take_batch()
    queued = path.begin({"input": [2.0]})
    path.wait_until(lambda: path.core.slots.in_use == 2)
    path.gone("m:1:0")
    assert not flying.is_answered()
    path.apply([application(models=())], [])
    for pending in (flying, queued):
        assert pending.response().json["default_explanation"] == UNCONNECTED


def test_retired_model_that_loses_one_of_two_replicas_is_answered_by_the_other(path: DataPath) -> None:
    first, second = path.ready(index=0), path.ready(index=1)
    pending = [path.begin({"input": [1.0]}), path.begin({"input": [2.0]})]
    first.take_batch()
    batch = second.take_batch()
    queued = path.begin({"input": [3.0]})
    path.wait_until(lambda: path.core.slots.in_use == 3)
    path.apply([application(models=())], [])
    path.gone("m:1:0")
    second.answer(batch, ["second"])
    rest = second.take_batch()
    second.answer(rest, ["second"] * len(rest.inputs))
    assert [one.response().json["output"] for one in (*pending, queued)] == ["second"] * 3


def test_replica_asked_to_leave_empties_the_queue_that_nobody_else_can_answer(path: DataPath) -> None:
    puppet = path.ready()
    flying = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    queued = path.begin({"input": [2.0]})
    path.wait_until(lambda: path.core.slots.in_use == 2)
    path.apply([application(models=())], [])
    path.call(lambda: path.core.rpc.drain_replica("m:1:0"))
    assert path.call(lambda: path.state_of("m:1:0")) == "ready"
    puppet.answer(batch, ["one"])
    last = puppet.take_batch()
    path.wait_until(lambda: path.state_of("m:1:0") == "draining")
    puppet.answer(last, ["two"])
    assert [one.response().json["output"] for one in (flying, queued)] == ["one", "two"]


def test_replica_asked_to_leave_goes_when_what_it_stayed_for_has_missed_its_deadline(path: DataPath) -> None:
    puppet = path.ready()
    flying = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    queued = path.begin({"input": [2.0], "slo_us": 100_000})
    path.wait_until(lambda: path.core.slots.in_use == 2)
    path.call(lambda: path.core.rpc.drain_replica("m:1:0"))
    assert queued.response().json["default"] is True
    path.tick()
    assert path.call(lambda: path.state_of("m:1:0")) == "draining"
    puppet.answer(batch, ["done"])
    assert flying.response().json["output"] == "done"


def test_retired_model_whose_replica_is_lost_answers_at_once(path: DataPath) -> None:
    puppet = path.ready()
    flying = path.begin({"input": [1.0]})
    puppet.take_batch()
    path.apply([application(models=())], [])
    path.gone("m:1:0")
    assert flying.response().json["default_explanation"] == UNCONNECTED


def test_redeployed_version_is_not_answered_from_the_old_ones_cache(path: DataPath) -> None:
    path.serving(lambda inputs: ["old"] * len(inputs), index=0)
    assert path.ask({"input": [1.0]}).json["output"] == "old"
    path.apply([application(models=())], [])
    path.gone("m:1:0")
    path.apply([application()], [model()])
    path.serving(lambda inputs: ["new"] * len(inputs), index=1)
    assert path.ask({"input": [1.0]}).json["output"] == "new"
