"""Encode and decode RPC messages, both directions, in plain Python.

A container decodes PREDICT here and encodes its answers in ``results``; the frontend's side is here too, because the
two modules are the oracle that the compiled codec (``clipper/_core/rpc_codec.hpp``) is tested against. A frame is
``bytes``, a ``bytearray`` or a ``memoryview``; nothing that a peer sends is trusted: every length and offset is checked
before it is used.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from model_containers import wire
from model_containers.wire import DType, ErrorCode, Flag, MessageType, WireStatus

Frame: TypeAlias = bytes | bytearray | memoryview
Array: TypeAlias = npt.NDArray[Any]
Inputs: TypeAlias = Array | list[Array] | list[str] | list[bytes]

NUMPY_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    int(dtype): np.dtype(dtype.name.lower()).newbyteorder("<") for dtype in DType if DType.INT8 <= dtype <= DType.BOOL
}
# Plain integers for the hot path: an operation on an enum costs as much as decoding the header.
_ELEMENT_BYTES: Final = tuple(wire.DTYPE_BYTES[dtype] for dtype in DType)
_LAST_DTYPE: Final = int(max(DType))
_FORBIDDEN_FLAGS: Final = (0xFFFF, *(0xFFFF & ~int(wire.ALLOWED_FLAGS[kind]) for kind in MessageType))


class WireError(Exception):
    """A message cannot be decoded.

    Parameters
    ----------
    status : WireStatus
        Which check failed; the compiled codec gives the same one.
    cause : str
        What was found and what was expected.
    """

    def __init__(self, status: WireStatus, cause: str) -> None:
        super().__init__(f"{status.name}: {cause}")
        self.status = status
        self.cause = cause


class Header(NamedTuple):
    """The header's fields, in the order of ``wire.FIELDS``."""

    magic: bytes
    version: int
    type: int
    dtype: int
    flags: int
    code: int
    item_count: int
    batch_id: int
    elements_per_item: int
    budget_us: int
    compute_us: int


class PredictRequest(NamedTuple):
    """One decoded PREDICT.

    ``inputs`` is a read-only array of shape (batch, dim), or (batch, \\*shape) for tensors, that views the received
    frame without a copy; or a list of 1-D arrays (ragged), of ``str``, or of ``bytes``.
    """

    batch_id: int
    item_count: int
    budget_us: int
    inputs: Inputs


def encode_header(
    type: MessageType,
    *,
    dtype: int = 0,
    flags: int = 0,
    code: int = 0,
    item_count: int = 0,
    batch_id: int = 0,
    elements_per_item: int = 0,
    budget_us: int = 0,
    compute_us: int = 0,
) -> bytes:
    """Return the ``HEADER_BYTES`` bytes of a header of this version."""
    return wire.HEADER.pack(
        wire.MAGIC,
        wire.VERSION,
        type,
        dtype,
        flags,
        code,
        item_count,
        batch_id,
        elements_per_item,
        budget_us,
        compute_us,
    )


def decode_header(frame: Frame) -> Header:
    """Read and check a header.

    Raises
    ------
    WireError
        If the frame is no header of this version. With ``BAD_VERSION`` the magic was right: the peer can be told.
    """
    if len(frame) != wire.HEADER_BYTES:
        raise _not_a_header(frame)
    header = Header._make(wire.HEADER.unpack(frame))
    if header.magic != wire.MAGIC or header.version != wire.VERSION:
        raise _not_a_header(frame)
    if not 0 < header.type < len(_FORBIDDEN_FLAGS):
        raise WireError(WireStatus.BAD_TYPE, f"message type {header.type}")
    if header.dtype > _LAST_DTYPE:
        raise WireError(WireStatus.BAD_DTYPE, f"dtype {header.dtype}")
    if header.flags & _FORBIDDEN_FLAGS[header.type]:
        raise WireError(WireStatus.BAD_FLAGS, f"flags {header.flags:#x} on {MessageType(header.type).name}")
    if header.item_count > wire.MAX_ITEMS:
        raise WireError(WireStatus.BAD_COUNT, f"{header.item_count} items, at most {wire.MAX_ITEMS}")
    return header


def _not_a_header(frame: Frame) -> WireError:
    if len(frame) >= wire.PREFIX.size:
        magic, version, *_ = wire.PREFIX.unpack_from(frame)
        if magic != wire.MAGIC:
            return WireError(WireStatus.BAD_MAGIC, f"starts with {magic!r}, expected {wire.MAGIC!r}")
        if version != wire.VERSION:
            return WireError(WireStatus.BAD_VERSION, f"version {version}, this side speaks {wire.VERSION}")
    return WireError(WireStatus.SHORT_HEADER, f"{len(frame)} bytes, a header has {wire.HEADER_BYTES}")


# -- PREDICT -----------------------------------------------------------------------------------------------------


def encode_predict(
    items: Sequence[bytes], dtype: DType, *, batch_id: int, budget_us: int = 0, shape: Sequence[int] = ()
) -> list[bytes]:
    """Build the frames of one PREDICT from items that hold little-endian elements (the frontend's side).

    Items of one length leave as one contiguous payload; others, and all strings and bytes, carry an offsets frame.
    """
    lengths = {len(item) for item in items}
    ragged = dtype in wire.TEXT_DTYPES or len(lengths) > 1
    flags = (Flag.SHAPED if shape else Flag(0)) | (Flag.RAGGED if ragged else Flag(0))
    header = encode_header(
        MessageType.PREDICT,
        dtype=dtype,
        flags=flags,
        item_count=len(items),
        batch_id=batch_id,
        elements_per_item=0 if ragged or not items else lengths.pop() // wire.DTYPE_BYTES[dtype],
        budget_us=budget_us,
    )
    frames = [header]
    if shape:
        frames.append(struct.pack(f"<{len(shape)}Q", *shape))
    if ragged:
        frames.append(encode_offsets(items))
    return [*frames, b"".join(items)]


def decode_predict(header: Header, frames: Sequence[Frame]) -> PredictRequest:
    """Decode one PREDICT (the container's side).

    Parameters
    ----------
    header : Header
        The decoded first frame.
    frames : sequence of bytes or memoryview
        The frames after the header. The result may view the last one: it stays alive as long as the inputs do.

    Raises
    ------
    WireError
        If the frames are not what the header promises.
    """
    dtype, flags, count = header.dtype, header.flags, header.item_count
    if flags == 0 and len(frames) == 1 and dtype in NUMPY_DTYPES and count:  # the common case, without a detour
        return PredictRequest(header.batch_id, count, header.budget_us, _uniform(header, frames[0], ()))
    if dtype not in wire.PREDICT_DTYPES:
        raise WireError(WireStatus.BAD_DTYPE, f"inputs of dtype {DType(dtype).name}")
    ragged = bool(flags & Flag.RAGGED)
    if (dtype in wire.TEXT_DTYPES and not ragged) or (ragged and flags & Flag.SHAPED):
        raise WireError(WireStatus.BAD_FLAGS, f"flags {flags:#x} with dtype {DType(dtype).name}")
    if count == 0:
        raise WireError(WireStatus.BAD_COUNT, "a batch of no items")
    check_frame_count(frames, 1 + ragged + bool(flags & Flag.SHAPED))
    payload = frames[-1]
    if not ragged:
        shape = _decode_shape(frames[0], header.elements_per_item) if flags & Flag.SHAPED else ()
        return PredictRequest(header.batch_id, count, header.budget_us, _uniform(header, payload, shape))
    offsets = decode_offsets(frames[0], header, len(payload))
    return PredictRequest(header.batch_id, count, header.budget_us, _ragged(dtype, payload, offsets))


def _uniform(header: Header, payload: Frame, shape: tuple[int, ...]) -> Array:
    expected_bytes = header.item_count * header.elements_per_item * _ELEMENT_BYTES[header.dtype]
    if len(payload) != expected_bytes:
        raise WireError(WireStatus.BAD_LENGTH, f"payload of {len(payload)} bytes, expected {expected_bytes}")
    array: Array = np.frombuffer(payload, NUMPY_DTYPES[header.dtype])
    array.shape = (header.item_count, *(shape or (header.elements_per_item,)))
    array.flags.writeable = False
    return array


def _ragged(dtype: int, payload: Frame, offsets: tuple[int, ...]) -> list[Array] | list[str] | list[bytes]:
    spans = list(itertools.pairwise(offsets))
    if dtype == DType.BYTES:
        return [bytes(payload[start:stop]) for start, stop in spans]
    if dtype == DType.STRING:
        try:
            return [str(payload[start:stop], "utf-8") for start, stop in spans]
        except UnicodeDecodeError as error:
            raise WireError(WireStatus.BAD_TEXT, f"a string is not UTF-8: {error.reason}") from None
    array: Array = np.frombuffer(payload, NUMPY_DTYPES[dtype])
    array.flags.writeable = False
    size = array.itemsize
    return [array[start // size : stop // size] for start, stop in spans]


def _decode_shape(frame: Frame, element_count: int) -> tuple[int, ...]:
    rank, rest = divmod(len(frame), 8)
    if rest or not 1 <= rank <= wire.MAX_RANK:
        raise WireError(WireStatus.BAD_SHAPE, f"shape frame of {len(frame)} bytes")
    shape: tuple[int, ...] = struct.unpack(f"<{rank}Q", frame)
    product = 1
    for dimension in shape:
        product *= dimension
    if product != element_count or product == 0:
        raise WireError(WireStatus.BAD_SHAPE, f"shape {shape} does not hold {element_count} elements")
    return shape


# -- frames that several messages share --------------------------------------------------------------------------


def check_frame_count(frames: Sequence[Frame], expected: int) -> None:
    """Raise unless ``expected`` frames came after the header."""
    if len(frames) != expected:
        raise WireError(WireStatus.BAD_FRAMES, f"{len(frames)} frames after the header, expected {expected}")


def encode_offsets(items: Sequence[bytes]) -> bytes:
    """Return the offsets frame of these items laid end to end."""
    offsets = [0]
    for item in items:
        offsets.append(offsets[-1] + len(item))
    return struct.pack(f"<{len(offsets)}Q", *offsets)


def decode_offsets(frame: Frame, header: Header, payload_bytes: int) -> tuple[int, ...]:
    """Read an offsets frame: from 0, never falling, ending at the payload's end, whole elements."""
    if len(frame) != (header.item_count + 1) * 8:
        raise WireError(WireStatus.BAD_OFFSETS, f"offsets frame of {len(frame)} bytes for {header.item_count} items")
    offsets: tuple[int, ...] = struct.unpack(f"<{header.item_count + 1}Q", frame)
    size = _ELEMENT_BYTES[header.dtype]
    rises = all(start <= stop for start, stop in itertools.pairwise(offsets))
    if offsets[0] != 0 or offsets[-1] != payload_bytes or not rises or any(offset % size for offset in offsets):
        raise WireError(WireStatus.BAD_OFFSETS, f"offsets do not divide a payload of {payload_bytes} bytes")
    return offsets


# -- REGISTER, ERROR, ASSIGN -------------------------------------------------------------------------------------


def encode_register(registration: Mapping[str, str | int]) -> list[bytes]:
    """Build a REGISTER from the values of ``wire.REGISTER_KEYS``."""
    return [encode_header(MessageType.REGISTER), json.dumps(dict(registration)).encode()]


def encode_error(code: ErrorCode, cause: str, *, batch_id: int = 0, compute_us: int = 0) -> list[bytes]:
    """Build an ERROR; a long cause is cut to ``MAX_CAUSE_BYTES``."""
    return [
        encode_header(MessageType.ERROR, code=code, batch_id=batch_id, compute_us=compute_us),
        cut_cause(cause),
    ]


def cut_cause(cause: str) -> bytes:
    """Encode a cause as UTF-8 of at most ``MAX_CAUSE_BYTES``, never splitting a character."""
    encoded = cause.encode("utf-8", "replace")
    if len(encoded) <= wire.MAX_CAUSE_BYTES:
        return encoded
    return encoded[: wire.MAX_CAUSE_BYTES - 3].decode("utf-8", "ignore").encode() + b"..."


def decode_text(frames: Sequence[Frame]) -> str:
    """Read the one text frame of an ERROR or an ASSIGN; bytes that are not UTF-8 become replacement characters."""
    check_frame_count(frames, 1)
    return str(frames[0], "utf-8", "replace")
