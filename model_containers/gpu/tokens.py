"""Padding of token sequences: a ragged batch becomes one rectangle of ids and one mask."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from model_containers.gpu.errors import ImageError, PipelineError
from model_containers.gpu.preprocessor import device_number
from model_containers.gpu.resample import Array

MAX_TOKENS: Final = 1 << 20
SIDES: Final = ("right", "left")


class PaddedTokens(NamedTuple):
    """A batch of sequences of one length. Arrays of the namespace that they were computed in."""

    ids: Any  # (kept, length), int64
    mask: Any  # (kept, length), int64: 1 where there is a token, 0 where there is padding
    kept: tuple[int, ...]  # the place in the batch that each row comes from
    errors: dict[int, Exception]  # place in the batch -> what is wrong with that input


@dataclass(frozen=True)
class PadTokens:
    """Pad (and cut) sequences of token ids.

    Parameters
    ----------
    length : int
        Longest length; longer sequences are cut, unless ``truncate`` is False: then they are errors of their own.
    multiple : int
        Pad the batch to a multiple of this that its longest sequence needs, at most ``length``; 0: always to
        ``length``. A multiple of 8 suits tensor cores.
    side : str
        Where padding is put and cuts are made: ``right``, or ``left`` as generating models want.
    """

    length: int
    pad_id: int = 0
    multiple: int = 0
    side: str = "right"
    truncate: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_TOKENS or self.multiple < 0:
            raise PipelineError(
                f"PadTokens to {self.length} by {self.multiple}, expected 1 to {MAX_TOKENS} and 0 or more"
            )
        if self.side not in SIDES:
            raise PipelineError(f"the side of PadTokens is {self.side!r}, expected {' or '.join(SIDES)}")

    def check(self, item: Any) -> Array:
        """Return one sequence as int64.

        Raises
        ------
        ImageError
            It is no sequence of whole numbers, or too long.
        """
        tokens = np.asarray(item)
        if tokens.ndim != 1 or (tokens.dtype.kind not in "iu" and tokens.size):
            raise ImageError(f"the input is of {tokens.dtype} and shape {tokens.shape}, expected a list of token ids")
        if not self.truncate and len(tokens) > self.length:
            raise ImageError(f"the input has {len(tokens)} tokens, at most {self.length} are taken")
        return tokens.astype(np.int64)

    def width(self, longest: int) -> int:
        """Return the width of a batch whose longest sequence has this many tokens."""
        if not self.multiple:
            return self.length
        return max(1, min(self.length, -(-longest // self.multiple) * self.multiple))

    def gather(self, items: Sequence[Any]) -> tuple[Array, Array, int, tuple[int, ...], dict[int, Exception]]:
        """Return the sequences joined, their offsets (kept + 1), the width, which were kept, and what is wrong."""
        sequences, kept, errors = [], [], dict[int, Exception]()
        for place, item in enumerate(items):
            try:
                sequences.append(self.check(item))
                kept.append(place)
            except (ImageError, ValueError, OverflowError) as error:  # numpy refuses nested ragged lists
                errors[place] = error if isinstance(error, ImageError) else ImageError(f"no list of token ids: {error}")
        offsets = np.zeros(len(sequences) + 1, np.int64)
        offsets[1:] = np.cumsum([len(each) for each in sequences])
        joined = np.concatenate(sequences) if sequences else np.zeros(0, np.int64)
        longest = int(max((len(each) for each in sequences), default=0))
        return joined, offsets, self.width(longest), tuple(kept), errors

    def __call__(self, items: Sequence[Any], xp: Any = np) -> PaddedTokens:
        """Pad a batch with any namespace of the array API standard."""
        joined, offsets, width, kept, errors = self.gather(items)
        ids, mask = self.pad(xp, xp.asarray(joined), xp.asarray(offsets), width)
        return PaddedTokens(ids, mask, kept, errors)

    def pad(self, xp: Any, joined: Any, offsets: Any, width: int) -> tuple[Any, Any]:
        """Return ids and mask, (sequences, width) each."""
        starts, lengths = offsets[:-1, None], (offsets[1:] - offsets[:-1])[:, None]
        column = xp.reshape(xp.arange(width, dtype=xp.int64), (1, width))
        if self.side == "right":
            at, is_token = starts + column, column < lengths
        else:
            at, is_token = offsets[1:, None] - width + column, column >= width - lengths
        if int(joined.shape[0]) == 0:
            ids = xp.full(is_token.shape, self.pad_id, dtype=xp.int64)
        else:
            safe = xp.where(is_token, at, xp.zeros_like(at))
            found = xp.reshape(xp.take(joined, xp.reshape(safe, (-1,))), safe.shape)
            ids = xp.where(is_token, found, xp.asarray(self.pad_id, dtype=xp.int64))
        return ids, xp.astype(is_token, xp.int64)


def make_padder(pad: PadTokens, device: str = "cpu") -> Callable[[Sequence[Any]], PaddedTokens]:
    """Return a function that pads batches on ``cpu``, ``cuda`` or ``cuda:NUMBER``.

    Raises
    ------
    PipelineError
        There is no such device, or cupy is not installed; says what to do.
    """
    number = device_number(device)
    if number is None:
        return pad
    padder: Callable[[Sequence[Any]], PaddedTokens]
    padder = importlib.import_module("model_containers.gpu.device_tokens").DevicePadder(pad, number)
    return padder


KERNEL_NAME: Final = "clipper_pad_tokens"
KERNEL_SOURCE: Final = """
extern "C" __global__ void clipper_pad_tokens(const long long* __restrict__ joined,
                                              const long long* __restrict__ offsets, long long* __restrict__ ids,
                                              long long* __restrict__ mask, int count, int width, long long pad_id,
                                              int is_left) {
  const long long total = (long long)count * width;
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x; at < total; at += step) {
    const int row = (int)(at / width);
    const int column = (int)(at - (long long)row * width);
    const long long begin = offsets[row], end = offsets[row + 1];
    const long long from = is_left ? end - width + column : begin + column;
    const bool is_token = from >= begin && from < end;
    ids[at] = is_token ? joined[from] : pad_id;
    mask[at] = is_token;
  }
}
"""
