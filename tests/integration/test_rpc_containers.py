"""Real container processes against a puppet frontend: what they answer, and what they survive."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from model_containers import codec, settings, wire
from model_containers.wire import DType, ErrorCode, MessageType, WireStatus
from tests.support.container_process import ContainerProcess
from tests.support.puppet_frontend import PuppetFrontend

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., ContainerProcess]


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/rpc.sock"


@pytest.fixture
def frontend(address: str) -> Iterator[PuppetFrontend]:
    puppet = PuppetFrontend(address)
    yield puppet
    puppet.close()


@pytest.fixture
def start(address: str, tmp_path: Path) -> Iterator[Start]:
    started: list[ContainerProcess] = []

    def start_one(kind: str, **environment: str) -> ContainerProcess:
        log = tmp_path / f"container-{len(started)}.log"
        started.append(ContainerProcess(kind, address, log, {"CLIPPER_REPLICA_ID": "m:1:0", **environment}))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()


@pytest.fixture
def slow_script(tmp_path: Path) -> Path:
    """A container that marks the start of each batch by a file, then takes 0.8 s for it."""
    script = tmp_path / "slow.py"
    script.write_text(
        "import pathlib, time\n"
        "from model_containers import ModelContainer, serve\n"
        "class Slow(ModelContainer):\n"
        "    def predict_batch(self, inputs):\n"
        "        pathlib.Path('in_hand').touch()\n"
        "        time.sleep(0.8)\n"
        "        return inputs[:, 0]\n"
        "serve(Slow())\n"
    )
    return script


def doubles(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def texts(outputs: list[tuple[bytes, bool]]) -> list[bytes]:
    return [text for text, failed in outputs if not failed]


# -- inputs ------------------------------------------------------------------------------------------------------


def test_noop_uniform_vectors_returns_first_elements(frontend: PuppetFrontend, start: Start) -> None:
    start("noop")
    frontend.wait_ready()
    answer = frontend.predict([doubles(1.5, 2), doubles(-3, 4)])
    assert texts(answer.outputs) == [b"1.5", b"-3.0"]


@pytest.mark.parametrize(
    ("dtype", "items", "expected"),
    [
        (DType.INT32, [struct.pack("<2i", 1, 2), struct.pack("<2i", 3, 4)], [b"3", b"7"]),
        (DType.FLOAT32, [struct.pack("<2f", 0.5, 2), struct.pack("<1f", 3)], [b"2.5", b"3.0"]),
        (DType.FLOAT64, [doubles(1, 2, 3), doubles(), doubles(4)], [b"6.0", b"0.0", b"4.0"]),
        (DType.STRING, ["añb".encode(), b"", b"xyzt"], [b"3", b"0", b"4"]),
        (DType.BYTES, [b"\x01\x02", b"\xff\x00"], [b"3", b"255"]),
    ],
    ids=["uniform-int32", "ragged-float32", "ragged-float64", "strings", "bytes"],
)
def test_sum_every_input_form_is_summed(
    frontend: PuppetFrontend, start: Start, dtype: DType, items: list[bytes], expected: list[bytes]
) -> None:
    start("sum")
    frontend.wait_ready()
    assert texts(frontend.predict(items, dtype).outputs) == expected


def test_sum_tensor_arrives_in_its_shape(frontend: PuppetFrontend, start: Start, tmp_path: Path) -> None:
    script = tmp_path / "shapes.py"
    script.write_text(
        "from model_containers import ModelContainer, serve\n"
        "class Shapes(ModelContainer):\n"
        "    def predict_batch(self, inputs):\n"
        "        assert not inputs.flags.writeable\n"
        "        return [inputs.shape] * len(inputs)\n"
        "serve(Shapes())\n"
    )
    start(str(script))
    frontend.wait_ready()
    item = np.arange(6, dtype="<f4").tobytes()
    assert texts(frontend.predict([item, item], DType.FLOAT32, (2, 3)).outputs) == [b"[2,2,3]"] * 2


# -- faults of the model -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("raise", "RuntimeError: simulated failure"),
        ("wrong_count", "OutputsError: predict_batch returned 1 outputs for 2 inputs"),
        ("wrong_type", "OutputsError: predict_batch returned a value of type float, expected a list or array"),
    ],
)
def test_simulated_faulty_batch_fails_alone(frontend: PuppetFrontend, start: Start, fault: str, cause: str) -> None:
    container = start("simulated", CLIPPER_SIMULATED_FAULT=fault, CLIPPER_SIMULATED_FAULT_EVERY="2")
    frontend.wait_ready()
    answers = [frontend.predict([doubles(1), doubles(2)]) for _ in range(3)]
    assert [answer.error_code for answer in answers] == [0, ErrorCode.MODEL_ERROR, 0]
    assert answers[1].cause.startswith(cause)
    assert "Traceback" in container.log_text()


@pytest.mark.parametrize("fault", ["item_error", "nan"])
def test_simulated_failed_item_fails_alone(frontend: PuppetFrontend, start: Start, fault: str) -> None:
    start("simulated", CLIPPER_SIMULATED_FAULT=fault)
    frontend.wait_ready()
    outputs = frontend.predict([doubles(1), doubles(2)]).outputs
    assert [failed for _, failed in outputs] == [True, False]
    assert isinstance(json.loads(outputs[0][0]), str)
    assert outputs[1][0] == b"2.0"


def test_simulated_short_result_is_refused_by_the_frontend(frontend: PuppetFrontend, start: Start) -> None:
    start("simulated", CLIPPER_SIMULATED_FAULT="bad_result", CLIPPER_SIMULATED_FAULT_EVERY="2")
    frontend.wait_ready()
    answers = [frontend.predict([doubles(1), doubles(2)]) for _ in range(3)]
    assert [answer.error_code for answer in answers] == [0, -WireStatus.BAD_LENGTH, 0]


def test_simulated_garbage_is_ignored_by_the_frontend(frontend: PuppetFrontend, start: Start) -> None:
    start("simulated", CLIPPER_SIMULATED_FAULT="garbage", CLIPPER_SIMULATED_FAULT_EVERY="2")
    frontend.wait_ready()
    frontend.predict([doubles(1)])
    frontend.send_batch([doubles(2)])
    frontend.wait_for(lambda: frontend.garbage)
    assert texts(frontend.predict([doubles(3)]).outputs) == [b"3.0"]


# -- faults of the frontend --------------------------------------------------------------------------------------


def test_container_garbage_frames_are_survived(frontend: PuppetFrontend, start: Start) -> None:
    start("noop")
    (session,) = frontend.wait_ready()
    predict = codec.encode_predict([doubles(1)], DType.FLOAT64, batch_id=99)
    for frames in ([b""], [b"\x00" * 200], [b"CLPR"], predict[:1], [*predict, b"more"], [predict[0], b"short"]):
        frontend.send(session, frames)
    answer = frontend.predict([doubles(7)])
    assert texts(answer.outputs) == [b"7.0"]
    assert frontend.answers[99].error_code == ErrorCode.BAD_REQUEST


def test_container_wrong_version_of_the_frontend_exits_with_a_clear_line(
    frontend: PuppetFrontend, start: Start
) -> None:
    container = start("noop")
    (session,) = frontend.wait_ready()
    header = bytearray(codec.encode_header(MessageType.HEARTBEAT))
    struct.pack_into("<H", header, wire.FIELD_OFFSETS["version"], wire.VERSION + 1)
    frontend.send(session, [bytes(header)])
    assert container.wait() == settings.EXIT_REFUSED
    assert "another version of the protocol" in container.log_text()


def test_container_frontend_lost_its_sessions_registers_again(frontend: PuppetFrontend, start: Start) -> None:
    start("noop")
    (before,) = frontend.wait_ready()
    frontend.forget()
    (after,) = frontend.wait_ready(limit_s=3)
    assert after.registration == before.registration
    assert texts(frontend.predict([doubles(4)]).outputs) == [b"4.0"]


def test_container_frontend_restarted_registers_again_and_drops_old_answers(
    frontend: PuppetFrontend, start: Start, address: str, slow_script: Path
) -> None:
    start(str(slow_script))
    (before,) = frontend.wait_ready()
    stale = frontend.send_batch([doubles(1)])
    frontend.wait_for((slow_script.parent / "in_hand").exists)
    frontend.close()
    restarted = PuppetFrontend(address, first_batch_id=stale)  # ids are given out again
    try:
        (after,) = restarted.wait_ready(limit_s=5)
        assert after.registration.nonce == before.registration.nonce
        assert texts(restarted.predict([doubles(2)]).outputs) == [b"2.0"]
    finally:
        restarted.close()


def test_container_silent_frontend_is_left_for_the_next_address(
    frontend: PuppetFrontend, start: Start, tmp_path: Path, address: str
) -> None:
    other = PuppetFrontend(f"ipc://{tmp_path}/other.sock")
    try:
        addresses = f"{other.address} {address}"
        start("noop", CLIPPER_RPC_ADDRESS=addresses, CLIPPER_RPC_FRONTEND_SILENCE_US="300000")
        frontend.wait_ready(limit_s=5)  # the other one is never pumped
    finally:
        other.close()


def test_container_orphaned_for_the_limit_exits(start: Start) -> None:
    container = start("noop", CLIPPER_RPC_ORPHAN_EXIT_US="700000", CLIPPER_RPC_HEARTBEAT_INTERVAL_US="100000")
    assert container.wait() == settings.EXIT_ORPHANED
    assert "heard of no frontend" in container.log_text()


def test_container_second_one_with_the_same_identity_is_refused(frontend: PuppetFrontend, start: Start) -> None:
    first = start("noop")
    frontend.wait_ready()
    second = start("noop")
    frontend.wait_for(lambda: frontend.refused)
    frontend.wait_for(lambda: not second.is_running())
    assert second.wait() == settings.EXIT_REFUSED
    assert "DUPLICATE_REPLICA" in second.log_text()
    assert first.is_running()
    assert texts(frontend.predict([doubles(5)]).outputs) == [b"5.0"]


# -- life --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("busy", ["0", "1"], ids=["sleeping", "computing"])
def test_container_long_predict_keeps_its_session_alive(frontend: PuppetFrontend, start: Start, busy: str) -> None:
    start(
        "simulated",
        CLIPPER_SIMULATED_BASE_US="3000000",
        CLIPPER_SIMULATED_BUSY=busy,
        CLIPPER_RPC_HEARTBEAT_INTERVAL_US="200000",
        CLIPPER_RPC_FRONTEND_SILENCE_US="1000000",
    )
    (session,) = frontend.wait_ready()
    answer = frontend.predict([doubles(1)])
    assert answer.compute_us >= 2_900_000
    assert session.longest_silence_s < 1.0
    assert frontend.ready() == [session]


def test_container_loading_for_long_is_registered_at_once(frontend: PuppetFrontend, start: Start) -> None:
    start("simulated", CLIPPER_SIMULATED_LOAD_US="1500000")
    frontend.wait_for(lambda: frontend.sessions)
    assert not frontend.ready()
    (session,) = frontend.wait_ready()
    assert session.longest_silence_s < 1.0


def test_container_sigterm_during_a_batch_finishes_it_and_exits_zero(
    frontend: PuppetFrontend, start: Start, slow_script: Path
) -> None:
    container = start(str(slow_script))
    frontend.wait_ready()
    running, ahead = frontend.send_batch([doubles(1)]), frontend.send_batch([doubles(2)])
    frontend.wait_for((slow_script.parent / "in_hand").exists)
    container.terminate()
    assert texts(frontend.wait_answer(running).outputs) == [b"1.0"]
    assert texts(frontend.wait_answer(ahead).outputs) == [b"2.0"]
    frontend.wait_for(lambda: frontend.left)
    assert container.wait() == settings.EXIT_DONE


def test_container_sigterm_while_idle_exits_zero_at_once(frontend: PuppetFrontend, start: Start) -> None:
    # It leaves because the frontend answers its DRAIN: no limit ends within the time in which this waits for it.
    container = start("noop", CLIPPER_RPC_DRAIN_ANSWER_US="60000000", CLIPPER_RPC_FLUSH_US="60000000")
    frontend.wait_ready()
    container.terminate()
    frontend.wait_for(lambda: frontend.left)
    assert container.wait() == settings.EXIT_DONE


def test_container_sigterm_without_a_frontend_exits_zero(start: Start, tmp_path: Path) -> None:
    container = start("simulated", CLIPPER_SIMULATED_LOAD_US="20000000")
    deadline_s = time.monotonic() + 10
    while not _takes_sigterm(container) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    container.terminate()
    assert container.wait() == settings.EXIT_DONE
    assert "stopped while loading" in container.log_text()


def _takes_sigterm(container: ContainerProcess) -> bool:
    status = Path(f"/proc/{container.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> 14 & 1)


def test_container_drain_answers_what_came_before_it(frontend: PuppetFrontend, start: Start) -> None:
    container = start("simulated", CLIPPER_SIMULATED_BASE_US="300000")
    (session,) = frontend.wait_ready()
    batches = [frontend.send_batch([doubles(value)]) for value in (1, 2)]
    frontend.drain(session)
    assert [texts(frontend.wait_answer(batch).outputs) for batch in batches] == [[b"1.0"], [b"2.0"]]
    frontend.wait_for(lambda: frontend.left)
    assert container.wait() == settings.EXIT_DONE


def test_container_assign_moves_with_its_identity(frontend: PuppetFrontend, start: Start, tmp_path: Path) -> None:
    start("noop")
    (session,) = frontend.wait_ready()
    other = PuppetFrontend(f"ipc://{tmp_path}/other.sock")
    try:
        frontend.assign(session, other.address)
        frontend.wait_for(lambda: frontend.left)
        (moved,) = other.wait_ready(limit_s=5)
        assert moved.registration == session.registration
        assert texts(other.predict([doubles(6)]).outputs) == [b"6.0"]
    finally:
        other.close()


def test_container_missing_variable_exits_and_names_it(start: Start) -> None:
    container = start("noop", CLIPPER_MODEL_NAME="")
    assert container.wait() == settings.EXIT_SETTINGS
    assert "CLIPPER_MODEL_NAME is not set" in container.log_text()
