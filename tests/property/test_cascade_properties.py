"""Cascades: what an output says of its own confidence, and which stage answers, against obvious twins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.gather_probe import GatherProbe, confidence_of, features_of
from clipper.selection.confidence import output_confidence

NUMBERS = st.one_of(st.floats(-1.5, 1.5), st.integers(-1, 2), st.floats(allow_nan=False, allow_infinity=False))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.just("confidence"), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=8,
)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def twin(output: Any) -> float | None:
    """Return the number under "confidence" of an object, or the largest of a flat array; in 0..1, or it is none."""
    if isinstance(output, dict):
        named = [output["confidence"]] if "confidence" in output else []
    else:
        named = output if isinstance(output, list) else []
    if not named or not all(is_number(one) and 0 <= one <= 1 for one in named):
        return None
    return float(max(named))


@given(JSON, st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_confidence_of_an_output_is_what_it_says_itself(
    output: Any, indent: int | None, marks: tuple[str, str]
) -> None:
    assert confidence_of(json.dumps(output, indent=indent, separators=marks).encode()) == twin(output)
    assert output_confidence(output) == twin(output), "what policies learn from is what the core goes by"


@given(st.lists(NUMBERS, max_size=6), st.booleans())
def test_confidence_of_a_flat_array_is_its_largest_probability(values: list[float], nests: bool) -> None:
    output: list[Any] = [*values, [0.5]] if nests else values
    assert confidence_of(json.dumps(output).encode()) == twin(output)


@pytest.mark.parametrize(
    ("output", "confidence"),
    [
        ('{"confidence": 0.25, "confidence": 0.75}', 0.75),  # as every JSON reader has it
        ('{"label": {"confidence": 0.9}}', None),
        ('{"label": "confidence", "x": 0.9}', None),
        ('{"confidence": "0.9"}', None),
        ('{"confidence": 1.0000001}', None),
        ('{"confidence": -0.0}', 0.0),
        ("[12.5, -3]", None),  # logits
        ("[]", None),
        ("{}", None),
        ("0.9", None),
        ('"cat"', None),
        ("[0.1, 0.7 , 0.2]", 0.7),
    ],
)
def test_confidence_that_is_none_is_unknown(output: str, confidence: float | None) -> None:
    assert confidence_of(output.encode()) == confidence


STAGES = st.lists(st.one_of(st.none(), st.just("unsaid"), st.floats(0.0, 1.0)), min_size=1, max_size=5)


@given(STAGES, st.data())
def test_cascade_asks_on_until_a_stage_is_sure_and_answers_with_the_last_output(
    stages: list[str | float | None], data: st.DataObject
) -> None:
    """None: the stage fails; a text: it does not say how sure it is."""
    thresholds = data.draw(st.lists(st.floats(0.0, 2.0), min_size=len(stages) - 1, max_size=len(stages) - 1))
    probe = GatherProbe("cascade", len(stages), thresholds=thresholds)
    shown: float | str | None = None
    for index, stage in enumerate(stages):
        if stage is None:
            probe.miss(index, "model_error")
        else:
            shown = stage
            probe.answer(index, json.dumps({"confidence": stage} if isinstance(stage, float) else stage).encode())
        is_sure = isinstance(stage, float) and index < len(thresholds) and stage >= thresholds[index]
        is_last = index == len(stages) - 1
        assert probe.passes_on() == (not is_sure and not is_last)
        if is_sure or is_last:
            break
        probe.ask_next()
    output, confidence, failure = probe.combine()
    assert failure is None
    if shown is None:
        assert output is None
    else:
        assert output == json.dumps({"confidence": shown} if isinstance(shown, float) else shown).encode()
        assert confidence == (shown if isinstance(shown, float) else 1.0)
        passed_over = stage is None and shown is not None  # the last one asked failed: an earlier output answers
        assert probe.kind() == ("partial" if passed_over else "complete")


DTYPES = {
    "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float16": "e", "float32": "f", "float64": "d", "bool": "?",
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@given(st.binary(min_size=8, max_size=64).map(lambda raw: raw[: len(raw) // 8 * 8]))
def test_row_of_features_holds_the_elements_as_numpy_reads_them(dtype: str, data: bytes) -> None:
    import numpy as np

    if dtype == "bool":
        data = bytes(byte & 1 for byte in data)
    expected = np.frombuffer(data, dtype).astype(np.float64)
    row = features_of(data, dtype)
    if np.isfinite(expected).all():
        assert row is not None and np.array_equal(expected, row)
    else:
        assert row is None
