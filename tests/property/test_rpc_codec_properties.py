"""The compiled codec against its oracle, both ways, cut at every byte, and fed garbage."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clipper._core import rpc_codec
from clipper.errors import ProtocolError
from model_containers import codec, results, wire
from model_containers.outputs import encode_outputs
from model_containers.wire import DType, Flag, MessageType

U64 = st.integers(0, 2**64 - 1)
NUMERIC = sorted(wire.PREDICT_DTYPES - wire.TEXT_DTYPES)
RESULT_NUMERIC = [dtype for dtype in NUMERIC if dtype in wire.RESULT_DTYPES]

headers = st.builds(
    rpc_codec.Header,
    version=st.sampled_from([wire.VERSION] * 5 + [0, 2, 65535]),
    type=st.integers(0, 9) | st.integers(0, 255),
    dtype=st.integers(0, 16) | st.integers(0, 255),
    flags=st.integers(0, 31) | st.integers(0, 65535),
    code=st.integers(0, 65535),
    item_count=st.integers(0, 4) | st.integers(0, 2**32 - 1),
    batch_id=U64,
    elements_per_item=st.integers(0, 4) | U64,
    budget_us=U64,
    compute_us=U64,
)


def result_frames(outputs: Any) -> list[bytes]:
    """Encode outputs as the container does."""
    encoded = encode_outputs(outputs, len(outputs))
    return [bytes(frame) for frame in results.encode_result(encoded, len(outputs), 1, 2)]


def header_outcome(decode: Callable[[bytes], tuple[Any, ...]], frame: bytes) -> Any:
    """Return the fields but the magic, or the status of the refusal."""
    try:
        return tuple(decode(frame))[-len(rpc_codec.Header._fields) :]
    except (codec.WireError, rpc_codec.RpcDecodeError) as error:
        return int(error.status)


def oracle_outcome(frames: list[bytes], expected_count: int) -> Any:
    """Return the outputs, or the status of the refusal."""
    try:
        decoded = results.decode_result(codec.decode_header(frames[0]), frames[1:], expected_count)
    except codec.WireError as error:
        return error.status
    return [tuple(one) for one in decoded]


def compiled_outcome(frames: list[bytes], expected_count: int) -> Any:
    """Return the outputs, or the status of the refusal."""
    try:
        return rpc_codec.decode_result(frames, expected_count)
    except rpc_codec.RpcDecodeError as error:
        return wire.WireStatus(error.status)


@given(headers)
def test_header_any_fields_are_read_alike(header: rpc_codec.Header) -> None:
    frame = rpc_codec.encode_header(header)
    assert frame == wire.HEADER.pack(wire.MAGIC, *header)
    assert header_outcome(codec.decode_header, frame) == header_outcome(rpc_codec.decode_header, frame)


@given(st.binary(max_size=64) | st.binary(max_size=60).map(lambda tail: wire.MAGIC + tail))
def test_header_garbage_is_refused_alike(frame: bytes) -> None:
    assert compiled_outcome([frame], 1) == oracle_outcome([frame], 1)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[bytes], DType]:
    dtype = draw(st.sampled_from(sorted(wire.PREDICT_DTYPES)))
    size = wire.DTYPE_BYTES[dtype]
    if dtype == DType.STRING:
        return draw(st.lists(st.text(max_size=5).map(str.encode), min_size=1, max_size=5)), dtype
    element_counts = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    if draw(st.booleans()):
        element_counts = element_counts[:1] * len(element_counts)
    return [draw(st.binary(min_size=count * size, max_size=count * size)) for count in element_counts], dtype


@given(batches(), U64, U64)
def test_predict_is_written_alike_and_read_back(batch: tuple[list[bytes], DType], batch_id: int, budget: int) -> None:
    items, dtype = batch
    frames = rpc_codec.encode_predict(items, dtype, batch_id=batch_id, budget_us=budget)
    assert frames == codec.encode_predict(items, dtype, batch_id=batch_id, budget_us=budget)
    request = codec.decode_predict(codec.decode_header(frames[0]), frames[1:])
    assert (request.batch_id, request.item_count, request.budget_us) == (batch_id, len(items), budget)
    assert [bytes_of(one) for one in request.inputs] == items


def bytes_of(one: Any) -> bytes:
    if isinstance(one, bytes):
        return one
    return one.encode() if isinstance(one, str) else one.tobytes()


@given(headers, st.lists(st.binary(max_size=40), max_size=4))
def test_predict_garbage_is_refused_and_nothing_else(header: rpc_codec.Header, frames: list[bytes]) -> None:
    forced = header._replace(version=wire.VERSION, type=MessageType.PREDICT, dtype=header.dtype % 16)
    with contextlib.suppress(codec.WireError):
        codec.decode_predict(codec.decode_header(rpc_codec.encode_header(forced)), frames)


# -- RESULT ------------------------------------------------------------------------------------------------------

numbers = st.sampled_from(RESULT_NUMERIC).flatmap(
    lambda dtype: arrays.arrays(
        codec.NUMPY_DTYPES[dtype], arrays.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=4)
    )
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
mixed = st.lists(json_values | st.text(max_size=8).map(ValueError) | st.binary(max_size=4), max_size=5)
strings = st.lists(st.text(max_size=8) | json_values.map(json.dumps), max_size=5)


@given(numbers | mixed | strings)
@example(np.array([1e16, 1e-5, 0.0001, 123456789012345680.0, 5e-324, 1.7976931348623157e308, -0.0]))
@example(np.array([1e16, 1e-5, 16777217, 3.4028235e38, 1e-45], np.float32))
def test_result_of_any_outputs_is_read_alike(outputs: Any) -> None:
    frames = result_frames(outputs)
    oracle = oracle_outcome(frames, len(outputs))
    assert isinstance(oracle, list)
    assert compiled_outcome(frames, len(outputs)) == oracle
    for text, failed in oracle:
        value = json.loads(text)
        assert not failed or isinstance(value, str)


@given(arrays.arrays(np.float64, 4) | arrays.arrays(np.float32, 4))
def test_result_finite_floats_read_back_as_the_same_value(outputs: Any) -> None:
    frames = result_frames(outputs)
    for value, (text, failed) in zip(outputs, rpc_codec.decode_result(frames, 4), strict=True):
        assert failed == (not np.isfinite(value))
        if not failed:
            assert outputs.dtype.type(float(text)).tobytes() == value.tobytes()


@given(mixed | strings | numbers, st.data())
def test_result_cut_or_changed_anywhere_is_read_alike(outputs: Any, data: st.DataObject) -> None:
    frames = result_frames(outputs)
    which = data.draw(st.integers(0, len(frames) - 1))
    frame = bytearray(frames[which])
    if frame and data.draw(st.booleans()):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    else:
        del frame[data.draw(st.integers(0, len(frame))) :]
    frames[which] = bytes(frame)
    assert compiled_outcome(frames, len(outputs)) == oracle_outcome(frames, len(outputs))


def test_result_cut_at_every_byte_is_refused_alike() -> None:
    for outputs in ([1.5, 2.5], ["a", "1"], [{"a": 1}, ValueError("x")], np.eye(2, dtype=np.float32)):
        frames = result_frames(outputs)
        for which, frame in enumerate(frames):
            for cut in range(len(frame)):
                shorter = [*frames[:which], frame[:cut], *frames[which + 1 :]]
                refusal = compiled_outcome(shorter, 2)
                assert isinstance(refusal, wire.WireStatus)
                assert refusal == oracle_outcome(shorter, 2)


@given(headers, st.lists(st.binary(max_size=40), max_size=4), st.integers(0, 4))
def test_result_garbage_is_read_alike(header: rpc_codec.Header, tail: list[bytes], expected_count: int) -> None:
    forced = header._replace(version=wire.VERSION, type=MessageType.RESULT, flags=header.flags % 16)
    frames = [rpc_codec.encode_header(forced), *tail]
    assert compiled_outcome(frames, expected_count) == oracle_outcome(frames, expected_count)


@given(st.data(), st.sampled_from([DType.STRING, DType.JSON, *RESULT_NUMERIC]), st.booleans())
def test_result_well_framed_random_bytes_are_read_alike(data: st.DataObject, dtype: DType, has_status: bool) -> None:
    size = wire.DTYPE_BYTES[dtype]
    lengths = data.draw(st.lists(st.integers(0, 4).map(lambda count: count * size), max_size=5))
    items = [data.draw(st.binary(min_size=length, max_size=length)) for length in lengths]
    flags = Flag.RAGGED | (Flag(0) if dtype in wire.TEXT_DTYPES else Flag.VECTOR)
    status = [data.draw(st.binary(min_size=len(items), max_size=len(items)))] if has_status else []
    flags |= Flag.FAILED_ITEMS if has_status else Flag(0)
    header = codec.encode_header(MessageType.RESULT, dtype=dtype, flags=flags, item_count=len(items))
    frames = [header, *status, codec.encode_offsets(items), b"".join(items)]
    assert compiled_outcome(frames, len(items)) == oracle_outcome(frames, len(items))


# -- text --------------------------------------------------------------------------------------------------------

json_like = st.text('{}[]",:truefalsn0123456789eE+-. \\u\n\t/bdé\x00', max_size=20)


@given(json_like | json_values.map(json.dumps))
@example("[" * wire.MAX_JSON_DEPTH + "]" * wire.MAX_JSON_DEPTH)
@example("[" * (wire.MAX_JSON_DEPTH + 1) + "]" * (wire.MAX_JSON_DEPTH + 1))
@example('{"a":{"b":[]},"a":1}')
@example('"\\ud800"')
def test_json_check_any_text_agrees_with_the_oracle(text: str) -> None:
    assert rpc_codec.is_json(text.encode()) == results.is_json(text)


@given(st.binary(max_size=12) | st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_json_check_any_bytes_are_text_only_if_utf8(raw: bytes) -> None:
    quoted = b'"' + raw + b'"'
    try:
        expected = results.is_json(quoted.decode())
    except UnicodeDecodeError:
        expected = False
    assert rpc_codec.is_json(quoted) == expected


@given(st.binary(max_size=3000))
def test_cause_any_bytes_become_bounded_text(raw: bytes) -> None:
    cause = rpc_codec.decode_cause([raw])
    assert len(cause.encode()) <= wire.MAX_CAUSE_BYTES
    if len(raw) <= wire.MAX_CAUSE_BYTES:
        try:
            assert cause == raw.decode()
        except UnicodeDecodeError:
            assert cause.isascii()


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_register_any_bytes_are_read_or_refused(frame: bytes) -> None:
    try:
        registration = rpc_codec.decode_register(frame)
    except ProtocolError:
        return
    assert registration.model


def test_offsets_near_the_end_of_the_range_are_refused_alike() -> None:
    for offsets in ((0, 2**64 - 8, 0), (2**64 - 8, 0, 8), (0, 8, 2**63), (0, 16, 8)):
        header = codec.encode_header(MessageType.RESULT, dtype=DType.JSON, flags=Flag.RAGGED, item_count=2)
        frames = [header, struct.pack("<3Q", *offsets), b"12345678"]
        assert compiled_outcome(frames, 2) == oracle_outcome(frames, 2) == wire.WireStatus.BAD_OFFSETS
