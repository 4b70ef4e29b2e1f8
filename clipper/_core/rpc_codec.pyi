"""The RPC codec: REGISTER, and wrappers by which tests compare the compiled codec with ``model_containers.codec``.

The data path calls the C++ of ``rpc_codec.hpp`` itself, through ``rpc_codec.pxd``.
"""

from typing import Any, NamedTuple

from clipper.errors import ProtocolError

class RpcDecodeError(ProtocolError):
    """A message cannot be decoded; ``status`` is the number of ``model_containers.wire.WireStatus``."""

    status: int
    def __init__(self, status: int, message: str) -> None: ...

class Header(NamedTuple):
    """The header's fields but the magic, in wire order."""

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

class Registration(NamedTuple):
    """Who a container says it is."""

    model: str
    version: str
    replica_id: str
    nonce: str
    input_type: str
    sdk: str
    pid: int

def decode_register(frame: bytes) -> Registration:
    """Read the JSON frame of a REGISTER. Unknown keys are ignored.

    Raises
    ------
    ProtocolError
        If it is not a JSON object of at most MAX_REGISTER_BYTES, or a field is missing, unprintable or out of bounds.
    """

def encode_header(header: Header) -> bytes:
    """Return the bytes of a header, unchecked."""

def decode_header(frame: bytes) -> Header:
    """Read and check a header.

    Raises
    ------
    RpcDecodeError
        If it is not a header of this version.
    """

def encode_predict(
    items: list[bytes], dtype: int, *, batch_id: int, budget_us: int = 0, shape: tuple[int, ...] = ()
) -> list[bytes]:
    """Return the frames of one PREDICT of items that hold little-endian elements."""

def decode_result(frames: list[bytes], expected_count: int) -> list[tuple[bytes, bool]]:
    """Decode all frames of one RESULT, header first, to (JSON text, failed) an item.

    Raises
    ------
    RpcDecodeError
        If the frames are not what the header promises, or the count is not ``expected_count``.
    """

def decode_cause(frames: list[bytes]) -> str:
    """Read the text of an ERROR from the frames after its header.

    Raises
    ------
    RpcDecodeError
        If there is not exactly one frame.
    """

def is_json(text: bytes) -> bool:
    """Is it exactly one RFC 8259 value in UTF-8, nested no deeper than MAX_JSON_DEPTH?"""

def schema() -> dict[str, Any]:
    """Return the constants of the C++ schema by name."""
