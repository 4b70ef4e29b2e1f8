"""The gate's answers to ZeroMQ, without a connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import zmq
from zmq.utils import z85

from clipper.errors import InvalidArgumentError
from clipper.security.rpc_keys import ZAP_DOMAIN
from clipper.security.zap import REFUSAL_LOG_INTERVAL_US, ContainerGate

KNOWN, UNKNOWN = (zmq.curve_keypair()[0] for _ in range(2))


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def gate(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[ContainerGate]:
    gate = ContainerGate(context, lambda: {KNOWN: "known"})
    yield gate
    gate.close()


def question(key: bytes, **changes: bytes) -> list[bytes]:
    frames = {
        "version": b"1.0", "request_id": b"7", "domain": ZAP_DOMAIN, "address": b"10.0.0.9", "identity": b"",
        "mechanism": b"CURVE", "credentials": z85.decode(key),
    }  # fmt: skip
    return list({**frames, **changes}.values())


def test_authorized_key_is_let_in(gate: ContainerGate) -> None:
    assert gate.answer(question(KNOWN), 0) == [b"1.0", b"7", b"200", b"OK", b"", b""]
    assert gate.refused_total == 0


@pytest.mark.parametrize(
    "request_frames",
    [
        question(UNKNOWN),
        question(KNOWN, version=b"2.0"),
        question(KNOWN, domain=b"other"),
        question(KNOWN, mechanism=b"NULL"),
        question(KNOWN, credentials=b"short"),
        question(KNOWN)[:-1],
        [*question(KNOWN), b"more"],
        [b"1.0"],
        [],
    ],
    ids=["key", "version", "domain", "mechanism", "length", "short", "long", "one", "none"],
)
def test_anything_else_is_refused(gate: ContainerGate, request_frames: list[bytes]) -> None:
    version, _, status, *_ = gate.answer(request_frames, 0)
    assert (version, status) == (b"1.0", b"400")
    assert gate.refused_total == 1


def test_refusals_are_logged_with_the_address_once_in_an_interval(
    gate: ContainerGate, caplog: pytest.LogCaptureFixture
) -> None:
    for now_us in (0, 1, REFUSAL_LOG_INTERVAL_US - 1, REFUSAL_LOG_INTERVAL_US):
        gate.answer(question(UNKNOWN), now_us)
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "a container at 10.0.0.9 was refused: its key is not among the authorized containers"
    assert second.endswith("(2 more since the last such line)")


def test_nobody_is_let_in_while_the_authorized_keys_cannot_be_read(
    context: zmq.Context[zmq.Socket[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    def unreadable() -> Mapping[bytes, str]:
        raise InvalidArgumentError("the file is gone")

    gate = ContainerGate(context, unreadable)
    assert gate.answer(question(KNOWN), 0)[2] == b"400"
    gate.close()
    assert "the file is gone" in caplog.text
