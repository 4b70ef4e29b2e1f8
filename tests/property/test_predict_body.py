"""The compiled body parser and its plain twin give the same answer to whatever hypothesis can think of."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipper._core import predict_body
from clipper._core.predict_body import BodyError
from tests.support import predict_body_twin as twin

Spec = tuple[str, str | None, tuple[int, ...] | None]
Answer = tuple[Any, ...]

NUMERIC_DTYPES = [
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "bool",
]
SPECS: list[Spec] = [
    ("integers", None, None),
    ("integers", None, (3,)),
    ("floats", None, None),
    ("doubles", None, None),
    ("doubles", None, (2, 2)),
    ("strings", None, None),
    ("strings", None, (4,)),
    ("bytes", None, None),
    ("bytes", None, (3,)),
    *(("tensor", dtype, (2,)) for dtype in NUMERIC_DTYPES),
    ("tensor", "float32", (2, 1, 2)),
    ("tensor", "uint8", (2, 2)),
]


def answer_of(parse: Any, *args: Any, **options: Any) -> Answer:
    try:
        body = parse(*args, **options)
    except (BodyError, twin.RefusedError) as error:
        return ("refused", error.code)
    return (body.data, body.offsets, body.is_batch, body.version, body.context, body.slo_us)


def check_same(body: bytes, spec: Spec, **options: Any) -> Answer:
    answer = answer_of(predict_body.parse_json_body, body, *spec, **options)
    assert answer == answer_of(twin.parse_json_body, body, *spec, **options), (body, spec)
    return answer


# -- documents -----------------------------------------------------------------------------------------------------

specs = st.sampled_from(SPECS)
spaces = st.text(" \t\n\r", max_size=3)
digits = st.text("0123456789", max_size=24)
near_numbers = st.one_of(
    st.tuples(
        st.sampled_from(["", "-", "-", "+", "--"]),
        st.sampled_from(["0", "1", "9", "00", "", "0", "12"]),
        digits,
        st.sampled_from(["", ".", ".", ".."]),
        digits,
        st.sampled_from(["", "", "", "e", "E", "e+", "e-", "E-", "ee"]),
        st.text("0123456789", max_size=4),
    ).map("".join),
    st.sampled_from(
        [
            "NaN",
            "Infinity",
            "-Infinity",
            "nan",
            "inf",
            "0x10",
            "1_000",
            "１",
            "1f",
            ".5",
            "1.",
            "-",
            "1e",
            "-0",
            "-0.0",
            "1e400",
            "1e-400",
        ]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(2**65), 2**65).map(str),
    st.sampled_from([2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**63, 2**64]).flatmap(
        lambda edge: st.sampled_from([str(sign * edge + step) for sign in (1, -1) for step in (-1, 0, 1)])
    ),
)
escapes = st.one_of(
    st.sampled_from(
        [
            r"\"",
            r"\\",
            r"\/",
            r"\b",
            r"\f",
            r"\n",
            r"\r",
            r"\t",
            r"\x",
            r"\u12",
            r"\u12g4",
            r"\ud83d\ude00",
            r"\ud800",
            r"\udc00\ud800",
            r"\u0000",
            "\\",
        ]
    ),
    st.integers(0, 0xFFFF).map(lambda unit: f"\\u{unit:04x}"),
    st.integers(0xD700, 0xE0FF).map(lambda unit: f"\\u{unit:04X}"),
)
plain_text = st.text(st.characters(codec="utf-8", exclude_characters='"\\', min_codepoint=0x20), max_size=12)
string_texts = st.lists(st.one_of(plain_text, escapes), max_size=5).map(lambda parts: '"' + "".join(parts) + '"')
base64_texts = st.binary(max_size=7).map(lambda data: '"' + base64.b64encode(data).decode() + '"') | st.text(
    "Aa+/=-_ ", max_size=9
).map(lambda text: '"' + text + '"')
scalars = st.one_of(
    near_numbers, string_texts, base64_texts, st.sampled_from(["true", "false", "null", "tru", "nulll", ""])
)


def spaced(parts: list[str], pads: list[str]) -> str:
    return "".join(pad + part for part, pad in zip(parts, pads, strict=False))


@st.composite
def lists_of(draw: st.DrawFn, elements: st.SearchStrategy[str], brackets: str = "[]", max_size: int = 5) -> str:
    separator = draw(st.sampled_from([",", ",", ",", ", ", "\n,\t", ",,", ";"]))
    return (
        brackets[0]
        + draw(spaces)
        + separator.join(draw(st.lists(elements, max_size=max_size)))
        + draw(spaces)
        + brackets[1]
    )


@st.composite
def members(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    names = [
        "input",
        "input_batch",
        "version",
        "context",
        "uid",
        "slo_us",
        "other",
        "",
        "Input",
        "inpu\\u0074",
        "\\u0069nput_batch",
        "\\ud800",
    ]
    name = draw(st.sampled_from(names) | st.just("input"))
    return f'"{name}"{draw(spaces)}:{draw(spaces)}{draw(values)}'


values = st.recursive(scalars, lambda inner: lists_of(inner) | lists_of(members(inner), "{}"), max_leaves=12)
documents = lists_of(members(values | lists_of(near_numbers) | lists_of(lists_of(near_numbers))), "{}", max_size=4)

json_numbers = st.integers(-300, 300) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
json_inputs = st.one_of(
    st.lists(json_numbers, max_size=6),
    st.lists(st.lists(json_numbers, min_size=2, max_size=2), min_size=2, max_size=2),
    st.text(max_size=6),
    st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode()),
)
json_values = st.recursive(
    st.none() | json_numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def valid_documents(draw: st.DrawFn) -> bytes:
    """Well-formed JSON, often acceptable for some input type."""
    content: dict[str, object] = {}
    content[draw(st.text(max_size=5))] = draw(json_values)
    if draw(st.booleans()):
        content["input"] = draw(json_inputs)
    else:
        content["input_batch"] = draw(st.lists(json_inputs, max_size=3))
    optional: dict[str, st.SearchStrategy[object]] = {
        "version": st.text(max_size=4) | st.integers(),
        "uid": st.text(max_size=4) | st.integers(),
        "slo_us": st.integers(-1, 2**54),
    }
    for name in draw(st.sets(st.sampled_from(sorted(optional)), max_size=2)):
        content[name] = draw(optional[name])
    text = json.dumps(content, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    return text.encode("utf-8", "surrogatepass")


# -- properties ----------------------------------------------------------------------------------------------------


@given(valid_documents(), specs)
@example(b'{"input": []}', ("doubles", None, None))
@example(b'{"input_batch": []}', ("doubles", None, None))
@example(b'{"input": [[1, 2], [3, 4]]}', ("doubles", None, (2, 2)))
@example(b'{"input": [1, 2, 3, 4]}', ("doubles", None, (2, 2)))
@example(b'{"input": [[1, 2], [3]]}', ("doubles", None, (2, 2)))
@example(b'{"input": [[1, 2], 3]}', ("doubles", None, (2, 2)))
@example(b'{"input": [[1, 2], [3, 4], []]}', ("doubles", None, (2, 2)))
@example(b'{"input": [[], []]}', ("doubles", None, (2, 2)))
@example(b'{"input": [1, [2]]}', ("doubles", None, (2, 2)))
@example(b'{"input": [true, false]}', ("tensor", "bool", (2,)))
@example(b'{"input": [-0, 1]}', ("tensor", "bool", (2,)))
@example(b'{"input": [-0.0, -0]}', ("tensor", "float16", (2,)))
def test_parser_on_valid_documents_answers_as_its_twin(body: bytes, spec: Spec) -> None:
    check_same(body, spec)


@given(documents, specs)
@example('{"input":[1],"input":[1]}', ("doubles", None, None))
@example('{"uid":1,"context":"1"}', ("doubles", None, None))
@example('{"input":[1],"input_batch":[[1]]}', ("doubles", None, None))
@example('{"input":["x"],"y":}', ("doubles", None, None))
def test_parser_on_nearly_valid_documents_answers_as_its_twin(document: str, spec: Spec) -> None:
    check_same(document.encode("utf-8", "surrogatepass"), spec)


@given(valid_documents() | documents.map(str.encode), specs, st.data())
def test_parser_on_flipped_bytes_answers_as_its_twin(body: bytes, spec: Spec, data: st.DataObject) -> None:
    mutated = bytearray(body)
    for index in data.draw(st.lists(st.integers(0, max(0, len(body) - 1)), min_size=1, max_size=3)):
        if mutated:
            mutated[index] = data.draw(st.integers(0, 255) | st.sampled_from(b'[]{},:"\\0123456789.-+eE \x00\xef'))
    check_same(bytes(mutated), spec)


@given(st.lists(near_numbers, max_size=5), st.sampled_from(NUMERIC_DTYPES), spaces)
@example(["2049e-1", "65519.99999999999999999"], "float16", "")
@example(["65520", "0"], "float16", "")
@example(["2.98023223876953125e-8", "2.980232238769531251e-8"], "float16", "")
@example(["1.00048828125", "1.0004882812500000000000000000000000001"], "float16", "")
@example(["3.4028235677973366e38", "0"], "float32", "")
@example(["3.4028235677973365e38", "1.00000005960464477539062500000000001"], "float32", "")
@example(["1.000000059604644775390625", "7.006492321624085e-46"], "float32", "")
@example(["9007199254740993", "9007199254740993.0000000000000000000000000000001"], "float64", "")
@example(["4.9e-324", "2.4703282292062327e-324"], "float64", "")
@example(["18446744073709551615", "18446744073709551616"], "uint64", "")
@example(["-9223372036854775808", "-9223372036854775809"], "int64", "")
def test_numbers_convert_as_the_twin_converts_them(texts: list[str], dtype: str, space: str) -> None:
    body = ('{"input":[' + ",".join(space + text + space for text in texts) + "]}").encode()
    for count in {max(1, len(texts)), 2}:
        check_same(body, ("tensor", dtype, (count,)))


@given(
    string_texts | base64_texts,
    st.sampled_from(["strings", "bytes"]),
    st.sampled_from(["input", "version", "uid", "other"]),
    st.integers(0, 30),
)
@example(r'"\ud800"', "strings", "other", 30)
@example(r'"\ud800"', "strings", "version", 30)
@example('"QQ=="', "bytes", "input", 30)
@example('"QR=="', "bytes", "input", 30)
@example('"="', "bytes", "input", 30)
@example('"QUI="', "bytes", "input", 1)
def test_strings_decode_as_the_twin_decodes_them(text: str, input_type: str, name: str, max_bytes: int) -> None:
    body = f'{{"{name}":{text},"input_batch":["",""]}}'.encode("utf-8", "surrogatepass")
    check_same(body, (input_type, None, None), max_string_bytes=max_bytes, max_label_bytes=max_bytes)
    check_same(
        f'{{"{name}":{text}}}'.encode("utf-8", "surrogatepass"), (input_type, None, None), max_string_bytes=max_bytes
    )


@given(
    st.text('[]{}:,"1a \\', max_size=20), st.integers(60, 68), st.sampled_from(["[", '{"k":', '[{"k":']), st.booleans()
)
@example("", 63, "[", True)
@example("", 64, "[", True)
@example("{[", 63, "[", False)
def test_deep_nesting_is_refused_as_the_twin_refuses_it(tail: str, levels: int, opening: str, closed: bool) -> None:
    closing = {"[": "]", '{"k":': "}", '[{"k":': "}]"}[opening]
    value = opening * levels + ("0" + closing * levels if closed else "")
    check_same(f'{{"other":{value}{tail},"input":[1]}}'.encode(), ("doubles", None, None), max_depth=64)


@given(st.integers(0, 5), st.integers(0, 4))
def test_batches_above_the_limit_are_refused_as_the_twin_refuses_them(items: int, max_items: int) -> None:
    body = json.dumps({"input_batch": [[float(i)] for i in range(items)]}).encode()
    check_same(body, ("doubles", None, None), max_items=max_items)


@given(documents | values, st.binary(max_size=6))
@example("[" * 256 + "]" * 256, b"")
@example("[" * 257 + "]" * 257, b"")
@example('"\\ud800"', b"")
@example("\ufeff1", b"")
def test_validation_agrees_with_the_twin(text: str, tail: bytes) -> None:
    for document in (text.encode("utf-8", "surrogatepass"), text.encode("utf-8", "surrogatepass") + tail, tail):
        assert predict_body.validate_json(document) == twin.validate_json(document), document


@given(
    st.binary(max_size=40) | st.binary(max_size=40).map(lambda data: bytes(byte & 1 for byte in data)),
    st.sampled_from(SPECS),
    st.integers(0, 5),
    st.integers(1, 4),
)
@example(b"\x01\x00\x01\x00", ("tensor", "bool", (2,)), 2, 4)
@example(b"\x01\x02", ("tensor", "bool", (2,)), 0, 4)
def test_binary_bodies_are_answered_as_by_the_twin(body: bytes, spec: Spec, clipper_batch: int, max_items: int) -> None:
    options = {"clipper_batch": clipper_batch, "max_items": max_items}
    assert answer_of(predict_body.parse_binary_body, body, *spec, **options) == answer_of(
        twin.parse_binary_body, body, *spec, **options
    )


TRUNCATED = [
    (b'{"input":[0.125,-1e3 , 17],"version":"2","slo_us":20000}', ("doubles", None, None)),
    (
        b' { "other" : {"a":[1,{"b":null}],"c":"\\ud83d\\ude00"} , "\\u0069nput_batch" : [[1,2],[3,4]] } ',
        ("tensor", "int8", (2,)),
    ),
    ('{"input":"na\u00efve \\u00e9 \U0001f600","uid":12}'.encode(), ("strings", None, None)),
    (b'{"context":"user","input":"AAECAwQ="}', ("bytes", None, None)),
    (b'{"input":[[[1],[2]],[[3],[4]]],"x":[true,false,null,-0.5E+10]}', ("tensor", "float16", (2, 2, 1))),
]


@pytest.mark.parametrize(("body", "spec"), TRUNCATED, ids=[spec[0] for _, spec in TRUNCATED])
def test_truncation_at_every_byte_is_answered_as_by_the_twin(body: bytes, spec: Spec) -> None:
    assert check_same(body, spec)[0] != "refused"
    for length in range(len(body)):
        expected = "bad_encoding" if spec[0] == "strings" and not _is_utf8(body[:length]) else "json_error"
        assert check_same(body[:length], spec) == ("refused", expected) or body[:length].rstrip() == body.rstrip()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
