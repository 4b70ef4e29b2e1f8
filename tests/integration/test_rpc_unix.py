"""The frontend's Unix socket against raw bytes: cut, wrong, too much, too slow, gone. Nobody else is disturbed."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipper._core import rpc_unix
from clipper._core.rpc_unix import UnixTransport
from clipper.errors import InvalidArgumentError
from model_containers import codec, zmtp
from model_containers.codec import Header
from model_containers.wire import DType, MessageType
from tests.support.data_path import WAIT_S, DataPath, application, data_path, model

LARGE = 1 << 20  # bytes of one input: no socket takes a few of these at once


@pytest.fixture
def path(request: pytest.FixtureRequest) -> Iterator[DataPath]:
    with data_path(**getattr(request, "param", {})) as serving:
        yield serving


class RawContainer:
    """A container that writes its own bytes, some at a time if asked to."""

    def __init__(self, path: DataPath, index: int = 0, name: str = "m", input_type: str = "doubles") -> None:
        self.path, self.replica_id = path, f"{name}:1:{index}"
        self.reader = zmtp.MessageReader()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(path.address.removeprefix("ipc://"))
        path.puppets.append(self)  # closed at the end
        self._who: dict[str, str | int] = {
            "model": name, "version": "1", "replica_id": self.replica_id, "nonce": "n", "input_type": input_type,
            "sdk": "raw", "pid": 1,
        }  # fmt: skip

    def start(self, step_bytes: int = 1 << 20) -> RawContainer:
        self.write(zmtp.HELLO, step_bytes)
        while not self.reader.greet():
            self._fill()
        self.send(codec.encode_register(self._who), step_bytes)
        self.send([codec.encode_header(MessageType.READY)], step_bytes)
        self.path.wait_ready(self.replica_id)
        return self

    def write(self, data: bytes, step_bytes: int = 1 << 20) -> None:
        for at in range(0, len(data), step_bytes):
            self.socket.sendall(data[at : at + step_bytes])

    def send(self, frames: Sequence[Any], step_bytes: int = 1 << 20) -> None:
        self.write(b"".join(bytes(part) for part in zmtp.encode_message(frames)[0]), step_bytes)

    def close(self) -> None:
        self.socket.close()

    def _fill(self) -> None:
        count = self.socket.recv_into(self.reader.space())
        if not count:
            raise EOFError
        self.reader.add(count)

    def take_batch(self) -> tuple[Header, Any]:
        while True:
            while (frames := self.reader.take()) is None:
                self._fill()
            header = codec.decode_header(frames[0])
            if header.type == MessageType.PREDICT:
                return header, codec.decode_predict(header, frames[1:]).inputs

    def answer(self, header: Header, outputs: Sequence[float], step_bytes: int = 1 << 20) -> None:
        result = codec.encode_header(
            MessageType.RESULT, dtype=DType.FLOAT64, item_count=len(outputs), batch_id=header.batch_id,
            elements_per_item=1,
        )  # fmt: skip
        self.send([result, np.array(outputs, np.float64).tobytes()], step_bytes)

    def is_hung_up_on(self) -> bool:
        """Wait for the end of the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True


@pytest.mark.parametrize("step_bytes", [1, 2, 3, 63, 64])
def test_session_whose_bytes_come_in_pieces_serves(path: DataPath, step_bytes: int) -> None:
    container = RawContainer(path).start(step_bytes)
    pending = path.begin({"input_batch": [[1.0], [2.0]]})
    header, inputs = container.take_batch()
    container.answer(header, [float(one[0]) * 10 for one in inputs], step_bytes)
    assert [part["output"] for part in pending.response().json["batch_predictions"]] == [10.0, 20.0]


GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "an older ZMTP": b"\xff" + bytes(8) + b"\x7f\x01" + bytes(53),
    "a mechanism": zmtp.GREETING[:12] + b"CURVE" + zmtp.GREETING[17:],
    "a publisher": zmtp.GREETING + zmtp.encode_ready(b"PUB"),
    "no handshake": zmtp.GREETING + b"\x00\x05hello",
    "another command": zmtp.GREETING + zmtp.encode_command(b"ERROR", b"\x00"),
    "a frame of 2 GiB": zmtp.HELLO + b"\x02" + (2 << 30).to_bytes(8, "big"),
    "unknown flags": zmtp.HELLO + b"\x10\x00",
    "1,025 frames": zmtp.HELLO + b"\x01\x00" * 1025,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_connection_of_garbage_is_ended_and_the_others_serve_on(path: DataPath, garbage: bytes) -> None:
    honest, stranger = RawContainer(path).start(), RawContainer(path, index=1)
    stranger.write(garbage)
    assert stranger.is_hung_up_on()
    pending = path.begin({"input": [1.0]})
    honest.answer(honest.take_batch()[0], [5.0])
    assert pending.response().json["output"] == 5.0
    (transport,) = path.core.rpc.transports
    path.wait_until(lambda: len(transport.peers) == 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("last_words", [b"", b"\x00", b"\x02\x00", b"\x01\x30half a header"])
def test_container_that_is_gone_is_known_at_once_and_its_batch_goes_to_another(
    path: DataPath, last_words: bytes
) -> None:
    lost = RawContainer(path).start()
    pending = path.begin({"input": [1.0]})
    lost.take_batch()
    lost.write(last_words)
    lost.socket.close()
    path.wait_until(lambda: path.state_of(lost.replica_id) == "closed")
    other = RawContainer(path, index=1).start()
    other.answer(other.take_batch()[0], [7.0])
    assert pending.response().json["output"] == 7.0


@pytest.mark.parametrize("said_bytes", [1, 50_000])
def test_container_that_dies_within_a_result_with_a_heartbeat_unread_is_known_at_once(
    path: DataPath, said_bytes: int
) -> None:
    lost = RawContainer(path).start()
    pending = path.begin({"input": [1.0]})
    lost.take_batch()
    path.tick()  # the heartbeat: what is unread makes the end of a connection a reset
    is_held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        go_on.wait(WAIT_S)

    with ThreadPoolExecutor() as pool:  # the loop is held meanwhile, so that both come in one wake-up
        pause = pool.submit(path.call, hold)
        assert is_held.wait(WAIT_S)
        lost.write(b"\x02" + (1 << 19).to_bytes(8, "big") + bytes(said_bytes))
        lost.socket.close()
        go_on.set()
        pause.result()
    path.wait_until(lambda: path.state_of(lost.replica_id) == "closed", 2)
    other = RawContainer(path, index=1).start()
    other.answer(other.take_batch()[0], [7.0])
    assert pending.response().json["output"] == 7.0


def test_ping_is_answered(path: DataPath) -> None:
    container = RawContainer(path).start()
    container.write(zmtp.encode_command(b"PING", b"\x00\x0aabc"))
    received = b""
    while zmtp.encode_command(b"PONG", b"abc") not in received:
        received += container.socket.recv(65536)


def test_batch_that_no_socket_takes_at_once_arrives_whole(path: DataPath) -> None:
    path.apply([application(input_type="bytes")], [model(input_type="bytes")])
    container = RawContainer(path, input_type="bytes").start()
    inputs = [bytes([number]) * LARGE for number in range(6)]
    pending = path.begin({"input_batch": [_base64(one) for one in inputs]})
    # The sockets' buffers are full when it has been sent, and the rest waits in the frontend.
    path.wait_until(lambda: path.core.rpc.replicas_by_id[container.replica_id].items_in_flight == 6)
    header, received = container.take_batch()
    assert [bytes(one) for one in received] == inputs
    container.answer(header, list(range(6)))
    outputs = [part["output"] for part in pending.response().json["batch_predictions"]]
    assert outputs == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("path", [{"max_body_bytes": 64 << 20}], indirect=True)
def test_container_that_never_reads_delays_nobody_and_leaves_nothing_behind(path: DataPath) -> None:
    path.apply(
        [application(input_type="bytes"), application("app2", models=["n"])],
        [model(input_type="bytes"), model("n")],
    )
    deaf = RawContainer(path, input_type="bytes").start()
    honest = RawContainer(path, name="n").start()
    inputs = [bytes([number]) * (4 * LARGE) for number in range(6)]  # more than is kept for one that is still read
    pending = path.begin({"input_batch": [_base64(one) for one in inputs]})
    path.wait_until(lambda: path.core.rpc.replicas_by_id[deaf.replica_id].items_in_flight == 6)
    for number in range(3):
        answer = path.begin({"input": [float(number)]}, "app2")
        honest.answer(honest.take_batch()[0], [1.0])
        assert answer.response().status == 200
    path.tick()
    deaf.socket.close()
    other = RawContainer(path, index=1, input_type="bytes").start()
    header, _ = other.take_batch()
    other.answer(header, [1.0] * 6)
    assert pending.response().status == 200


def test_connections_beyond_the_limit_are_ended(path: DataPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_unix, "MAX_PEERS", 2)
    first, second, third = (RawContainer(path, index=index) for index in range(3))
    first.start()
    second.start()
    assert third.is_hung_up_on()
    first.socket.close()
    path.wait_until(lambda: path.state_of(first.replica_id) == "closed")
    RawContainer(path, index=3).start()


def refusals(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if "could not be taken" in record.message]


def test_connection_that_finds_no_descriptor_is_taken_when_there_is_one(
    path: DataPath, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rpc_unix, "ACCEPT_PAUSE_S", 0.2)
    (transport,) = path.core.rpc.transports
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as client:
        taken = [os.dup(client.fileno())]
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 64, hard))
        try:
            with contextlib.suppress(OSError):  # there are no more
                while True:
                    taken.append(os.dup(client.fileno()))
            client.connect(path.address.removeprefix("ipc://"))
            path.wait_until(lambda: len(refusals(caplog)) >= 2)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in taken:
                os.close(descriptor)
        first, second = refusals(caplog)[:2]
        assert second.created - first.created >= 0.9 * rpc_unix.ACCEPT_PAUSE_S
        path.wait_until(lambda: len(transport.peers) == 1)  # type: ignore[attr-defined]


# -- the listening socket --------------------------------------------------------------------------------------


def test_socket_of_an_earlier_life_is_replaced_and_removed_at_the_end(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/rpc.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(f"{tmp_path}/rpc.sock")
    stale.close()
    transport = UnixTransport(address)
    assert (tmp_path / "rpc.sock").stat().st_mode & 0o777 == 0o600
    transport.close()
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "rpc.sock").write_text("mine")
    with pytest.raises(OSError, match="in use"):
        UnixTransport(f"ipc://{tmp_path}/rpc.sock")
    assert (tmp_path / "rpc.sock").read_text() == "mine"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:7000", "ipc://", "ipc://relative.sock"])
def test_address_that_is_no_unix_socket_is_refused(address: str) -> None:
    with pytest.raises(InvalidArgumentError, match="expected ipc://"):
        UnixTransport(address)


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()
