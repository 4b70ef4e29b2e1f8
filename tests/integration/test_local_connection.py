"""The container's own ZMTP over a Unix socket, against a ROUTER of libzmq and frontends that break the rules."""

from __future__ import annotations

import array
import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_containers import local_connection, zmtp
from model_containers.connection import FrontendStuckError, connect
from model_containers.local_connection import LocalConnection
from tests.support.raw_frontend import RawFrontend, receive_one, receive_until, router

pytestmark = pytest.mark.timeout(60)
Connect = Callable[..., LocalConnection]


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/rpc.sock"


@pytest.fixture
def dial(address: str) -> Iterator[Connect]:
    made: list[LocalConnection] = []

    def dial_one(to: str = address, wait_ms: int = 100) -> LocalConnection:
        connection = connect(to, wait_ms)
        assert isinstance(connection, LocalConnection)
        made.append(connection)
        return connection

    yield dial_one
    for connection in made:
        connection.close(0)


@pytest.fixture
def frontend(address: str) -> Iterator[RawFrontend]:
    raw = RawFrontend(address)
    yield raw
    raw.close()


def open_pair(dial: Connect, frontend: RawFrontend) -> tuple[LocalConnection, socket.socket]:
    connection = dial()
    peer = frontend.accept()
    receive_until(connection, lambda: connection.is_open)
    return connection, peer


# -- against libzmq ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        [b"", b"x", b""],
        [b"a" * 255, b"b" * 256, b"c" * zmtp.DIRECT_BYTES, b"d" * (zmtp.DIRECT_BYTES + 1)],
        [b"head", b"e" * zmtp.BUFFER_BYTES, b"tail"],
        [b"head", bytes(range(256)) * 80_000, b"", b"f" * 400_000],
        [b"many"] * zmtp.MAX_FRAMES,
    ],
    ids=["tiny", "edges", "buffer", "20-megabytes", "most-frames"],
)
def test_router_any_message_makes_the_round_trip(address: str, dial: Connect, frames: list[bytes]) -> None:
    with router(address) as frontend:
        connection = dial()
        receive_until(connection, lambda: connection.is_open)
        connection.send([b"hello"])
        identity, hello = frontend.recv_multipart()
        assert hello == b"hello"
        frontend.send_multipart([identity, *frames])
        frontend.send_multipart([identity, b"next"])
        assert receive_one(connection) == frames
        assert receive_one(connection) == [b"next"]
        connection.send(frames)
        connection.send([np.arange(3.0), memoryview(b"view")])
        assert frontend.recv_multipart() == [identity, *frames]
        assert frontend.recv_multipart() == [identity, np.arange(3.0).tobytes(), b"view"]


def test_router_in_the_abstract_namespace_is_found(dial: Connect) -> None:
    address = f"ipc://@clipper-test-{os.getpid()}"
    with router(address) as frontend:
        connection = dial(address)
        receive_until(connection, lambda: connection.is_open)
        connection.send([b"hello"])
        assert frontend.recv_multipart()[1] == b"hello"


def test_router_that_sends_pings_is_answered(address: str, dial: Connect) -> None:
    with router(address, HEARTBEAT_IVL=20, HEARTBEAT_TIMEOUT=100) as frontend:
        connection = dial(wait_ms=20)
        receive_until(connection, lambda: connection.is_open)
        generation, end_s = connection.generation, time.monotonic() + 0.4
        receive_until(connection, lambda: time.monotonic() > end_s)
        assert connection.generation == generation, "without PONG libzmq gives the connection up"
        connection.send([b"alive"])
        assert frontend.recv_multipart()[1] == b"alive"


def test_router_restarted_is_found_again_and_told_by_the_generation(address: str, dial: Connect) -> None:
    connection = dial()
    assert not connection.is_open, "the container may be there first"
    for restart in range(3):
        with router(address) as frontend:
            receive_until(connection, lambda: connection.is_open, limit_s=3)
            assert connection.generation == restart + 1
            connection.send([b"%d" % restart])
            assert frontend.recv_multipart()[1] == b"%d" % restart
        receive_until(connection, lambda: not connection.is_open)
        connection.send([b"nobody hears this"])


def test_router_of_another_mechanism_is_refused_with_a_clear_line(
    address: str, dial: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with router(address, PLAIN_SERVER=1):
        connection = dial()
        receive_until(connection, lambda: "no frontend" in caplog.text)
        assert not connection.is_open


# -- what a batch costs ------------------------------------------------------------------------------------------


def wait_for_bytes(connection: LocalConnection, count: int) -> None:
    """Wait until so many bytes lie unread in the connection's socket."""
    assert connection._socket is not None
    waiting = array.array("i", [0])
    give_up_s = time.monotonic() + 10
    while waiting[0] < count:
        assert time.monotonic() < give_up_s
        fcntl.ioctl(connection._socket, termios.FIONREAD, waiting)


class CountingSocket(socket.socket):
    """Counts system calls."""

    calls: list[str]

    def recv_into(self, *arguments: Any) -> int:
        self.calls.append("recv")
        return super().recv_into(*arguments)

    def sendmsg(self, *arguments: Any) -> int:
        self.calls.append("sendmsg")
        return super().sendmsg(*arguments)

    def send(self, *arguments: Any) -> int:
        self.calls.append("send")
        return super().send(*arguments)

    def setsockopt(self, *arguments: Any) -> None:
        self.calls.append("setsockopt")
        super().setsockopt(*arguments)


@pytest.mark.parametrize(
    ("payload_bytes", "expected"),
    [
        (8, ["recv", "send"]),
        (60_000, ["recv", "sendmsg"]),
        (400_000, ["recv", "recv", "sendmsg"]),
        (1_500_000, ["recv", "recv", "sendmsg"]),
    ],
    ids=["small", "buffer", "large", "larger"],
)
def test_batch_costs_one_call_each_way_and_one_more_if_it_is_large(
    frontend: RawFrontend, dial: Connect, monkeypatch: pytest.MonkeyPatch, payload_bytes: int, expected: list[str]
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(CountingSocket, "calls", calls, raising=False)
    monkeypatch.setattr(socket, "socket", CountingSocket)
    connection = dial(wait_ms=5_000)
    monkeypatch.undo()
    CountingSocket.calls = calls
    peer = frontend.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    receive_until(connection, lambda: connection.is_open)
    batch = [b"h" * 48, b"p" * payload_bytes]
    stream = b"".join(zmtp.encode_message(batch)[0])
    calls.clear()
    threading.Thread(target=peer.sendall, args=(stream,)).start()
    if payload_bytes > 100_000:  # so that the first recv fills the buffer, however the two threads take turns
        wait_for_bytes(connection, zmtp.BUFFER_BYTES)
    assert receive_one(connection) == batch
    connection.send(batch)
    assert calls == expected
    got = b""
    while len(got) < len(stream):
        got += peer.recv(1 << 20)
    assert got == stream


def test_connection_without_pyzmq_is_enough_for_local_addresses() -> None:
    code = "import sys, model_containers.loop, model_containers.local_connection; sys.exit('zmq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- frontends that break the rules ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak ZMTP"),
        (zmtp.GREETING.replace(b"NULL\0", b"PLAIN"), "mechanism is 'PLAIN', expected 'NULL'"),
        (zmtp.GREETING + zmtp.encode_ready(b"PUB"), "socket type is 'PUB', expected 'ROUTER'"),
        (zmtp.GREETING + b"\xff" * 100, "flags 0xff, expected the READY command"),
    ],
    ids=["garbage", "mechanism", "socket-type", "ready"],
)
def test_greeting_that_is_refused_is_told_once_and_tried_again(
    frontend: RawFrontend, dial: Connect, caplog: pytest.LogCaptureFixture, answer: bytes, cause: str
) -> None:
    connection = dial()
    for _ in range(2):
        peer = frontend.accept(answer)
        receive_until(connection, lambda: connection._socket is None)
        peer.close()
        receive_until(connection, lambda: connection._socket is not None)
    frontend.accept()
    receive_until(connection, lambda: connection.is_open)
    assert caplog.text.count(cause) == 1


def test_garbage_frame_ends_the_connection_and_the_next_one_is_clean(
    frontend: RawFrontend, dial: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connection, peer = open_pair(dial, frontend)
    peer.sendall(b"\x01\x05hello" + b"\xf0" * 300)
    receive_until(connection, lambda: not connection.is_open)
    assert "lost the frontend" in caplog.text
    assert "flags 0xf0, expected a frame" in caplog.text
    assert peer.recv(1) == b"", "the container has hung up"
    receive_until(connection, lambda: connection._socket is not None)
    again = frontend.accept()
    again.sendall(b"\x00\x04good")
    assert receive_one(connection) == [b"good"]


@pytest.mark.parametrize(
    "came", [b"\x01\x05hel", b"\x01\x05hello" + b"\x02" + (400_000).to_bytes(8, "big") + b"x" * 70_000]
)
def test_end_in_the_middle_of_a_message_drops_it(frontend: RawFrontend, dial: Connect, came: bytes) -> None:
    connection, peer = open_pair(dial, frontend)
    peer.sendall(came)
    peer.close()
    assert receive_until(connection, lambda: not connection.is_open) == []
    receive_until(connection, lambda: connection._socket is not None)
    frontend.accept().sendall(b"\x00\x04good")
    assert receive_one(connection) == [b"good"]


def test_messages_before_the_end_are_still_received(frontend: RawFrontend, dial: Connect) -> None:
    connection, peer = open_pair(dial, frontend)
    peer.sendall(b"\x00\x03one\x00\x03two")
    peer.close()
    assert [bytes(frame) for (frame,) in receive_until(connection, lambda: not connection.is_open)] == [b"one", b"two"]


@pytest.mark.parametrize("unread", [b"", b"said before"], ids=["closed", "reset"])
def test_send_to_a_frontend_that_is_gone_leaves_what_it_said_before(
    frontend: RawFrontend, dial: Connect, unread: bytes
) -> None:
    connection, peer = open_pair(dial, frontend)
    if unread:
        connection.send([unread])  # closing a socket with unread bytes resets the connection
    peer.sendall(b"\x00\x04last\x04\x07\x04PING\x00\x00")
    peer.close()
    connection.send([b"one"])
    connection.send([b"two"])
    assert receive_one(connection) == [b"last"]
    assert receive_until(connection, lambda: not connection.is_open) == []
    assert connection.generation == 1


def test_frontend_that_does_not_read_is_stuck_after_the_limit(
    frontend: RawFrontend, dial: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_connection, "SEND_WAIT_MS", 50)
    connection, peer = open_pair(dial, frontend)
    with pytest.raises(FrontendStuckError):
        connection.send([bytes(20 << 20)])
    assert not connection.is_open
    peer.close()


def test_frontend_that_reads_slowly_gets_it_all(
    frontend: RawFrontend, dial: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_connection, "SEND_WAIT_MS", 40)
    connection, peer = open_pair(dial, frontend)
    payload = os.urandom(12 << 20)
    stream, got = b"".join(zmtp.encode_message([b"h", payload])[0]), bytearray()

    def read_slowly() -> None:
        while len(got) < len(stream):
            if len(got) < 4 << 20:
                time.sleep(0.03)  # for long enough the sender sees the limit pass after some progress
            got.extend(peer.recv(1 << 20))

    reader = threading.Thread(target=read_slowly)
    reader.start()
    connection.send([b"h", payload])
    reader.join(10)
    assert got == stream


# -- waiting -----------------------------------------------------------------------------------------------------


def test_receive_without_wait_takes_all_that_is_there_and_never_waits(frontend: RawFrontend, dial: Connect) -> None:
    connection, peer = open_pair(dial, frontend)
    connection.set_wait(20_000)
    assert connection.receive(wait=False) is None
    peer.sendall(b"\x01\x01a")
    assert connection.receive(wait=False) is None
    peer.sendall(b"\x00\x01b\x00\x01c")
    assert [connection.receive(wait=False) for _ in range(3)] == [[b"a", b"b"], [b"c"], None]


def test_receive_hurried_by_a_signal_returns_at_once(frontend: RawFrontend, dial: Connect) -> None:
    connection, peer = open_pair(dial, frontend)
    connection.set_wait(20_000)
    before = signal.signal(signal.SIGUSR1, lambda *_: connection.hurry())
    main = threading.get_ident()
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGUSR1))
    try:
        timer.start()
        started_s = time.monotonic()
        assert connection.receive(wait=True) is None
        assert time.monotonic() - started_s < 5
        peer.sendall(b"\x00\x04here")
        assert receive_one(connection) == [b"here"], "what is there is returned all the same"
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_receive_without_a_frontend_waits_between_attempts(dial: Connect, caplog: pytest.LogCaptureFixture) -> None:
    connection = dial(wait_ms=100)
    with caplog.at_level(logging.WARNING):
        end_s, turns, cpu_s = time.monotonic() + 0.5, 0, time.process_time()
        while time.monotonic() < end_s:
            assert connection.receive(wait=True) is None
            turns += 1
    assert turns < 40
    assert time.process_time() - cpu_s < 0.1
    assert caplog.text.count("no frontend at") == 1, "told when it was dialled, and no more"


def test_address_too_long_for_a_socket_is_told_and_never_raises(
    dial: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connection = dial("ipc:///" + "x" * 200)
    assert connection.receive(wait=False) is None
    assert "too long" in caplog.text
