"""What a model may return, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from model_containers import codec, results
from model_containers.container import ItemError
from model_containers.outputs import OutputsError, encode_outputs
from model_containers.wire import DType


def answer(outputs: Any, count: int | None = None) -> list[tuple[str, bool]]:
    """Encode outputs and decode them as a frontend does."""
    expected = len(outputs) if count is None else count
    frames = [bytes(frame) for frame in results.encode_result(encode_outputs(outputs, expected), expected, 1, 2)]
    decoded = results.decode_result(codec.decode_header(frames[0]), frames[1:], expected)
    return [(text.decode(), failed) for text, failed in decoded]


@pytest.mark.parametrize(
    ("outputs", "texts"),
    [
        (np.array([1, 2], np.int8), ["1", "2"]),
        (np.array([1.0, 2.5], np.float16), ["1.0", "2.5"]),
        (np.array([0.1], np.float32), ["0.1"]),
        (np.array([1.5], ">f8"), ["1.5"]),
        (np.array([1.5], np.longdouble), ["1.5"]),
        (np.arange(6.0)[::2], ["0.0", "2.0", "4.0"]),
        (np.array([[1, 2]]), ["[1,2]"]),
        (np.zeros((1, 2, 1)), ["[[0.0],[0.0]]"]),
        (np.zeros((1, 0)), ["[]"]),
        (np.array(["cat", "7"]), ['"cat"', "7"]),
        (np.array([{"a": 1}, None], object), ['{"a":1}', "null"]),
        ([1, 2], ["1", "2"]),
        ((1.0, 2.0), ["1.0", "2.0"]),
        ([True, False], ["true", "false"]),
        ([1, 2.5, True], ["1", "2.5", "true"]),
        ([2**70], [str(2**70)]),
        ([np.float32(0.1), np.float32(1)], ["0.1", "1.0"]),
        ([np.array([1, 2]), np.array([3, 4])], ["[1,2]", "[3,4]"]),
        ([np.array([0.1], np.float32), np.array([1, 2])], ["[0.1]", "[1,2]"]),
        (["yes", "[1]", '{"a"', 3], ['"yes"', "[1]", '"{\\"a\\""', "3"]),
        ([b"\xff\x00"], ['"/wA="']),
        ([None, {"é": [1.5]}], ["null", '{"é":[1.5]}']),
        ([], []),
    ],
    ids=repr,
)
def test_outputs_of_every_kind_become_json(outputs: Any, texts: list[str]) -> None:
    assert answer(outputs) == [(text, False) for text in texts]


@pytest.mark.parametrize("bad", [float("nan"), float("-inf"), {1, 2}, 1j, ItemError("x"), "\ud800", [[float("nan")]]])
def test_outputs_that_json_cannot_hold_fail_alone(bad: Any) -> None:
    (good, good_failed), (cause, bad_failed) = answer([{"a": 1}, bad])
    assert (good, good_failed, bad_failed) == ('{"a":1}', False, True)
    assert isinstance(json.loads(cause), str)


def test_outputs_item_error_carries_its_cause() -> None:
    assert answer([1.5, ItemError("no digit"), "ok"]) == [("1.5", False), ('"no digit"', True), ('"ok"', False)]


@pytest.mark.parametrize("outputs", [1.0, None, "ab", {"a": 1}, np.float64(1), np.array(1.0), iter([1])], ids=repr)
def test_outputs_that_are_no_list_are_refused(outputs: Any) -> None:
    with pytest.raises(OutputsError, match="predict_batch returned"):
        encode_outputs(outputs, 1)


@pytest.mark.parametrize("outputs", [[1, 2, 3], np.zeros(1), np.zeros((3, 2))], ids=repr)
def test_outputs_of_another_number_are_refused(outputs: Any) -> None:
    with pytest.raises(OutputsError, match="outputs for 2 inputs"):
        encode_outputs(outputs, 2)


def test_outputs_one_typed_array_is_not_copied() -> None:
    array = np.arange(4.0)
    encoded = encode_outputs(array, 4)
    assert encoded.dtype == DType.FLOAT64
    assert np.shares_memory(encoded.frames[0], array)


def test_inputs_view_the_received_frame_and_are_read_only() -> None:
    frames = codec.encode_predict([bytes(16), bytes(16)], DType.FLOAT64, batch_id=1)
    inputs = codec.decode_predict(codec.decode_header(frames[0]), frames[1:]).inputs
    assert isinstance(inputs, np.ndarray)
    assert np.shares_memory(inputs, np.frombuffer(frames[1], np.uint8))
    assert not inputs.flags.writeable
