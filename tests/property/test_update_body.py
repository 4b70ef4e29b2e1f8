"""The scanner of feedback and its twin, which reads the same with Python's JSON, say the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clipper._core.predict_body import BodyError
from clipper._core.update_body import parse_update_body

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 2**54), st.floats(-2, 2), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)
keys = st.sampled_from(["query_id", "input", "label", "reward", "context", "x", "input_batch"])
members = st.lists(
    st.one_of(
        st.tuples(keys, values),
        st.tuples(st.just("query_id"), st.integers(0, 2**53)),
        st.tuples(st.just("reward"), st.floats(0, 1)),
    ),
    max_size=4,
)
MAX_LABEL_BYTES = 12


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def twin(pairs: list[tuple[str, Any]], text_of: Any) -> str | tuple[Any, bytes | None, Any]:
    """Return the error code, or (query_id, label, reward)."""
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key == "input_batch":
            return "no_batch_form"
        if key not in ("query_id", "input", "label", "reward"):
            continue
        if key in seen:
            return "duplicate_key"
        seen[key] = value
        if {"query_id", "input"} <= set(seen):
            return "ambiguous_query"
        if {"label", "reward"} <= set(seen):
            return "ambiguous_feedback"
        if key == "query_id":
            if isinstance(value, bool) or not isinstance(value, int):
                return "wrong_type"
            if not 0 <= value < 2**53:
                return "out_of_range"
        elif key == "reward":
            if not is_number(value):
                return "wrong_type"
            if not 0 <= value <= 1:
                return "out_of_range"
        elif key == "label":
            if value is None:
                return "wrong_type"
            if len(text_of(value)) > MAX_LABEL_BYTES:
                return "too_long"
    if not {"query_id", "input"} & set(seen):
        return "missing_query"
    if not {"label", "reward"} & set(seen):
        return "missing_feedback"
    if {"input", "reward"} <= set(seen):
        return "label_required"
    return seen.get("query_id"), text_of(seen["label"]) if "label" in seen else None, seen.get("reward")


def parse(body: bytes) -> str | tuple[Any, bytes | None, Any]:
    try:
        parsed = parse_update_body(body, max_label_bytes=MAX_LABEL_BYTES)
    except BodyError as error:
        return error.code if error.cause else "no cause"
    return parsed.query_id, parsed.label, parsed.reward


@given(members, st.sampled_from(["", " ", "\n\t"]), st.booleans())
def test_update_body_is_read_as_python_reads_it(pairs: list[tuple[str, Any]], space: str, escapes: bool) -> None:
    def text_of(value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=escapes).encode("utf-8", "surrogatepass")

    def key_of(key: str) -> bytes:
        return b'"' + b"".join(b"\\u%04x" % ord(c) for c in key) + b'"' if escapes else json.dumps(key).encode()

    gap = space.encode()
    parts = [gap + key_of(key) + gap + b":" + gap + text_of(value) + gap for key, value in pairs]
    assert parse(gap + b"{" + gap + b",".join(parts) + b"}" + gap) == twin(pairs, text_of)


@given(st.binary(max_size=40), st.integers(0, 60))
def test_update_body_of_any_bytes_is_answered_with_a_code_and_a_cause(noise: bytes, cut: int) -> None:
    whole = b'{"query_id":12,"label":{"a":[1,2,"x"]},"z":null}'
    for body in (noise, whole[:cut] + noise + whole[cut:], whole[:cut]):
        answer = parse(body)
        try:
            is_json = isinstance(json.loads(body.decode(), parse_constant=lambda name: 1 / 0), dict)
        except (ValueError, ZeroDivisionError, RecursionError):
            is_json = False
        if isinstance(answer, tuple):
            assert is_json
