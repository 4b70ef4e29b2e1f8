"""The container's protocol without sockets, on a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from model_containers import codec, settings
from model_containers.session import TRANSITIONS, ContainerSession, Event, Leave, Predict, State
from model_containers.settings import ContainerLimits, ContainerSettings
from model_containers.wire import DType, ErrorCode, Flag, MessageType

LIMITS = ContainerLimits(
    heartbeat_interval_us=100, frontend_silence_us=1_000, orphan_exit_us=10_000, drain_answer_us=50, flush_us=1_000
)
SETTINGS = ContainerSettings(
    addresses=("ipc:///tmp/a",), model="m", version="1", replica_id="m:1:0", nonce="n", limits=LIMITS
)
HEARTBEAT = [codec.encode_header(MessageType.HEARTBEAT)]
DRAIN = [codec.encode_header(MessageType.DRAIN)]
UNKNOWN = codec.encode_error(ErrorCode.UNKNOWN_SESSION, "who are you?")
PREDICT = codec.encode_predict([bytes(8)], DType.FLOAT64, batch_id=1)


def sent(session: ContainerSession) -> list[str]:
    """Return the names of the messages to be sent; FINAL is told apart."""
    headers = [codec.decode_header(bytes(message[0])) for message in session.take_outbox()]
    return [MessageType(header.type).name + ("+FINAL" if header.flags & Flag.FINAL else "") for header in headers]


def wants_reconnect(session: ContainerSession) -> bool:
    """Ask afresh each time (a type checker takes an attribute for unchanged)."""
    return session.wants_reconnect


def exit_code(session: ContainerSession) -> int | None:
    """Return the exit code once the process is to end."""
    return None if session.exit is None else session.exit.code


def registering() -> ContainerSession:
    session = ContainerSession(SETTINGS)
    session.connect(0)
    return session


def loading() -> ContainerSession:
    session = registering()
    session.receive(HEARTBEAT, 1)
    return session


def ready() -> ContainerSession:
    session = loading()
    session.loaded(2)
    session.take_outbox()
    return session


def draining() -> ContainerSession:
    session = ready()
    session.stop(3)
    session.take_outbox()
    return session


def closed() -> ContainerSession:
    session = ready()
    session.leave(3)
    session.take_outbox()
    return session


MAKERS: dict[State, Callable[[], ContainerSession]] = {
    State.REGISTERING: registering,
    State.LOADING: loading,
    State.READY: ready,
    State.DRAINING: draining,
    State.CLOSED: closed,
}
TRIGGERS: dict[Event, Callable[[ContainerSession], None]] = {
    Event.CONNECTED: lambda session: session.connect(10),
    Event.ACKNOWLEDGED: lambda session: session.receive(HEARTBEAT, 10),
    Event.LOADED: lambda session: session.loaded(10),
    Event.FORGOTTEN: lambda session: session.receive(UNKNOWN, 10),
    Event.REFUSED: lambda session: session.receive(codec.encode_error(ErrorCode.REFUSED, "no"), 10),
    Event.STOPPED: lambda session: session.stop(10),
    Event.LEFT: lambda session: session.leave(10),
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)), ids=lambda member: member.name)
def test_container_session_every_cell_follows_the_table(state: State, event: Event) -> None:
    session = MAKERS[state]()
    assert session.state is state
    TRIGGERS[event](session)
    assert session.state is TRANSITIONS[state].get(event, state)


def test_container_session_registers_then_says_ready_once_loaded() -> None:
    session = registering()
    assert sent(session) == ["REGISTER"]
    session.receive(HEARTBEAT, 5)
    assert sent(session) == []
    session.loaded(6)
    assert sent(session) == ["READY"]


def test_container_session_model_loaded_before_the_answer_is_ready_with_the_answer() -> None:
    session = registering()
    session.loaded(5)
    assert sent(session) == ["REGISTER"]
    session.receive(HEARTBEAT, 6)
    assert sent(session) == ["READY"]


def test_container_session_told_twice_that_it_is_unknown_registers_once() -> None:
    session = ready()
    session.receive(UNKNOWN, 10)
    session.receive(UNKNOWN, 11)
    assert sent(session) == ["REGISTER"]


def test_container_session_forgotten_drops_its_batches_and_changes_epoch() -> None:
    session = ready()
    session.receive(PREDICT, 5)
    work = session.take_work()
    assert isinstance(work, Predict)
    session.receive(PREDICT, 6)
    session.receive(UNKNOWN, 7)
    assert not session.work
    assert work.epoch != session.epoch


def test_container_session_heartbeat_goes_out_half_an_interval_after_the_last_message() -> None:
    session = ready()
    session.answered(1_000)
    session.receive(HEARTBEAT, 1_000)
    session.tick(1_049)
    assert sent(session) == []
    session.tick(1_050)
    assert sent(session) == ["HEARTBEAT"]


def test_container_session_unanswered_register_is_repeated() -> None:
    session = registering()
    session.take_outbox()
    session.tick(50)
    assert sent(session) == ["REGISTER"]


def test_container_session_silent_frontend_wants_a_fresh_connection_at_the_limit() -> None:
    session = ready()
    session.receive(HEARTBEAT, 100)
    session.tick(1_099)
    assert not wants_reconnect(session)
    session.tick(1_100)
    assert wants_reconnect(session)
    session.connect(1_100)
    session.tick(2_099)
    assert not wants_reconnect(session)


def test_container_session_orphaned_ends_at_the_limit_however_often_it_connects() -> None:
    session = registering()
    session.connect(9_000)
    session.tick(9_999)
    assert exit_code(session) is None
    session.tick(10_000)
    assert exit_code(session) == settings.EXIT_ORPHANED


def test_container_session_batch_before_ready_is_refused() -> None:
    session = loading()
    session.take_outbox()
    session.receive(PREDICT, 5)
    (message,) = session.take_outbox()
    header = codec.decode_header(message[0])
    assert (header.type, header.code, header.batch_id) == (MessageType.ERROR, ErrorCode.NOT_READY, 1)
    assert not session.work


def test_container_session_stop_waits_for_the_batch_in_hand_then_for_the_answer() -> None:
    session = ready()
    session.receive(PREDICT, 5)
    session.take_work()
    session.stop(10)
    assert sent(session) == ["DRAIN"]
    session.tick(500)
    assert sent(session) == ["HEARTBEAT"]
    session.answered(600)
    session.tick(600)
    assert sent(session) == ["DRAIN+FINAL"]
    assert exit_code(session) == settings.EXIT_DONE


def test_container_session_stop_ends_without_an_answer_at_the_limit() -> None:
    session = ready()
    session.stop(10)
    session.tick(59)
    assert exit_code(session) is None
    session.tick(60)
    assert session.exit is not None


def test_container_session_drain_stands_behind_the_batches_before_it() -> None:
    session = ready()
    session.receive(PREDICT, 5)
    session.receive(DRAIN, 6)
    assert [type(work) for work in session.work] == [Predict, Leave]


def test_container_session_assign_without_a_usable_address_is_ignored() -> None:
    session = ready()
    for text in (b"", b"http://x", b"\xff\xfe"):
        session.receive([codec.encode_header(MessageType.ASSIGN), text], 5)
    session.receive([codec.encode_header(MessageType.ASSIGN)], 5)
    assert not session.work
    session.receive([codec.encode_header(MessageType.ASSIGN), b"ipc:///a tcp://b:1"], 6)
    assert list(session.work) == [Leave(("ipc:///a", "tcp://b:1"))]


def test_container_session_leaving_for_another_frontend_does_not_end_the_process() -> None:
    session = ready()
    session.leave(10, for_good=False)
    assert sent(session) == ["DRAIN+FINAL"]
    assert exit_code(session) is None
    session.connect(11)
    session.receive(HEARTBEAT, 12)
    assert sent(session) == ["REGISTER", "READY"]


@pytest.mark.parametrize("code", [ErrorCode.DUPLICATE_REPLICA, ErrorCode.WRONG_VERSION, ErrorCode.REFUSED])
def test_container_session_refusal_ends_with_the_cause(code: ErrorCode) -> None:
    session = registering()
    session.receive(codec.encode_error(code, "because"), 5)
    assert exit_code(session) == settings.EXIT_REFUSED
    assert session.exit is not None
    assert code.name in session.exit.reason
    assert "because" in session.exit.reason


@pytest.mark.parametrize("kind", [MessageType.REGISTER, MessageType.READY, MessageType.RESULT])
def test_container_session_message_that_no_frontend_sends_changes_nothing(kind: MessageType) -> None:
    session = ready()
    session.receive([codec.encode_header(kind)], 5)
    assert session.state is State.READY
    assert sent(session) == []
