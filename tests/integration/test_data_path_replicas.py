"""Replicas that die, stall, drain, lie or come twice: every query gets one answer, and nothing else is disturbed."""

from __future__ import annotations

import functools
import itertools
import select
import threading
import time
from collections.abc import Iterator

import pytest

from clipper._core.rpc_zmq import ZmqTransport
from clipper.errors import InvalidArgumentError
from model_containers import codec
from model_containers.wire import ErrorCode, MessageType
from tests.support.data_path import DataPath, application, data_path, model
from tests.support.http_mocks import MockTransport
from tests.support.http_responses import post
from tests.support.puppet_container import Batch, PuppetContainer

UNCONNECTED = "No connected models found for query"
PAST_SILENCE_US = 900_000
PAST_FIRST_BATCH_US = 11_000_000


@pytest.fixture(params=["unix", "zmq"])
def path(request: pytest.FixtureRequest) -> Iterator[DataPath]:
    with data_path(transport=request.param) as serving:
        yield serving


def held_by(*puppets: PuppetContainer) -> tuple[PuppetContainer, Batch]:
    """Wait for the one batch that is sent to any of them."""
    for puppet in itertools.cycle(puppets):
        if puppet._socket.poll(2):
            frames = puppet.receive()
            header = codec.decode_header(frames[0])
            if header.type == MessageType.PREDICT:
                return puppet, Batch(header, codec.decode_predict(header, frames[1:]))
    raise AssertionError


# -- loss ------------------------------------------------------------------------------------------------------


def test_batch_of_a_lost_replica_is_answered_by_another(path: DataPath) -> None:
    first, second = path.ready(index=0), path.ready(index=1)
    pending = path.begin({"input_batch": [[1.0], [2.0]]})
    lost, batch = held_by(first, second)
    other = second if lost is first else first
    path.gone(lost.replica_id)
    again = other.take_batch()
    assert again.inputs == batch.inputs
    other.answer(again, [1, 2])
    assert [one["output"] for one in pending.response().json["batch_predictions"]] == [1, 2]
    assert path.figures()["requeues"] == 2


def test_query_that_two_replicas_were_lost_with_is_not_given_to_a_third(path: DataPath) -> None:
    """It may be what they die of."""
    puppets = [path.ready(index=index) for index in range(3)]
    pending = path.begin({"input": [1.0]})
    for _ in range(2):
        lost, _ = held_by(*puppets)
        puppets.remove(lost)
        path.gone(lost.replica_id)
    answer = pending.response().json
    assert (answer["output"], answer["default"]) == ("default", True)
    assert answer["default_explanation"].endswith("the replicas that evaluated it were lost, one after the other")
    assert path.figures()["requeues"] == 1
    after = path.begin({"input": [2.0]})
    puppets[0].answer(puppets[0].take_batch(), ["alive"])
    assert after.response().json["output"] == "alive"


def test_batch_of_the_last_replica_waits_for_its_replacement(path: DataPath) -> None:
    puppet = path.ready(index=0)
    pending = path.begin({"input": [1.0]})
    puppet.take_batch()
    path.gone("m:1:0")
    assert not pending.is_answered()
    replacement = path.ready(index=1)
    replacement.answer(replacement.take_batch(), ["replaced"])
    assert pending.response().json["output"] == "replaced"


def test_loss_while_queries_are_queued_and_in_flight_loses_none(path: DataPath) -> None:
    path.apply([application()], [model(controller="fixed", batch_size=2)])
    puppet = path.ready(index=0)
    pending = [path.begin({"input": [float(number)]}) for number in range(7)]
    puppet.take_batch()
    path.wait_until(lambda: path.core.processor.live_queries == 7)
    path.gone("m:1:0")
    path.serving(lambda inputs: [one[0] for one in inputs], index=1)
    assert [one.response().json["output"] for one in pending] == [float(number) for number in range(7)]


def test_result_of_a_replaced_session_is_told_to_register_first(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    path.gone("m:1:0")
    puppet.answer(batch, ["of a former life"])
    assert puppet.expect_error()[0] == ErrorCode.UNKNOWN_SESSION
    puppet.start()
    again = puppet.take_batch()
    puppet.answer(again, ["of this life"])
    assert pending.response().json["output"] == "of this life"


def test_batch_lost_after_its_deadline_is_given_up(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0], "slo_us": 20_000})
    puppet.take_batch()
    assert pending.response().json["default"] is True
    assert path.call(lambda: path.core.slots.in_use) == 1
    path.gone("m:1:0")
    path.wait_until(lambda: path.core.slots.in_use == 0)
    assert path.figures()["requeues"] == 0


def test_replica_that_says_it_gives_up_is_lost(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0], "slo_us": 50_000})
    puppet.take_batch()
    puppet.send(codec.encode_error(ErrorCode.REFUSED, "out of memory"))
    path.wait_until(lambda: path.state_of("m:1:0") == "closed")
    assert pending.response().json["default"] is True


# -- silence and delay -----------------------------------------------------------------------------------------


def test_silent_replica_is_suspected_and_its_batch_goes_to_another(path: DataPath) -> None:
    first, second = path.ready(index=0), path.ready(index=1)
    pending = path.begin({"input": [1.0]})
    silent, _ = held_by(first, second)
    path.tick(PAST_FIRST_BATCH_US)
    assert path.call(lambda: {path.state_of("m:1:0"), path.state_of("m:1:1")}) == {"suspect"}
    other = second if silent is first else first
    other.beat()
    other.answer(other.take_batch(), ["alive"])
    assert pending.response().json["output"] == "alive"
    assert path.call(lambda: path.state_of(other.replica_id)) == "ready"


def test_suspect_that_is_heard_again_takes_work_again(path: DataPath) -> None:
    puppet = path.ready()
    path.tick(PAST_SILENCE_US)
    assert path.ask({"input": [1.0]}).json["default_explanation"] == UNCONNECTED
    puppet.beat()
    path.wait_ready("m:1:0")
    pending = path.begin({"input": [1.0]})
    puppet.answer(puppet.take_batch(), [1])
    assert pending.response().json["output"] == 1


def test_silent_replica_that_is_heard_again_answers_what_it_owes_before_it_gets_more(path: DataPath) -> None:
    puppet = path.ready()
    held = path.begin({"input": [1.0], "slo_us": 100_000})
    batch = puppet.take_batch()
    path.tick(PAST_FIRST_BATCH_US)
    assert path.call(lambda: path.state_of("m:1:0")) == "suspect"
    assert held.response().json["default"] is True
    puppet.beat()
    path.wait_until(lambda: path.core.rpc.transports[0].messages_received >= 3)
    assert path.call(lambda: path.state_of("m:1:0")) == "suspect"
    puppet.answer(batch, ["stale"])
    path.wait_ready("m:1:0")
    assert path.call(lambda: path.core.rpc.late_results) == 1
    pending = path.begin({"input": [2.0]})
    fresh = puppet.take_batch()
    puppet.answer(batch, ["doubled"])  # of a batch that is long over
    puppet.answer(fresh, ["fresh"])
    assert pending.response().json["output"] == "fresh"


def test_busy_replica_may_be_silent_as_long_as_its_batch_may_take(path: DataPath) -> None:
    puppet = path.ready()
    held = path.begin({"input": [1.0], "slo_us": 100_000})
    puppet.take_batch()  # its first one: it may compile the model, and hold the interpreter meanwhile
    path.tick(PAST_SILENCE_US)
    assert path.call(lambda: path.state_of("m:1:0")) == "ready"
    path.tick(PAST_FIRST_BATCH_US)
    assert path.call(lambda: path.state_of("m:1:0")) == "suspect"
    assert held.response().json["default"] is True


def test_pause_of_this_process_makes_no_replica_suspect(path: DataPath) -> None:
    path.ready()
    path.tick()
    later_us = time.monotonic_ns() // 1_000 + 60_000_000
    path.call(lambda: path.core.rpc.tick(later_us))
    assert path.call(lambda: path.state_of("m:1:0")) == "ready"
    for look in range(1, 10):
        path.call(functools.partial(path.core.rpc.tick, later_us + 100_000 * look))
    assert path.call(lambda: path.state_of("m:1:0")) == "suspect"


def test_message_that_lies_unread_saves_its_sender_from_suspicion(path: DataPath) -> None:
    puppet = path.ready()
    block, is_blocked = threading.Event(), threading.Event()

    def stand_still() -> None:
        is_blocked.set()
        block.wait(10)

    path._loop.call_soon_threadsafe(stand_still)
    is_blocked.wait(10)
    puppet.beat()
    path._loop.call_soon_threadsafe(lambda: path.core.rpc.tick(2**62))
    block.set()
    path.wait_until(lambda: True)
    assert ("m:1:0", "closed") not in [report[:2] for report in path.reports]


def test_suspect_that_stays_silent_is_given_up(path: DataPath) -> None:
    path.ready()
    path.tick(PAST_SILENCE_US)
    path.tick(31_000_000)
    assert path.call(lambda: path.state_of("m:1:0")) == "closed"


def test_replica_that_loads_for_long_is_not_suspected(path: DataPath) -> None:
    puppet = path.puppet()
    puppet.register()
    puppet.expect(MessageType.HEARTBEAT)
    path.tick(PAST_SILENCE_US)
    assert path.call(lambda: path.state_of("m:1:0")) == "loading"


def test_replica_that_holds_a_batch_far_too_long_is_suspected_until_it_answers(path: DataPath) -> None:
    path.core.rpc.liveness.overdue_floor_us = 50_000
    puppet = path.ready()
    first = path.begin({"input": [0.0]})
    puppet.answer(puppet.take_batch(), [0])
    first.response()
    held = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    path.tick(600_000)
    puppet.beat()  # does not make it less overdue
    assert path.call(lambda: path.state_of("m:1:0")) == "suspect"
    assert path.ask({"input": [2.0]}).json["default_explanation"] == UNCONNECTED
    puppet.answer(batch, ["too late for the first to ask"])
    path.wait_ready("m:1:0")
    again = puppet.take_batch()  # its query is still in time
    assert again.inputs == batch.inputs
    puppet.answer(again, ["at last"])
    assert held.response().json["output"] == "at last"
    assert [state for _, state, _ in path.reports] == ["loading", "ready", "suspect", "ready"]


def test_hanging_replica_answers_no_query_and_disturbs_no_other_model(path: DataPath) -> None:
    path.apply([application(), application("other", ("n",))], [model(), model("n")])
    path.ready()
    path.serving(lambda inputs: [1] * len(inputs), name="n")
    hanging = path.begin({"input": [1.0], "slo_us": 100_000})
    assert path.ask({"input": [1.0]}, "other").json["default"] is False
    assert hanging.response().json["default"] is True


# -- leaving ---------------------------------------------------------------------------------------------------


def test_drained_replica_answers_the_batch_in_hand_and_gets_no_other(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0]})
    batch = puppet.take_batch()
    path.call(lambda: path.core.rpc.drain_replica("m:1:0"))
    puppet.expect(MessageType.DRAIN)
    assert path.ask({"input": [2.0]}).json["default_explanation"] == UNCONNECTED
    puppet.answer(batch, ["the last"])
    assert pending.response().json["output"] == "the last"
    assert not puppet.has_batch()
    puppet.say_left()
    path.wait_until(lambda: path.state_of("m:1:0") == "closed")


def test_container_that_wants_to_leave_is_told_when_nothing_more_comes(path: DataPath) -> None:
    puppet = path.ready()
    pending = path.begin({"input": [1.0]})
    path.wait_until(lambda: path.core.slots.in_use == 1 and path.core.rpc.replicas_by_id["m:1:0"].items_in_flight == 1)
    puppet.say_leaving()  # crosses the batch
    batch = puppet.take_batch()
    puppet.expect(MessageType.DRAIN)
    puppet.answer(batch, ["crossed"])
    puppet.say_left()
    assert pending.response().json["output"] == "crossed"
    path.wait_until(lambda: path.state_of("m:1:0") == "closed")


def test_container_that_leaves_with_a_batch_in_hand_loses_it_to_another(path: DataPath) -> None:
    puppet = path.ready(index=0)
    pending = path.begin({"input": [1.0]})
    puppet.take_batch()
    puppet.say_left()
    other = path.ready(index=1)
    other.answer(other.take_batch(), ["taken over"])
    assert pending.response().json["output"] == "taken over"


# -- wake-ups, clients, snapshots ------------------------------------------------------------------------------


def test_no_message_waits_for_another_wake_up_beside_a_stalled_peer(path: DataPath) -> None:
    """Results come while batches leave, over and over; a lost edge would leave an answer to the 20 s deadline."""
    path.apply([application(cache=False)], [model(controller="fixed", batch_size=1)])
    stalled = path.ready(index=9)
    path.begin({"input": [0.0], "slo_us": 20_000}).response()  # it holds this for good, and reads nothing
    for index in range(3):
        path.serving(lambda inputs: [1] * len(inputs), index=index)
    for _ in range(60):
        answer = path.ask({"input_batch": [[float(number)] for number in range(30)], "slo_us": 5_000_000})
        assert not any(part["default"] for part in answer.json["batch_predictions"])
    assert stalled.take_batch().inputs == [[0.0]]


@pytest.mark.parametrize("path", ["zmq"], indirect=True)
@pytest.mark.parametrize("sender", ["batch", "drain"])
def test_result_whose_edge_is_swallowed_by_a_send_is_read_at_once(path: DataPath, sender: str) -> None:
    """The descriptor has signalled a result; before it is read, a send takes the signal away."""
    first, second = path.ready(index=0), path.ready(index=1)
    pending = path.begin({"input": [1.0]})
    holder, batch = held_by(first, second)
    other = second if holder is first else first
    (transport,) = path.core.rpc.transports
    assert isinstance(transport, ZmqTransport)

    def send_while_a_result_lies_there() -> None:
        holder.answer(batch, ["seen"])
        select.select([transport.file_descriptor], [], [], 10)
        time.sleep(0.01)  # libzmq looks for news in a send only once in 3 million ticks of the processor's clock
        if sender == "drain":
            path.core.rpc.drain_replica(other.replica_id)
            return
        client = path.core.server.protocol_factory()
        client.connection_made(MockTransport())  # type: ignore[arg-type]
        client.data_received(post(b'{"input": [2.0], "slo_us": 100000}'))
        path.core.server._end_turn()  # type: ignore[attr-defined]
        client.connection_lost(None)

    path.call(send_while_a_result_lies_there)
    assert pending.is_answered(within_s=5)
    assert pending.response().json["output"] == "seen"


@pytest.mark.parametrize("when", ["queued", "in flight"])
def test_client_that_disappears_leaves_nothing_behind(path: DataPath, when: str) -> None:
    puppet = path.ready()
    if when == "queued":
        path.begin({"input": [0.0], "slo_us": 50_000}).client.close()
        puppet.take_batch()
    gone = path.begin({"input": [1.0], "slo_us": 200_000})
    if when == "in flight":
        batch = puppet.take_batch()
    else:
        path.wait_until(lambda: path.core.slots.in_use == 2)
    gone.client.close()
    path.wait_until(lambda: path.core.processor.live_queries >= 1)
    if when == "in flight":
        puppet.answer(batch, [1])
    path.wait_until(lambda: path.core.processor.live_queries == 0)


def test_snapshots_swapped_under_load_disturb_no_query(path: DataPath) -> None:
    path.apply([application(cache=False)], [model()])
    path.serving(lambda inputs: [one[0] for one in inputs])
    is_done = threading.Event()

    def swap() -> None:
        for extra in itertools.cycle(("a", "b")):
            if is_done.is_set():
                return
            path.apply([application(cache=False), application(extra, ())], [model(), model(extra)])

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(150):
            answer = path.ask({"input_batch": [[float(number)], [0.5]]})
            assert [part["output"] for part in answer.json["batch_predictions"]] == [float(number), 0.5]
    finally:
        is_done.set()
        swapper.join()


def test_refused_snapshot_leaves_everything_as_it_was(path: DataPath) -> None:
    path.serving(lambda inputs: [1] * len(inputs))
    for broken in (
        application(models=("unknown",)),
        application(default_output="{"),
        application(default_output="NaN"),
        application(on_miss="shrug"),
    ):
        with pytest.raises((InvalidArgumentError, ValueError)):
            path.apply([broken], [model(), model("z")])
    assert path.ask({"input": [1.0]}).json["output"] == 1
    assert path.call(lambda: (path.snapshots.revision, list(path.snapshots.models))) == (1, [("m", "1")])
