"""Real container processes and their connection: frontends that come late, go and come back, near and over TCP."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipper.security.rpc_keys import make_rpc_keys, read_frontend_keys
from model_containers import codec, settings, zmtp
from model_containers.wire import DType, MessageType
from tests.support.container_process import ContainerProcess
from tests.support.puppet_frontend import PuppetFrontend
from tests.support.raw_frontend import RawFrontend, path_of

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., ContainerProcess]


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/rpc.sock"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[ContainerProcess] = []

    def start_one(kind: str, address: str, **environment: str) -> ContainerProcess:
        log = tmp_path / f"container-{len(started)}.log"
        started.append(ContainerProcess(kind, address, log, environment))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()


@dataclass
class Remote:
    """A frontend as on another machine, and what its containers are told of keys."""

    frontend: PuppetFrontend
    environment: dict[str, str]


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    container_keys = make_rpc_keys(tmp_path / "keys")
    frontend = PuppetFrontend("tcp://127.0.0.1:0", secret_key=read_frontend_keys(tmp_path / "keys").secret_key)
    yield Remote(frontend, {"CLIPPER_RPC_KEYS": str(container_keys)})
    frontend.close()


def one(value: float) -> bytes:
    return struct.pack("<d", value)


def bytes_of(message: list[bytes]) -> bytes:
    return b"".join(zmtp.encode_message(message)[0])


def read_until(peer: socket.socket, text: bytes) -> None:
    came = b""
    while text not in came:
        part = peer.recv(65_536)
        assert part, came
        came += part


def wait_for_log(container: ContainerProcess, text: str, limit_s: float = 10.0) -> None:
    end_s = time.monotonic() + limit_s
    while text not in container.log_text():
        assert time.monotonic() < end_s, container.log_text()
        time.sleep(0.01)


def test_container_before_its_frontend_registers_once_that_is_there(start: Start, address: str) -> None:
    container = start("noop", address)
    wait_for_log(container, f"no frontend at {address} yet")
    frontend = PuppetFrontend(address)
    try:
        frontend.wait_ready(limit_s=3)
        assert frontend.predict([one(3)]).outputs == [(b"3.0", False)]
    finally:
        frontend.close()


def test_container_that_loads_registers_with_a_frontend_that_comes_meanwhile(start: Start, address: str) -> None:
    container = start("simulated", address, CLIPPER_SIMULATED_LOAD_US="60000000")
    wait_for_log(container, f"no frontend at {address} yet")
    frontend = PuppetFrontend(address)
    try:
        frontend.wait_for(lambda: frontend.sessions, limit_s=3)
    finally:
        frontend.close()


def test_container_frontend_and_its_socket_file_vanish_and_return(start: Start, address: str) -> None:
    container = start("noop", address)
    for restart in range(2):
        frontend = PuppetFrontend(address)
        try:
            frontend.wait_ready()
            assert frontend.predict([one(restart)]).outputs == [(b"%d.0" % restart, False)]
        finally:
            frontend.close()
            Path(path_of(address)).unlink(missing_ok=True)
        wait_for_log(container, f"lost the frontend at {address}")
    assert container.is_running()


def test_container_frontend_that_stops_reading_is_left_and_found_again(
    start: Start, address: str, tmp_path: Path
) -> None:
    script = tmp_path / "wide.py"
    script.write_text(
        "import numpy as np\n"
        "from model_containers import ModelContainer, serve\n"
        "class Wide(ModelContainer):\n"
        "    def predict_batch(self, inputs):\n"
        "        return np.zeros((len(inputs), 3_000_000))\n"
        "serve(Wide())\n"
    )
    frontend = RawFrontend(address)
    try:
        container = start(str(script), address)
        heartbeat = codec.encode_header(MessageType.HEARTBEAT)
        peer = frontend.accept()
        read_until(peer, b"replica_id")
        peer.sendall(bytes_of([heartbeat]))
        wait_for_log(container, "model loaded")
        read_until(peer, bytes_of([codec.encode_header(MessageType.READY)]))
        peer.sendall(bytes_of(codec.encode_predict([one(1)], DType.FLOAT64, batch_id=1)))
        again = frontend.accept()
        read_until(again, b"replica_id")
        assert "the frontend does not read: connecting afresh" in container.log_text()
    finally:
        frontend.close()


def test_container_sigterm_wakes_a_receive_that_waits_for_long(start: Start, address: str) -> None:
    frontend = PuppetFrontend(address)
    try:
        container = start("noop", address, CLIPPER_RPC_HEARTBEAT_INTERVAL_US="40000000")  # it wakes every 20 s
        frontend.wait_ready()
        assert frontend.predict([one(1)]).outputs  # from here on it waits in recv
        container.terminate()
        frontend.wait_for(lambda: frontend.left, limit_s=5)
        assert container.wait(limit_s=5) == settings.EXIT_DONE
    finally:
        frontend.close()


def test_container_sigterm_between_two_attempts_exits_zero(start: Start, address: str) -> None:
    container = start("noop", address)
    wait_for_log(container, "model loaded")
    container.terminate()
    assert container.wait(limit_s=5) == settings.EXIT_DONE


def test_container_frontend_lost_while_draining_still_exits_zero(start: Start, address: str) -> None:
    frontend = PuppetFrontend(address)
    container = start("simulated", address, CLIPPER_SIMULATED_BASE_US="500000")
    frontend.wait_ready()
    frontend.send_batch([one(1)])
    container.terminate()
    frontend.wait_for(lambda: any("DRAIN" in event for event in frontend.events))
    frontend.close()
    assert container.wait(limit_s=5) == settings.EXIT_DONE


def test_container_over_tcp_answers_registers_again_and_drains(start: Start, remote: Remote) -> None:
    frontend = remote.frontend
    container = start("noop", frontend.address, **remote.environment, CLIPPER_RPC_HEARTBEAT_INTERVAL_US="200000")
    frontend.wait_ready()
    assert frontend.predict([one(2), one(3)]).outputs == [(b"2.0", False), (b"3.0", False)]
    frontend.forget()
    (session,) = frontend.wait_ready(limit_s=5)
    frontend.drain(session)
    frontend.wait_for(lambda: frontend.left)
    assert container.wait() == settings.EXIT_DONE


def test_container_over_tcp_sigterm_while_idle_exits_zero(start: Start, remote: Remote) -> None:
    frontend = remote.frontend
    container = start("noop", frontend.address, **remote.environment, CLIPPER_RPC_HEARTBEAT_INTERVAL_US="40000000")
    frontend.wait_ready()
    assert frontend.predict([one(2)]).outputs
    container.terminate()
    frontend.wait_for(lambda: frontend.left, limit_s=5)
    assert container.wait(limit_s=5) == settings.EXIT_DONE


def test_container_assigned_from_a_local_address_to_tcp_moves(start: Start, address: str, remote: Remote) -> None:
    near, far = PuppetFrontend(address), remote.frontend
    try:
        start("noop", address, **remote.environment)
        (session,) = near.wait_ready()
        near.assign(session, far.address)
        near.wait_for(lambda: near.left)
        (moved,) = far.wait_ready(limit_s=5)
        assert moved.registration == session.registration
        assert far.predict([one(6)]).outputs == [(b"6.0", False)]
    finally:
        near.close()
