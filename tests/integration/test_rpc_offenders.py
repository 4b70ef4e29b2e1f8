"""Who breaks the rules of the protocol is told why once, hung up on and logged; the log is not drowned by it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator

import pytest

from clipper._core import rpc_zmq
from model_containers import zmtp
from model_containers.wire import ErrorCode, MessageType
from tests.support.data_path import DataPath, data_path
from tests.support.raw_container import RawContainer
from tests.support.rpc_garbage import OF_A_REPLICA, OF_A_STRANGER


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


def expect_refusal(container: RawContainer) -> None:
    """Read the one ERROR, and then the end."""
    header, _ = container.expect(MessageType.ERROR)
    assert header.code in (ErrorCode.REFUSED, ErrorCode.WRONG_VERSION)
    assert container.is_hung_up_on()
    assert container.reader.take() is None


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "protocol error" in one.getMessage()]


@pytest.mark.parametrize("frames", OF_A_STRANGER.values(), ids=OF_A_STRANGER)
def test_stranger_that_speaks_garbage_is_told_why_and_hung_up_on(
    path: DataPath, caplog: pytest.LogCaptureFixture, frames: list[bytes]
) -> None:
    stranger = RawContainer(path).greet()
    stranger.send(frames)
    expect_refusal(stranger)
    (line,) = lines(caplog)
    assert line.startswith(f"protocol error from process {os.getpid()}: ")
    assert path.call(lambda: path.core.rpc.offences.total) == 1


@pytest.mark.parametrize("frames", OF_A_REPLICA.values(), ids=OF_A_REPLICA)
def test_replica_that_speaks_garbage_is_hung_up_on_and_its_session_says_why(
    path: DataPath, caplog: pytest.LogCaptureFixture, frames: list[bytes]
) -> None:
    replica = RawContainer(path).start()
    replica.send(frames)
    expect_refusal(replica)
    path.wait_until(lambda: path.state_of(replica.replica_id) == "closed")
    assert re.search("it broke the protocol: .+", path.reports[-1][2])
    (line,) = lines(caplog)
    assert line.startswith(f"protocol error from {replica.replica_id} (process {os.getpid()}): ")


def test_replica_that_breaks_the_framing_is_logged_and_its_session_says_why(
    path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    replica = RawContainer(path).start()
    replica.write(b"\x10\x00")
    assert replica.is_hung_up_on()
    path.wait_until(lambda: path.state_of(replica.replica_id) == "closed")
    assert path.reports[-1][2] == "it broke the protocol: a frame has unknown flags"
    assert lines(caplog) == [
        f"protocol error from {replica.replica_id} (process {os.getpid()}): a frame has unknown flags"
    ]


def test_message_behind_garbage_is_not_heard(path: DataPath) -> None:
    replica = RawContainer(path).start()
    garbage = b"".join(bytes(part) for part in zmtp.encode_message([b"noise"])[0])
    replica.write(garbage * 1000)
    expect_refusal(replica)
    assert path.call(lambda: path.core.rpc.offences.total) == 1


def test_peer_that_says_nothing_and_leaves_is_no_offender(path: DataPath, caplog: pytest.LogCaptureFixture) -> None:
    RawContainer(path).close()
    RawContainer(path).greet().close()
    (transport,) = path.core.rpc.transports
    path.wait_until(lambda: len(transport.peers) == 0)  # type: ignore[attr-defined]
    assert lines(caplog) == []


def test_many_offenders_are_all_counted_and_few_of_them_named(
    path: DataPath, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    count = 50
    for _ in range(count):
        stranger = RawContainer(path)
        stranger.write(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.is_hung_up_on()
        stranger.close()
    path.tick(ahead_us=1_000_000)
    named = [line for line in lines(caplog) if line.startswith("protocol error from ")]
    counted = [int(line.split()[0]) for line in lines(caplog) if "more protocol errors" in line]
    assert len(named) + sum(counted) == count
    assert sum(counted) > 0
    assert path.call(lambda: path.core.rpc.offences.total) == count


# -- over ZeroMQ, where one connection cannot be ended ---------------------------------------------------------


@pytest.fixture
def zmq_path() -> Iterator[DataPath]:
    with data_path(transport="zmq") as serving:
        yield serving


def is_banned(path: DataPath, count: int) -> Callable[[], bool]:
    (transport,) = path.core.rpc.transports
    return lambda: len(transport.banned) == count  # type: ignore[attr-defined]


def test_offender_on_zeromq_is_answered_once_and_not_heard_again(
    zmq_path: DataPath, caplog: pytest.LogCaptureFixture
) -> None:
    path = zmq_path
    offender, honest = path.puppet(), path.ready(index=1)
    for _ in range(100):
        offender.send([b"noise"])
    assert offender.expect_error()[0] == ErrorCode.REFUSED
    offender.register()  # not even what would be right
    (transport,) = path.core.rpc.transports
    pending = path.begin({"input": [1.0]})
    honest.answer(honest.take_batch(), [5.0])
    assert pending.response().json["output"] == 5.0
    path.wait_until(lambda: transport.messages_received >= 100 + 1 + 3)
    assert not offender.has_batch()
    assert path.call(lambda: path.core.rpc.offences.total) == 1
    assert len(lines(caplog)) == 1
    assert path.call(lambda: list(path.core.rpc.replicas_by_id)) == [honest.replica_id]


def test_offender_on_zeromq_that_connects_anew_is_heard_again(zmq_path: DataPath) -> None:
    offender = zmq_path.puppet()
    offender.send([b"noise"])
    offender.expect_error()
    offender.close()
    assert zmq_path.ready().replica_id == "m:1:0"


def test_banned_connections_beyond_the_limit_are_forgotten_oldest_first(
    zmq_path: DataPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_zmq, "MAX_BANNED", 2)
    offenders = [zmq_path.puppet() for _ in range(3)]
    for offender in offenders:
        offender.send([b"noise"])
        offender.expect_error()
    zmq_path.wait_until(is_banned(zmq_path, 2))
    offenders[0].send([b"noise"])
    offenders[0].expect_error()  # heard again
    offenders[2].send([b"noise"])
    zmq_path.wait_until(is_banned(zmq_path, 2))
    assert zmq_path.call(lambda: zmq_path.core.rpc.offences.total) == 4
