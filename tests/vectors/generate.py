"""Write the byte-exact examples of RPC messages: ``python tests/vectors/generate.py`` from the root of the repository.

Each ``<name>.json`` holds the frames of one message in hexadecimal and what they mean. A container in another language
passes if it reads every PREDICT, and writes messages that a reader of these files takes for the same.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from model_containers import codec, results, wire
from model_containers.outputs import encode_outputs
from model_containers.wire import DType, ErrorCode, Flag, MessageType

HERE = Path(__file__).resolve().parent
Vector = dict[str, Any]


def message(comment: str, frames: Sequence[Any], **meaning: Any) -> Vector:
    """Describe one message."""
    raw = [bytes(frame) for frame in frames]
    header = codec.decode_header(raw[0])._asdict()
    header["magic"] = header["magic"].decode()
    return {"comment": comment, "frames": [frame.hex() for frame in raw], "header": header, **meaning}


def predict(comment: str, items: list[bytes], dtype: DType, shape: tuple[int, ...] = ()) -> Vector:
    """Describe one PREDICT, with its items in hexadecimal."""
    frames = codec.encode_predict(items, dtype, batch_id=0x0102030405060708, budget_us=20_000, shape=shape)
    return message(comment, frames, items=[item.hex() for item in items], shape=list(shape))


def result(comment: str, outputs: Any) -> Vector:
    """Describe one RESULT, with the JSON text of each output."""
    encoded = encode_outputs(outputs, len(outputs))
    frames = [bytes(frame) for frame in results.encode_result(encoded, len(outputs), 7, 321)]
    decoded = results.decode_result(codec.decode_header(frames[0]), frames[1:], len(outputs))
    return message(comment, frames, outputs=[{"text": text.decode(), "failed": failed} for text, failed in decoded])


def refused(comment: str, frames: list[bytes], status: wire.WireStatus, expected_count: int = 2) -> Vector:
    """Describe a RESULT, or what claims to be a message, that must be refused."""
    return {
        "comment": comment,
        "frames": [frame.hex() for frame in frames],
        "expected_count": expected_count,
        "refused": status.name,
    }


def vectors() -> dict[str, Vector]:
    """Return every example by name."""
    encode = codec.encode_header
    good = encode(MessageType.RESULT, dtype=DType.FLOAT64, item_count=2, elements_per_item=1, batch_id=7)
    offsets = struct.pack("<3Q", 0, 4, 3)
    json_header = encode(MessageType.RESULT, dtype=DType.JSON, flags=Flag.RAGGED, item_count=2, batch_id=7)
    registration: dict[str, str | int] = {
        "model": "digits",
        "version": "1",
        "replica_id": "digits:1:0",
        "nonce": "00ff",
        "input_type": "doubles",
        "sdk": "vector/1",
        "pid": 42,
    }
    return {
        "register": message("who I am", codec.encode_register(registration), registration=registration),
        "ready": message("the model is loaded", [encode(MessageType.READY)]),
        "heartbeat": message("sign of life", [encode(MessageType.HEARTBEAT)]),
        "drain": message("no new batches, please", [encode(MessageType.DRAIN)]),
        "drain_final": message("all is answered, I am leaving", [encode(MessageType.DRAIN, flags=Flag.FINAL)]),
        "assign": message("go there", [encode(MessageType.ASSIGN), b"ipc:///run/a.sock tcp://10.0.0.1:7000"]),
        "error_batch": message(
            "a batch failed",
            codec.encode_error(ErrorCode.MODEL_ERROR, "ValueError: é", batch_id=7),
            cause="ValueError: é",
        ),
        "error_unknown_session": message(
            "register, please", codec.encode_error(ErrorCode.UNKNOWN_SESSION, "who are you?"), cause="who are you?"
        ),
        "predict_doubles": predict("uniform vectors", [struct.pack("<2d", 1.5, -2), bytes(16)], DType.FLOAT64),
        "predict_integers_ragged": predict("lengths 1, 0, 2", [b"\1\0\0\0", b"", b"\2\0\0\0\3\0\0\0"], DType.INT32),
        "predict_strings": predict("UTF-8", ["añb".encode(), b"", "日本".encode()], DType.STRING),
        "predict_bytes": predict("any bytes", [b"\x00\xff", b"x"], DType.BYTES),
        "predict_tensor": predict("shape (2, 3), float32", [struct.pack("<6f", *range(6))], DType.FLOAT32, (2, 3)),
        "result_float64": result("one number an item", np.array([1.0, 0.1, 1e16, 1e-05, -0.0])),
        "result_float32": result("shortest for 32 bits", np.array([0.1, 16777216], np.float32)),
        "result_int64": result("beyond 2^53", np.array([2**63 - 1, -1])),
        "result_bool": result("booleans", np.array([True, False])),
        "result_lists": result("a list an item", np.array([[1, 2], [3, 4]], np.int32)),
        "result_strings": result("embedded if JSON, else quoted", ["7", '{"a":1}', 'say "hi"\n', "nan", ""]),
        "result_json": result("any JSON value", [{"label": "cat", "p": 0.5}, None]),
        "result_failed_item": result("one item failed", [1.5, ValueError("no digit")]),
        "result_not_finite": result("NaN fails its item", np.array([1.0, np.nan])),
        "refused_short_header": refused("47 bytes", [good[:-1], bytes(16)], wire.WireStatus.SHORT_HEADER),
        "refused_magic": refused("another protocol", [b"X" * 48], wire.WireStatus.BAD_MAGIC),
        "refused_version": refused(
            "version 2", [good[:4] + b"\2\0" + good[6:], bytes(16)], wire.WireStatus.BAD_VERSION
        ),
        "refused_count": refused("2 outputs for 3 inputs", [good, bytes(16)], wire.WireStatus.BAD_COUNT, 3),
        "refused_frames": refused("no payload", [good], wire.WireStatus.BAD_FRAMES),
        "refused_length": refused("15 bytes for 2 doubles", [good, bytes(15)], wire.WireStatus.BAD_LENGTH),
        "refused_offsets": refused("falling offsets", [json_header, offsets, b"nul"], wire.WireStatus.BAD_OFFSETS),
        "refused_json": refused(
            "not JSON", [json_header, struct.pack("<3Q", 0, 1, 4), b"1NaN"], wire.WireStatus.BAD_JSON
        ),
        "refused_text": refused(
            "not UTF-8", [json_header, struct.pack("<3Q", 0, 1, 2), b"1\xff"], wire.WireStatus.BAD_TEXT
        ),
    }


def render(vector: Vector) -> str:
    """Return the text of one file."""
    return json.dumps(vector, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, vector in vectors().items():
        (HERE / f"{name}.json").write_text(render(vector))
