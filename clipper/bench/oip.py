"""Bodies of the Open Inference Protocol, version 2 of KServe: JSON, and its extension for binary tensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipper.bench.answer_texts import json_texts
from clipper.errors import InvalidArgumentError

HEADER_LENGTH = "Inference-Header-Content-Length"

# Of the protocol's "Tensor Data Types", by numpy's kind and size.
DATATYPES = {
    ("b", 1): "BOOL",
    **{("u", size): f"UINT{8 * size}" for size in (1, 2, 4, 8)},
    **{("i", size): f"INT{8 * size}" for size in (1, 2, 4, 8)},
    **{("f", size): f"FP{8 * size}" for size in (2, 4, 8)},
}


@dataclass(frozen=True)
class Tensor:
    """A named tensor as the protocol describes it, its data row-major and little-endian."""

    name: str
    values: NDArray[Any]

    @classmethod
    def of(cls, name: str, values: ArrayLike) -> Tensor:
        """Take what numpy makes an array of.

        Raises
        ------
        InvalidArgumentError
            If the protocol has no such type.
        """
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise InvalidArgumentError(f"the tensor {name!r} is no array: {error}") from None
        tensor = cls(name, array)
        _ = tensor.datatype
        return tensor

    @property
    def datatype(self) -> str:
        """The protocol's name of the type."""
        dtype = self.values.dtype
        if dtype.kind in "US":
            return "BYTES"
        if (dtype.kind, dtype.itemsize) not in DATATYPES:
            raise InvalidArgumentError(
                f"the tensor {self.name!r} is of {dtype}, expected bool, integers, float16 to float64 or strings"
            )
        return DATATYPES[dtype.kind, dtype.itemsize]

    @property
    def shape(self) -> list[int]:
        """Sizes of the dimensions."""
        return list(self.values.shape)

    def data(self) -> bytes:
        """Return the binary form; strings each after their length, a little-endian 32-bit integer."""
        if self.datatype != "BYTES":
            return self.values.astype(self.values.dtype.newbyteorder("<"), copy=False).tobytes()
        texts = (one if isinstance(one, bytes) else str(one).encode("utf-8") for one in self.values.ravel().tolist())
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)

    def described(self) -> dict[str, Any]:
        """Return name, shape and type."""
        return {"name": self.name, "shape": self.shape, "datatype": self.datatype}


def tensors_of(inputs: Any) -> list[Tensor]:
    """Return the tensors of one request, given by name."""
    if not isinstance(inputs, Mapping) or not inputs:
        raise InvalidArgumentError(
            f"an input of the Open Inference Protocol is {type(inputs).__name__}, expected arrays by tensor name",
            hint='for example {"input-0": numpy.zeros((1, 4), numpy.float32)}',
        )
    return [Tensor.of(str(name), values) for name, values in inputs.items()]


def json_body(inputs: Any) -> dict[str, Any]:
    """Return the JSON form, data flat."""
    tensors = tensors_of(inputs)
    return {"inputs": [{**one.described(), "data": one.values.ravel().tolist()} for one in tensors]}


def binary_body(inputs: Any) -> tuple[bytes, list[Tensor]]:
    """Return the JSON head of the binary form, and the tensors whose data follows it; outputs are asked for in kind."""
    tensors = tensors_of(inputs)
    described = [{**one.described(), "parameters": {"binary_data_size": len(one.data())}} for one in tensors]
    head = {"inputs": described, "parameters": {"binary_data_output": True}}
    return json.dumps(head, separators=(",", ":")).encode("utf-8"), tensors


def output_texts(outputs: Any, is_binary: bool) -> tuple[bytes, ...]:
    """Return what one of the outputs looks like in a right answer.

    Parameters
    ----------
    outputs : mapping of str to array, or array
        By name or not; only the first is looked for.
    """
    values = next(iter(outputs.values())) if isinstance(outputs, Mapping) and outputs else outputs
    tensor = Tensor.of("output", values)
    if is_binary:
        return (tensor.data(),)
    return tuple(b'"data":' + text for text in json_texts(tensor.values.ravel().tolist()))
