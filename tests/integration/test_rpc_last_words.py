"""The frontend's Unix socket when one of the two ends: what was said before counts, and the end is known at once."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clipper._core import rpc_unix
from clipper._core.rpc_transport import MessageHandler
from clipper._core.rpc_unix import UnixTransport
from model_containers import zmtp
from model_containers.wire import MessageType
from tests.support.data_path import WAIT_S, DataPath, application, data_path, model
from tests.support.raw_container import RawContainer, bytes_of

LARGE = 1 << 20  # bytes of one input: no socket takes a few of these at once


@pytest.fixture
def path() -> Iterator[DataPath]:
    with data_path() as serving:
        yield serving


@contextmanager
def loop_held(path: DataPath) -> Iterator[None]:
    """Hold the loop, so that all that happens meanwhile comes to it in one wake-up."""
    is_held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        go_on.wait(WAIT_S)

    with ThreadPoolExecutor() as pool:
        pause = pool.submit(path.call, hold)
        assert is_held.wait(WAIT_S)
        try:
            yield
        finally:
            go_on.set()
        pause.result()


def test_container_that_dies_behind_a_whole_result_with_something_unread_is_known_at_once(path: DataPath) -> None:
    lost = RawContainer(path).start()
    first = path.begin({"input": [1.0]})
    header, _ = lost.take_batch()
    second = path.begin({"input": [2.0]})  # waits for the next batch
    path.tick()  # the heartbeat that it does not read: that makes the end of the connection a reset
    with loop_held(path):
        lost.answer(header, [5.0])
        lost.close()
    assert first.response().json["output"] == 5.0
    path.wait_until(lambda: path.state_of(lost.replica_id) == "closed", 2)
    other = RawContainer(path, index=1).start()
    other.answer(other.take_batch()[0], [7.0])
    assert second.response().json["output"] == 7.0


@pytest.fixture
def reader(path: DataPath) -> Iterator[RawContainer]:
    """A container that has been sent more than its socket takes, and has read none of it."""
    path.apply([application(input_type="bytes")], [model(input_type="bytes")])
    container = RawContainer(path, input_type="bytes").start()
    inputs = [base64.b64encode(bytes([number]) * LARGE).decode() for number in range(3)]
    path.puppets.append(path.begin({"input_batch": inputs}).client)
    path.wait_until(lambda: path.core.rpc.replicas_by_id[container.replica_id].items_in_flight == 3)
    yield container
    path.call(path.core.server.abort_all)  # nobody will answer the client


def test_drain_behind_a_batch_that_no_socket_takes_at_once_arrives(path: DataPath, reader: RawContainer) -> None:
    closes = threading.Event()
    with ThreadPoolExecutor() as pool:
        heard = pool.submit(lambda: (closes.wait(WAIT_S), reader.take_batch(), reader.expect(MessageType.DRAIN)))
        path.call(closes.set)
        path.call(path.core.rpc.close)
        _, (_, received), _ = heard.result(WAIT_S)
    assert len(received) == 3


def test_close_waits_for_a_container_that_does_not_read_no_longer_than_its_limit(
    path: DataPath, reader: RawContainer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rpc_unix, "CLOSE_LINGER_US", 50_000)
    path.call(path.core.rpc.close)
    assert "1 containers did not read all that was sent to them in 50 ms" in caplog.text
    reader.close()


# -- a fault of ours in the middle of a read -------------------------------------------------------------------


class FaultyLoop:
    """Of a loop what a transport needs; it calls nobody back, and adding a writer fails as often as it is told."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], Any]] = {}
        self.failures = 0

    def add_reader(self, descriptor: int, callback: Callable[[], Any]) -> None:
        self.readers[descriptor] = callback

    def add_writer(self, _descriptor: int, _callback: Callable[[], Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("no memory for another watcher")

    def remove_reader(self, descriptor: int) -> None:
        self.readers.pop(descriptor, None)

    def remove_writer(self, _descriptor: int) -> None:
        return None

    def call_soon(self, _callback: Callable[[], Any]) -> None:
        return None


def test_message_behind_one_that_could_not_be_handled_is_not_lost(tmp_path: Path) -> None:
    transport, loop = UnixTransport(f"ipc://{tmp_path}/rpc.sock"), FaultyLoop()
    transport.attach(MessageHandler())  # which handles nothing, and fails each time
    transport.start(loop)  # type: ignore[arg-type]
    with socket.socket(socket.AF_UNIX) as container:
        container.connect(f"{tmp_path}/rpc.sock")
        (accept,) = loop.readers.values()
        accept()
        (peer,) = transport.peers.values()

        def write(data: bytes) -> None:
            container.sendall(data)
            with pytest.raises(NotImplementedError):  # the handler's
                peer.on_readable()

        write(zmtp.HELLO)
        ping, message = zmtp.encode_command(b"PING", b"\0\0" + bytes(1000)), bytes_of([b"any"])
        sent, loop.failures = 0, 1
        while loop.failures:  # until it no longer finds room for its answers
            write(ping * 20 + message)
            sent += 1
        assert transport.messages_received == sent
        write(message)
        assert transport.messages_received == sent + 1
    transport.close()
