"""Containers that come twice, lie, or speak garbage: what they are told, and that nobody else is disturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from model_containers import codec
from model_containers.wire import DType, ErrorCode, MessageType
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.puppet_container import Batch, PuppetContainer
from tests.support.rpc_garbage import OF_A_REPLICA


@pytest.fixture(params=["unix", "zmq"])
def path(request: pytest.FixtureRequest) -> Iterator[DataPath]:
    with data_path(transport=request.param) as serving:
        yield serving


# -- identities ------------------------------------------------------------------------------------------------


def test_second_container_with_one_identity_is_refused_and_the_first_serves_on(path: DataPath) -> None:
    first, second = path.ready(), path.puppet()
    second.register()
    code, cause = second.expect_error()
    assert (code, cause) == (ErrorCode.DUPLICATE_REPLICA, "another live process has the replica id m:1:0")
    pending = path.begin({"input": [1.0]})
    first.answer(first.take_batch(), ["first"])
    assert pending.response().json["output"] == "first"


def test_reconnecting_container_replaces_its_session_and_gets_the_batch_again(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0]})
    puppet.take_batch()
    again = path.puppet(nonce=puppet.nonce).start()
    again.answer(again.take_batch(), ["reconnected"])
    assert pending.response().json["output"] == "reconnected"
    assert path.call(lambda: len(path.core.rpc.replicas_by_id)) == 1


def test_register_that_comes_twice_changes_nothing(path: DataPath) -> None:
    puppet = path.ready()
    puppet.register()
    puppet.expect(MessageType.HEARTBEAT)
    assert path.call(lambda: path.state_of("m:1:0")) == "ready"


def test_container_of_a_model_not_yet_known_is_asked_to_register_again(path: DataPath) -> None:
    puppet = path.puppet(model="new", replica_id="new:1:0")
    puppet.register()
    assert puppet.expect_error()[0] == ErrorCode.UNKNOWN_SESSION
    path.apply([application(models=("new",))], [model("new")])
    puppet.start()
    path.wait_ready("new:1:0")


def test_container_of_another_input_type_is_refused(path: DataPath) -> None:
    puppet = path.puppet(input_type="strings")
    puppet.register()
    code, cause = puppet.expect_error()
    assert code == ErrorCode.REFUSED
    assert "'strings'" in cause and "'doubles'" in cause


# -- lies ------------------------------------------------------------------------------------------------------

WRONG_RESULTS: dict[str, Callable[[PuppetContainer, Batch], None]] = {
    "too few outputs": lambda puppet, batch: puppet.answer(batch, [1]),
    "too many outputs": lambda puppet, batch: puppet.answer(batch, [1, 2, 3]),
    "no outputs": lambda puppet, batch: puppet.answer(batch, []),
    "a raised exception": lambda puppet, batch: puppet.fail(batch, b"KeyError: 'x'"),
    "no cause": lambda puppet, batch: puppet.send(
        [codec.encode_header(MessageType.ERROR, code=ErrorCode.MODEL_ERROR, batch_id=batch.header.batch_id)]
    ),
    "no payload": lambda puppet, batch: puppet.send(
        [codec.encode_header(MessageType.RESULT, dtype=DType.FLOAT64, item_count=2, batch_id=batch.header.batch_id)]
    ),
    "a type that is no output": lambda puppet, batch: puppet.send(
        [
            codec.encode_header(
                MessageType.RESULT,
                dtype=DType.FLOAT16,
                item_count=2,
                batch_id=batch.header.batch_id,
                elements_per_item=1,
            ),
            b"1234",
        ]
    ),
}


@pytest.mark.parametrize("answer_wrongly", WRONG_RESULTS.values(), ids=WRONG_RESULTS)
def test_wrong_result_fails_its_batch_and_the_replica_serves_on(
    path: DataPath, answer_wrongly: Callable[[PuppetContainer, Batch], None]
) -> None:
    puppet = path.ready()
    pending = path.begin({"input_batch": [[1.0], [2.0]]})
    answer_wrongly(puppet, puppet.take_batch())
    parts = pending.response().json["batch_predictions"]
    assert all(part["default_explanation"].startswith("The model raised an error: ") for part in parts)
    assert path.figures()["failures"] == 2
    pending = path.begin({"input": [3.0]})
    puppet.answer(puppet.take_batch(), [3])
    assert pending.response().json["output"] == 3


@pytest.mark.parametrize("frames", OF_A_REPLICA.values(), ids=OF_A_REPLICA)
def test_garbage_ends_the_session_and_its_batch_goes_to_another(path: DataPath, frames: list[bytes]) -> None:
    liar = path.ready(index=0)
    pending = path.begin({"input": [1.0]})
    liar.take_batch()
    liar.send(frames)
    assert liar.expect_error()[0] in (ErrorCode.REFUSED, ErrorCode.WRONG_VERSION)
    path.wait_until(lambda: path.state_of("m:1:0") == "closed")
    honest = path.ready(index=1)
    honest.answer(honest.take_batch(), ["honest"])
    assert pending.response().json["output"] == "honest"
    assert path.call(lambda: path.core.rpc.offences.total) == 1


def test_garbage_of_a_stranger_is_answered_and_disturbs_nobody(path: DataPath) -> None:
    honest = path.ready()
    for frames in ([b"noise"], [b"x"] * 40, [codec.encode_header(MessageType.REGISTER), b"{"], [b""]):
        stranger = path.puppet()
        stranger.send(frames)
        assert stranger.expect_error()[0] == ErrorCode.REFUSED
    pending = path.begin({"input": [1.0]})
    honest.answer(honest.take_batch(), [1])
    assert pending.response().status == 200


def test_wrong_protocol_version_is_told_which_one_is_spoken(path: DataPath) -> None:
    stranger = path.puppet()
    header = bytearray(codec.encode_header(MessageType.REGISTER))
    header[4] = 2
    stranger.send([bytes(header), b"{}"])
    code, cause = stranger.expect_error()
    assert code == ErrorCode.WRONG_VERSION
    assert "version 1" in cause and "you speak 2" in cause


def test_result_for_an_unknown_batch_is_counted_and_ignored(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    stale = Batch(batch.header._replace(batch_id=999), batch.request)
    puppet.answer(stale, ["stale"])
    puppet.answer(batch, ["right"])
    puppet.answer(batch, ["twice"])
    assert pending.response().json["output"] == "right"
    path.wait_until(lambda: path.core.rpc.late_results == 2)
