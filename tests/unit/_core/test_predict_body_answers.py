"""The documented answers of the body parser, one by one: code, place and words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper._core.predict_body import BodyError, parse_binary_body, parse_json_body, validate_json
from clipper.errors import CallerError, InvalidArgumentError

Spec = tuple[str, str | None, tuple[int, ...] | None]

DOUBLES: Spec = ("doubles", None, None)
INTEGERS: Spec = ("integers", None, None)
STRINGS: Spec = ("strings", None, None)
BYTES: Spec = ("bytes", None, None)
PAIR: Spec = ("tensor", "float32", (2,))
GRID: Spec = ("tensor", "int8", (2, 2))

REFUSALS: list[tuple[str, bytes, Spec, str, str]] = [
    ("empty body", b"", DOUBLES, "json_error", "byte 0: found the end of the body, expected a JSON value"),
    ("blank body", b" \n", DOUBLES, "json_error", "byte 2: found the end of the body"),
    ("array", b"[1]", DOUBLES, "wrong_type", "byte 0: found an array, expected a JSON object"),
    ("number", b" 17", DOUBLES, "wrong_type", "byte 1: found 17, expected a JSON object"),
    ("trailing garbage", b'{"input":[1]} x', DOUBLES, "json_error", "byte 14: found 'x', expected the end"),
    ("two documents", b'{"input":[1]}{}', DOUBLES, "json_error", "byte 13: found '{'"),
    ("NUL after the end", b'{"input":[1]}\0', DOUBLES, "json_error", "byte 13: found the byte 0x00"),
    ("NUL in a string", b'{"input":"a\0b"}', STRINGS, "json_error", "byte 11: found the byte 0x00"),
    ("byte order mark", b'\xef\xbb\xbf{"input":[1]}', DOUBLES, "json_error", "byte 0: found the byte 0xEF"),
    ("invalid UTF-8 skipped", b'{"x":"\xc0\xaf","input":[1]}', DOUBLES, "bad_encoding", "byte 6: found the byte 0xC0"),
    ("invalid UTF-8 after a fault", b'{"input":[x],"y":"\xff"}', DOUBLES, "bad_encoding", "byte 18"),
    ("lone surrogate", b'{"input":"ab\\ud800"}', STRINGS, "bad_encoding", "byte 12: found a lone surrogate"),
    ("NaN", b'{"input":[1,NaN]}', DOUBLES, "json_error", "byte 12: found 'N', expected a JSON value (JSON has no NaN"),
    ("Infinity", b'{"input":[-Infinity]}', DOUBLES, "json_error", "byte 11: found 'I', expected a digit"),
    ("no leading digit", b'{"input":[.5]}', DOUBLES, "json_error", "byte 10: found '.'"),
    ("leading zero", b'{"input":[01]}', DOUBLES, "json_error", "byte 11: found '1', expected no digit after a"),
    ("trailing comma", b'{"input":[1,]}', DOUBLES, "json_error", "byte 12: found ']'"),
    ("unclosed", b'{"input":[1', DOUBLES, "json_error", "byte 11: found the end of the body, expected ',' or ']'"),
    ("nesting", b'{"x":' + b"[" * 10_000_000, DOUBLES, "too_deep", "byte 260: found '[', expected arrays and objects"),
    ("no input", b'{"inputs":[1]}', DOUBLES, "missing_input", 'expected "input" or "input_batch"'),
    ("both inputs", b'{"input":[1],"input_batch":[]}', DOUBLES, "ambiguous_input", "byte 13"),
    ("input twice", b'{"input":[1],"\\u0069nput":[2]}', DOUBLES, "duplicate_key", "byte 13"),
    ("uid and context", b'{"uid":1,"context":"a"}', DOUBLES, "duplicate_key", "byte 9"),
    (
        "string element",
        b'{"input":[1,"2"]}',
        DOUBLES,
        "wrong_type",
        "element 1, byte 12: found a string, expected a nu",
    ),
    ("null element", b'{"input":[null]}', DOUBLES, "wrong_type", "element 0, byte 10: found null"),
    ("boolean as a number", b'{"input":[true]}', INTEGERS, "wrong_type", "found true, expected an integer literal"),
    ("fraction", b'{"input":[1.0]}', INTEGERS, "wrong_type", "found 1.0, expected an integer literal (no fraction"),
    ("exponent", b'{"input":[1e3]}', INTEGERS, "wrong_type", "found 1e3, expected an integer literal"),
    ("int32 overflow", b'{"input":[2147483648]}', INTEGERS, "out_of_range", "found 2147483648"),
    ("double overflow", b'{"input":[1e309]}', DOUBLES, "out_of_range", "found 1e309"),
    ("float32 overflow", b'{"input":[0,3.5e38]}', PAIR, "out_of_range", "element 1, byte 12: found 3.5e38"),
    (
        "item of a batch",
        b'{"input_batch":[[1],[2,{}]]}',
        DOUBLES,
        "wrong_type",
        "input_batch item 1, element 1, byte 23",
    ),
    ("batch of a scalar", b'{"input_batch":1}', DOUBLES, "wrong_type", "byte 15: found 1, expected an array of inputs"),
    ("too short", b'{"input":[1]}', PAIR, "wrong_length", "byte 11: found 1 elements, expected 2"),
    (
        "too long a vector",
        b'{"input":[1,2,3]}',
        PAIR,
        "wrong_length",
        "element 2, byte 14: found 3, expected 2 elements",
    ),
    ("short row", b'{"input":[[1,2],[3]]}', GRID, "wrong_length", "found 1 elements, expected 2"),
    ("missing row", b'{"input":[[1,2]]}', GRID, "wrong_length", "found 1 arrays, expected 2"),
    ("mixed tensor", b'{"input":[[1,2],3]}', GRID, "wrong_type", "found 3, expected an array"),
    ("bad base64", b'{"input":"QUJ"}', BYTES, "bad_base64", "multiple of 4"),
    ("bad base64 symbol", b'{"input":"QU_J"}', BYTES, "bad_base64", "a fault at symbol 2"),
    ("bad base64 bits", b'{"input":"QR=="}', BYTES, "bad_base64", "unused bits"),
    ("version", b'{"version":1.5,"input":[1]}', DOUBLES, "wrong_type", "found 1.5, expected a string or an integer"),
    ("slo_us of zero", b'{"slo_us":0}', DOUBLES, "out_of_range", 'found 0, expected "slo_us" as a positive integer'),
    ("slo_us as a text", b'{"slo_us":"1"}', DOUBLES, "wrong_type", 'found a string, expected "slo_us"'),
]


@pytest.mark.parametrize(("body", "spec", "code", "words"), [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refused_body_names_code_place_and_expectation(body: bytes, spec: Spec, code: str, words: str) -> None:
    with pytest.raises(BodyError) as refusal:
        parse_json_body(body, *spec)
    assert refusal.value.code == code
    assert words in refusal.value.cause
    assert refusal.value.http_status == 400 and isinstance(refusal.value, CallerError)


def test_accepted_body_gives_typed_data_and_options() -> None:
    body = parse_json_body(b' {"input_batch":[[1,-2.5],[1e2]],"version":2,"uid":"u\\u00e9","slo_us":7} ', "doubles")
    assert np.frombuffer(body.data).tolist() == [1.0, -2.5, 100.0]
    assert body.offsets == [0, 16, 24]
    assert (body.is_batch, body.version, body.context, body.slo_us) == (True, "2", "u\u00e9", 7)


def test_batch_of_one_stays_a_batch_and_an_empty_batch_is_one() -> None:
    assert parse_json_body(b'{"input_batch":[[1]]}', "doubles").is_batch
    assert parse_json_body(b'{"input_batch":[]}', "doubles").offsets == [0]


def test_limits_refuse_with_their_own_codes() -> None:
    cases: list[tuple[bytes, dict[str, Any], str]] = [
        (b'{"input_batch":["","",""]}', {"max_items": 2}, "too_many_items"),
        (b'{"input":"abc"}', {"max_string_bytes": 2}, "too_long"),
        (b'{"version":"abc","input":""}', {"max_label_bytes": 2}, "too_long"),
        (b'{"context":123,"input":""}', {"max_label_bytes": 2}, "too_long"),
    ]
    for body, limits, code in cases:
        with pytest.raises(BodyError) as refusal:
            parse_json_body(body, "strings", **limits)
        assert refusal.value.code == code


def test_binary_body_is_taken_as_it_is_when_its_length_fits() -> None:
    data = np.array([[1.5, np.nan], [2.5, np.inf]], np.float32).tobytes()
    body = parse_binary_body(data, "tensor", "float32", (2,), clipper_batch=2)
    assert (body.data, body.offsets, body.is_batch) == (data, [0, 8, 16], True)
    with pytest.raises(BodyError, match=r"the body has 16 bytes, expected 1 input\(s\) of 2 elements of 4 bytes"):
        parse_binary_body(data, "tensor", "float32", (2,))
    with pytest.raises(BodyError, match="declares no shape"):
        parse_binary_body(data, "floats")


def test_every_float16_is_read_back_from_its_shortest_text() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    text = '{"input":[' + ",".join(repr(float(half)) for half in halves) + "]}"
    parsed = np.frombuffer(parse_json_body(text.encode(), "tensor", "float16", (len(halves),)).data, np.uint16)
    assert np.array_equal(parsed, halves.view(np.uint16))


def test_specs_that_contradict_themselves_are_refused_by_the_wrapper() -> None:
    for spec in [
        ("tensors", None, None),
        ("tensor", "float32", None),
        ("integers", "int64", None),
        ("doubles", None, (0,)),
    ]:
        with pytest.raises(InvalidArgumentError):
            parse_json_body(b"{}", *spec)


def test_validation_knows_one_value_from_none_and_from_two() -> None:
    assert validate_json(b' {"a": [1, "x", null]} ')
    assert not validate_json(b"") and not validate_json(b"1 2") and not validate_json(b"NaN")
