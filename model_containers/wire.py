"""The wire schema between a frontend and a model container: every field, number and limit of the protocol.

One message is a ZeroMQ multipart message: a fixed little-endian header (``FIELDS``, in this order, without padding)
and then the frames that its type and flags call for (``FRAMES``):

    REGISTER   container -> frontend   who I am: a JSON object (``REGISTER_KEYS``)
    READY      container -> frontend   the model is loaded and warmed up
    HEARTBEAT  both ways               sign of life; the first one after REGISTER says "accepted"
    PREDICT    frontend -> container   one batch of inputs
    RESULT     container -> frontend   its outputs, in the order of the inputs
    ERROR      both ways               a batch failed (batch_id), or the session was refused (batch_id 0); text cause
    DRAIN      both ways               no new batches, please; with FINAL: all is answered, I am leaving
    ASSIGN     frontend -> container   go to these addresses; keep identity and warm state

The first eight bytes (magic, version, type) keep their places in every later version, so that a peer of another
version can be told so. ``clipper/_core/rpc_codec.hpp`` repeats this schema in C++; a test holds the two together.
Everything below the tables is derived from them: there is no literal offset anywhere else.
"""

from __future__ import annotations

import enum
import struct
from typing import Final, NamedTuple

MAGIC: Final = b"CLPR"
VERSION: Final = 1


class Field(NamedTuple):
    """One header field: its name, its ``struct`` format and what it means."""

    name: str
    format: str
    meaning: str


FIELDS: Final = (
    Field("magic", "4s", 'the bytes "CLPR"'),
    Field("version", "H", "version of the protocol, 1"),
    Field("type", "B", "MessageType"),
    Field("dtype", "B", "DType of the payload's elements; 0 where there is no payload"),
    Field("flags", "H", "Flag bits; a bit that the type does not allow is an error"),
    Field("code", "H", "ErrorCode of an ERROR; 0 otherwise"),
    Field("item_count", "I", "inputs of a PREDICT, outputs of a RESULT; 0 otherwise"),
    Field("batch_id", "Q", "chosen by the frontend, from 1 up, and repeated in the answer; 0 = about no batch"),
    Field("elements_per_item", "Q", "elements of each item of a uniform payload; 0 with RAGGED"),
    Field("budget_us", "Q", "PREDICT: time until the batch's earliest deadline when it was sent; 0 = none"),
    Field("compute_us", "Q", "RESULT and ERROR: time that predict_batch took"),
)


class MessageType(enum.IntEnum):
    """What a message is."""

    REGISTER = 1
    READY = 2
    HEARTBEAT = 3
    PREDICT = 4
    RESULT = 5
    ERROR = 6
    DRAIN = 7
    ASSIGN = 8


class InputType(enum.IntEnum):
    """The six input types of the query API; REGISTER carries the name in lower case."""

    INTEGERS = 1
    FLOATS = 2
    DOUBLES = 3
    STRINGS = 4
    BYTES = 5
    TENSOR = 6


class DType(enum.IntEnum):
    """Element types of a payload. BOOL is one byte, 0 or 1; the last three are measured in bytes."""

    NONE = 0
    INT8 = 1
    UINT8 = 2
    INT16 = 3
    UINT16 = 4
    INT32 = 5
    UINT32 = 6
    INT64 = 7
    UINT64 = 8
    FLOAT16 = 9
    FLOAT32 = 10
    FLOAT64 = 11
    BOOL = 12
    BYTES = 13
    STRING = 14
    JSON = 15


class Flag(enum.IntFlag):
    """Bits of the header's ``flags``. The first three add one frame each, in this order, before the payload."""

    SHAPED = 1  # shape frame: one u64 a dimension, product = elements_per_item
    FAILED_ITEMS = 2  # status frame: one byte an item, 0 = good; a text item that failed holds its cause
    RAGGED = 4  # offsets frame: item_count + 1 u64 byte offsets into the payload
    VECTOR = 8  # each output is a list of elements, not one element
    FINAL = 16  # DRAIN from a container: everything received is answered


class ErrorCode(enum.IntEnum):
    """Why an ERROR was sent. The first three are about a batch, the others about the session."""

    MODEL_ERROR = 1  # predict_batch raised, or its outputs cannot be sent
    BAD_REQUEST = 2  # the PREDICT could not be decoded
    NOT_READY = 3  # a PREDICT came before READY
    UNKNOWN_SESSION = 4  # the frontend does not know this connection: register (again)
    DUPLICATE_REPLICA = 5  # another live process has this replica id
    WRONG_VERSION = 6  # the header's version is the one that would be understood
    REFUSED = 7  # the REGISTER is malformed, or names what the frontend does not expect


class WireStatus(enum.IntEnum):
    """Result of decoding, in the order in which the checks are made."""

    OK = 0
    SHORT_HEADER = 1
    BAD_MAGIC = 2
    BAD_VERSION = 3
    BAD_TYPE = 4
    BAD_DTYPE = 5
    BAD_FLAGS = 6
    BAD_COUNT = 7
    BAD_FRAMES = 8
    BAD_SHAPE = 9
    BAD_OFFSETS = 10
    BAD_LENGTH = 11
    BAD_TEXT = 12
    BAD_JSON = 13


# -- limits ------------------------------------------------------------------------------------------------------

MAX_ITEMS: Final = 1 << 20  # items of one batch: far above any sensible batch, low enough to size an array by
MAX_RANK: Final = 16  # dimensions of one item
MAX_JSON_DEPTH: Final = 256  # nesting of one JSON output; as for the bodies of queries
MAX_CAUSE_BYTES: Final = 1024  # a cause is for a reader; the traceback stands in the container's log
MAX_REGISTER_BYTES: Final = 4096  # the JSON of REGISTER

# -- derived -----------------------------------------------------------------------------------------------------

HEADER: Final = struct.Struct("<" + "".join(field.format for field in FIELDS))
HEADER_BYTES: Final = HEADER.size
FIELD_BYTES: Final = {field.name: struct.calcsize("<" + field.format) for field in FIELDS}
FIELD_OFFSETS: Final = {
    field.name: struct.calcsize("<" + "".join(earlier.format for earlier in FIELDS[:index]))
    for index, field in enumerate(FIELDS)
}
# What every version of the protocol agrees on: magic, version, type, dtype.
PREFIX: Final = struct.Struct("<" + "".join(field.format for field in FIELDS[:4]))

TEXT_DTYPES: Final = frozenset({DType.BYTES, DType.STRING, DType.JSON})
DTYPE_BYTES: Final = {
    DType.NONE: 0,
    **dict.fromkeys((DType.INT8, DType.UINT8, DType.BOOL), 1),
    **dict.fromkeys((DType.INT16, DType.UINT16, DType.FLOAT16), 2),
    **dict.fromkeys((DType.INT32, DType.UINT32, DType.FLOAT32), 4),
    **dict.fromkeys((DType.INT64, DType.UINT64, DType.FLOAT64), 8),
    **dict.fromkeys(sorted(TEXT_DTYPES), 1),
}
# BYTES, STRING and JSON are always RAGGED. JSON is no input; FLOAT16 (widen it) and BYTES (base64) are no outputs.
PREDICT_DTYPES: Final = frozenset(DType) - {DType.NONE, DType.JSON}
RESULT_DTYPES: Final = frozenset(DType) - {DType.NONE, DType.FLOAT16, DType.BYTES}

ALLOWED_FLAGS: Final = {
    **dict.fromkeys(MessageType, Flag(0)),
    MessageType.PREDICT: Flag.SHAPED | Flag.RAGGED,
    MessageType.RESULT: Flag.FAILED_ITEMS | Flag.RAGGED | Flag.VECTOR,
    MessageType.DRAIN: Flag.FINAL,
}
FRAMES: Final = {
    MessageType.REGISTER: "one: UTF-8 JSON object",
    MessageType.READY: "none",
    MessageType.HEARTBEAT: "none",
    MessageType.PREDICT: "[shape if SHAPED] [offsets if RAGGED] payload",
    MessageType.RESULT: "[status if FAILED_ITEMS] [offsets if RAGGED] payload",
    MessageType.ERROR: "one: UTF-8 cause",
    MessageType.DRAIN: "none",
    MessageType.ASSIGN: "one: UTF-8 addresses, separated by spaces",
}
REGISTER_KEYS: Final = {
    "model": "name of the model",
    "version": "version of the model",
    "replica_id": "which replica this is; unique among the live containers",
    "nonce": "random at process start: tells the same process from another one with the same replica_id",
    "input_type": "name of the InputType in lower case",
    "sdk": "what speaks, for the logs, such as python/1",
    "pid": "process id, a number, for the logs",
}
