"""The byte-exact examples: up to date, and read alike by both codecs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from clipper._core import rpc_codec
from model_containers import codec, results, wire
from model_containers.wire import DType, MessageType

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
FILES = sorted(VECTORS.glob("*.json"))
READ = {path.stem: json.loads(path.read_text()) for path in FILES}
ACCEPTED = {name: vector for name, vector in READ.items() if "refused" not in vector}


def of_type(kind: MessageType) -> dict[str, Any]:
    return {name: vector for name, vector in ACCEPTED.items() if vector["header"]["type"] == kind}


def frames_of(vector: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(frame) for frame in vector["frames"]]


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vector_generator", VECTORS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_vectors_generated_again_are_the_same_files() -> None:
    generator = load_generator()
    assert {path.stem: path.read_text() for path in FILES} == {
        name: generator.render(vector) for name, vector in generator.vectors().items()
    }


@pytest.mark.parametrize("name", ACCEPTED)
def test_header_of_a_vector_is_read_and_written_alike(name: str) -> None:
    frame = frames_of(ACCEPTED[name])[0]
    expected = ACCEPTED[name]["header"]
    oracle = codec.decode_header(frame)
    assert {**oracle._asdict(), "magic": oracle.magic.decode()} == expected
    compiled = rpc_codec.decode_header(frame)
    assert compiled == oracle[1:]
    assert rpc_codec.encode_header(compiled) == frame


@pytest.mark.parametrize("name", of_type(MessageType.PREDICT))
def test_predict_vector_is_written_by_both_and_read(name: str) -> None:
    vector = ACCEPTED[name]
    header, items, shape = codec.decode_header(frames_of(vector)[0]), vector["items"], tuple(vector["shape"])
    raw = [bytes.fromhex(item) for item in items]
    compiled = rpc_codec.encode_predict(
        raw, header.dtype, batch_id=header.batch_id, budget_us=header.budget_us, shape=shape
    )
    assert compiled == frames_of(vector)
    inputs = codec.decode_predict(header, frames_of(vector)[1:]).inputs
    assert [one if isinstance(one, bytes) else _bytes_of(one) for one in inputs] == raw
    if isinstance(inputs, np.ndarray) and shape:
        assert inputs.shape == (len(raw), *shape)


def _bytes_of(one: Any) -> bytes:
    return one.encode() if isinstance(one, str) else one.tobytes()


@pytest.mark.parametrize("name", of_type(MessageType.RESULT))
def test_result_vector_is_read_alike(name: str) -> None:
    frames, expected = frames_of(ACCEPTED[name]), ACCEPTED[name]["outputs"]
    oracle = results.decode_result(codec.decode_header(frames[0]), frames[1:], len(expected))
    assert [{"text": text.decode(), "failed": failed} for text, failed in oracle] == expected
    assert rpc_codec.decode_result(frames, len(expected)) == [tuple(one) for one in oracle]


@pytest.mark.parametrize("name", of_type(MessageType.ERROR))
def test_error_vector_is_read_alike(name: str) -> None:
    frames = frames_of(ACCEPTED[name])
    assert codec.decode_text(frames[1:]) == rpc_codec.decode_cause(frames[1:]) == ACCEPTED[name]["cause"]


def test_register_vector_is_read() -> None:
    vector = ACCEPTED["register"]
    assert rpc_codec.decode_register(frames_of(vector)[1])._asdict() == vector["registration"]
    assert list(vector["registration"]) == list(wire.REGISTER_KEYS)


@pytest.mark.parametrize("name", [name for name in READ if name not in ACCEPTED])
def test_refused_vector_is_refused_alike(name: str) -> None:
    frames, vector = frames_of(READ[name]), READ[name]
    with pytest.raises(codec.WireError) as oracle:
        results.decode_result(codec.decode_header(frames[0]), frames[1:], vector["expected_count"])
    with pytest.raises(rpc_codec.RpcDecodeError) as compiled:
        rpc_codec.decode_result(frames, vector["expected_count"])
    assert oracle.value.status == compiled.value.status == wire.WireStatus[vector["refused"]]


def test_vectors_cover_every_message_type_and_input_dtype_family() -> None:
    kinds = {vector["header"]["type"] for vector in ACCEPTED.values()}
    assert kinds == set(MessageType)
    dtypes = {vector["header"]["dtype"] for vector in of_type(MessageType.PREDICT).values()}
    assert {DType.INT32, DType.FLOAT32, DType.FLOAT64, DType.STRING, DType.BYTES} <= dtypes
