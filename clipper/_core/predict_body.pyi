from collections.abc import Sequence
from typing import final

from clipper.errors import CallerError

class BodyError(CallerError):
    """A body was refused.

    Attributes
    ----------
    code : str
        One of the codes listed at the top of ``predict_body.hpp``; stable.
    cause : str
        What was found, where (byte offset, item, element), and what was expected.
    """

    cause: str
    def __init__(self, code: str, cause: str) -> None: ...

@final
class Body:
    """What a body says; made by the parse functions only.

    Attributes
    ----------
    data : bytes
        All inputs back to back, typed, native little-endian.
    offsets : list of int
        Byte offsets of the inputs in ``data``, and its length: one more than there are inputs.
    is_batch : bool
        The body was in the batch form, whatever the number of its inputs.
    version, context : str or None
    slo_us : int or None
    """

    @property
    def data(self) -> bytes: ...
    @property
    def offsets(self) -> list[int]: ...
    @property
    def is_batch(self) -> bool: ...
    @property
    def version(self) -> str | None: ...
    @property
    def context(self) -> str | None: ...
    @property
    def slo_us(self) -> int | None: ...

def parse_json_body(
    body: bytes,
    input_type: str,
    dtype: str | None = None,
    shape: Sequence[int] | None = None,
    *,
    max_items: int = 4096,
    max_depth: int = 256,
    max_string_bytes: int = ...,
    max_label_bytes: int = 1024,
) -> Body:
    """Parse a JSON body.

    Parameters
    ----------
    input_type : str
        integers, floats, doubles, strings, bytes or tensor.
    dtype : str, optional
        Element type, by its numpy name; a tensor needs one.
    shape : sequence of int, optional
        Declared shape of one input; a tensor needs one.
    max_items, max_depth, max_string_bytes, max_label_bytes : int
        As in ``BodyLimits`` (``parsed_body.hpp``).

    Raises
    ------
    BodyError
        The body is refused.
    InvalidArgumentError
        ``input_type``, ``dtype`` and ``shape`` do not fit together.
    """

def parse_binary_body(
    body: bytes,
    input_type: str,
    dtype: str | None = None,
    shape: Sequence[int] | None = None,
    *,
    clipper_batch: int = 0,
    max_items: int = 4096,
) -> Body:
    """Parse an ``application/octet-stream`` body of one input, or of ``clipper_batch`` inputs (0: no such header).

    Raises
    ------
    BodyError
        The body is refused.
    InvalidArgumentError
        ``input_type``, ``dtype`` and ``shape`` do not fit together.
    """

def validate_json(text: bytes) -> bool:
    """Say whether this is exactly one RFC 8259 value, in UTF-8, nested no deeper than 256."""
