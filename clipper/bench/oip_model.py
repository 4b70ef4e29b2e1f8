"""Asks a server of the Open Inference Protocol what its model takes, so that plain numbers become the right tensors."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipper.bench.oip import DATATYPES
from clipper.bench.url import split_url
from clipper.errors import InvalidArgumentError, ProtocolError, UnavailableError

ANSWER_LIMIT_S = 10.0
MAX_METADATA_BYTES = 1 << 20
INFER = "/infer"

_DTYPES: dict[str, Any] = {name: f"{kind}{size}" for (kind, size), name in DATATYPES.items()} | {"BYTES": np.str_}


@dataclass(frozen=True)
class TensorSpec:
    """One input of a model: its name, the protocol's name of its type, and its shape, -1 for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def fitted(self, value: Any) -> NDArray[Any]:
        """Return a value as such a tensor; where it is one item and the model takes several, as one of one item.

        Raises
        ------
        InvalidArgumentError
            If it is none.
        """
        try:
            array: NDArray[Any] = np.asarray(value).astype(_DTYPES[self.datatype])
        except (ValueError, TypeError) as error:
            raise InvalidArgumentError(f"the input {self.name!r} is no tensor of {self.datatype}: {error}") from None
        if array.ndim == len(self.shape) - 1 and self.shape[0] in (-1, 1):
            array = array[None]
        if array.ndim != len(self.shape) or any(
            wanted not in (-1, size) for wanted, size in zip(self.shape, array.shape, strict=True)
        ):
            raise InvalidArgumentError(
                f"the input {self.name!r} has the shape {list(array.shape)}, the model takes {list(self.shape)}",
                hint="-1 stands for any size",
            )
        return array


def read_model_inputs(url: str) -> tuple[TensorSpec, ...]:
    """Ask the server that `url` leads to for its model's inputs.

    Parameters
    ----------
    url : str
        Of inference, `http://HOST/v2/models/MODEL[/versions/VERSION]/infer`.

    Raises
    ------
    UnavailableError
        If nothing answers.
    ProtocolError
        If the answer is not the metadata of a model.
    """
    host, port, path = split_url(url)
    path = path.partition("?")[0]
    if not path.endswith(INFER):
        raise InvalidArgumentError(
            f"{url!r} is no URL of the Open Inference Protocol, expected .../v2/models/MODEL/infer"
        )
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_LIMIT_S)
    try:
        connection.request("GET", path.removesuffix(INFER), headers={"Accept": "application/json"})
        answer = connection.getresponse()
        status, text = answer.status, answer.read(MAX_METADATA_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"nothing answers at {host}:{port}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if status != 200:
        raise ProtocolError(
            f"the model of {url} is answered with {status}: {text[:200].decode('utf-8', 'replace')}",
            hint="give the tensors by name and with their types, or correct the model's name",
        )
    try:
        return tuple(_spec(one) for one in json.loads(text)["inputs"])
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"{url} describes its model in a way that is not the protocol's: {error!r}") from error


def fit_inputs(specs: tuple[TensorSpec, ...], value: Any) -> dict[str, NDArray[Any]]:
    """Return one request's tensors by name, of the types and shapes that the model has.

    Parameters
    ----------
    value : mapping of str to array, or array
        An array alone is the model's one input.

    Raises
    ------
    InvalidArgumentError
        If inputs are missing, unknown, or of another shape.
    """
    names = [spec.name for spec in specs]
    if not isinstance(value, Mapping):
        if len(specs) != 1:
            raise InvalidArgumentError(
                f"the model has the inputs {', '.join(names)}, expected an array for each by name"
            )
        value = {names[0]: value}
    if set(value) != set(names):
        raise InvalidArgumentError(
            f"the inputs {', '.join(map(str, value))} are given, the model has {', '.join(names)}"
        )
    return {spec.name: spec.fitted(value[spec.name]) for spec in specs}


def _spec(seen: Mapping[str, Any]) -> TensorSpec:
    datatype = str(seen["datatype"])
    if datatype not in _DTYPES:
        raise ValueError(f"the datatype {datatype!r}")
    return TensorSpec(str(seen["name"]), datatype, tuple(int(size) for size in seen["shape"]))
