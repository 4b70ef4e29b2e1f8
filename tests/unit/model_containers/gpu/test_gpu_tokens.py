"""Padding of token sequences, against a loop that anyone can read; the kernel and the strict namespace do the same."""

from __future__ import annotations

import sys
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_containers.gpu.errors import PipelineError
from model_containers.gpu.tokens import MAX_TOKENS, PadTokens, make_padder
from tests.support.fake_cupy import FakeCupy
from tests.support.kernel_on_cpu import run_token_kernel

SEQUENCES = st.lists(st.lists(st.integers(-(2**40), 2**40), max_size=12), max_size=8)
PADS = st.builds(
    PadTokens,
    st.integers(1, 10),
    pad_id=st.integers(-5, 5),
    multiple=st.sampled_from([0, 1, 4]),
    side=st.sampled_from(["left", "right"]),
    truncate=st.booleans(),
)


def twin(pad: PadTokens, sequences: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Return ids and masks, row by row."""
    kept = [each for each in sequences if pad.truncate or len(each) <= pad.length]
    width, ids, mask = pad.width(max(map(len, kept), default=0)), [], []
    for each in kept:
        cut = each[:width] if pad.side == "right" else each[max(0, len(each) - width) :]
        filling, zeros = [pad.pad_id] * (width - len(cut)), [0] * (width - len(cut))
        ids.append(cut + filling if pad.side == "right" else filling + cut)
        mask.append([1] * len(cut) + zeros if pad.side == "right" else zeros + [1] * len(cut))
    return ids, mask


@given(pad=PADS, sequences=SEQUENCES)
def test_every_way_to_pad_does_what_the_loop_does(pad: PadTokens, sequences: list[list[int]]) -> None:
    ids, mask = twin(pad, sequences)
    for namespace in (np, array_api_strict):
        found = pad(sequences, namespace)
        assert (np.asarray(found.ids).tolist(), np.asarray(found.mask).tolist()) == (ids, mask)
    of_kernel: Any = run_token_kernel(pad, sequences)
    assert (of_kernel[0].tolist(), of_kernel[1].tolist()) == (ids, mask)


def test_padder_on_a_device_does_what_numpy_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy())
    pad = PadTokens(5, pad_id=9, side="left")
    items: list[Any] = [[1, 2, 3], [], "text", list(range(8))]
    wanted, found = make_padder(pad)(items), make_padder(pad, "cuda")(items)
    assert (found.kept, list(found.errors)) == (wanted.kept, [2])
    assert (found.ids.tolist(), found.mask.tolist()) == (wanted.ids.tolist(), wanted.mask.tolist())
    assert make_padder(pad, "cuda")([]).ids.shape == (0, 5)


@pytest.mark.parametrize("item", [[1.5], "text", [[1, 2]], [[1], [2, 3]], None, [2**70], np.zeros((2, 2), np.int32)])
def test_what_is_no_list_of_token_ids_fails_alone(item: Any) -> None:
    found = PadTokens(3)([[1], item, [2, 3]])
    assert found.kept == (0, 2) and "token ids" in str(found.errors[1])
    assert found.ids.tolist() == [[1, 0, 0], [2, 3, 0]]


def test_sequence_beyond_the_limit_is_cut_or_refused_as_was_said() -> None:
    assert PadTokens(3)([[1, 2, 3, 4]]).ids.tolist() == [[1, 2, 3]]
    found = PadTokens(3, truncate=False)([[1, 2, 3], [1, 2, 3, 4]])
    assert found.kept == (0,) and "4 tokens, at most 3" in str(found.errors[1])


def test_batch_is_as_wide_as_its_longest_sequence_needs() -> None:
    pad = PadTokens(20, multiple=8)
    assert [pad.width(longest) for longest in (0, 1, 8, 9, 17, 99)] == [1, 8, 8, 16, 20, 20]


@pytest.mark.parametrize(("length", "multiple"), [(0, 0), (MAX_TOKENS + 1, 0), (1, -1)])
def test_length_out_of_range_is_refused(length: int, multiple: int) -> None:
    with pytest.raises(PipelineError, match=f"expected 1 to {MAX_TOKENS}"):
        PadTokens(length, multiple=multiple)
    with pytest.raises(PipelineError, match="expected right or left"):
        PadTokens(1, side="top")
