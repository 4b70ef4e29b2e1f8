"""Plain numbers become the tensors that a server's model takes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from clipper.bench.oip_model import TensorSpec, fit_inputs, read_model_inputs
from clipper.errors import InvalidArgumentError, ProtocolError, UnavailableError
from tests.support.known_server import KnownServer, serving

PATH = "/v2/models/m/versions/2"
X, S = TensorSpec("x", "FP32", (-1, 2)), TensorSpec("s", "BYTES", (1,))


def answered(answer: bytes, status: bytes = b"200 OK") -> tuple[TensorSpec, ...]:
    server = KnownServer()
    server.answers, server.statuses = [answer], [status]
    with serving(server):
        specs = read_model_inputs(f"http://127.0.0.1:{server.port}{PATH}/infer?x=1")
    assert server.heads[0].startswith(b"GET %b HTTP/1.1\r\n" % PATH.encode())
    return specs


def test_inputs_of_a_model_are_read_from_its_server() -> None:
    inputs = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}, {"name": "s", "datatype": "BYTES", "shape": ["1"]}]
    assert answered(json.dumps({"name": "m", "inputs": inputs, "outputs": []}).encode()) == (X, S)


@pytest.mark.parametrize(
    "answer", [b"no json", b"[]", b"{}", b'{"inputs":[{"name":"x","datatype":"FP128","shape":[1]}]}']
)
def test_answer_that_describes_no_model_is_refused(answer: bytes) -> None:
    with pytest.raises(ProtocolError, match="not the protocol's"):
        answered(answer)


def test_model_that_is_not_there_is_told_with_the_servers_words() -> None:
    with pytest.raises(ProtocolError, match="404: unknown model"):
        answered(b"unknown model", b"404 Not Found")


def test_server_that_is_not_there_is_told() -> None:
    with pytest.raises(UnavailableError, match="nothing answers"):
        read_model_inputs("http://127.0.0.1:1/v2/models/m/infer")
    with pytest.raises(InvalidArgumentError, match=r"expected .*/v2/models/MODEL/infer"):
        read_model_inputs("http://127.0.0.1:1/predict")


def test_numbers_get_the_type_of_the_model_and_a_batch_of_one() -> None:
    fitted = fit_inputs((X,), [1, 2])["x"]
    assert fitted.dtype == np.float32 and fitted.tolist() == [[1, 2]]
    both = fit_inputs((X, S), {"x": [[1, 2], [3, 4]], "s": "a"})
    assert both["x"].shape == (2, 2) and both["s"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("specs", "value", "said"),
    [
        ((X, S), [1, 2], "by name"),
        ((X,), {"y": [1, 2]}, "the model has x"),
        ((X, S), {"x": [1, 2]}, "the model has x, s"),
        ((X,), [1, 2, 3], r"has the shape \[1, 3\], the model takes \[-1, 2\]"),
        ((X,), 1, r"the shape \[\]"),
        ((X,), [[[1, 2]]], r"the shape \[1, 1, 2\]"),
        ((X,), ["a", "b"], "no tensor of FP32"),
    ],
)
def test_value_that_is_no_input_of_the_model_is_refused(specs: tuple[TensorSpec, ...], value: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        fit_inputs(specs, value)
