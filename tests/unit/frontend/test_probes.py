"""Which sample a version's replicas evaluate first: the caller's, or zeros in a declared shape, or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper.frontend.probes import Probe, read_probes
from clipper.types import ModelId
from tests.support.data_path import application, model

SVM = ModelId("m", "1")


def probe_of(*applications: dict[str, Any], **version: Any) -> Probe | None:
    described = model(sample_input=version.pop("sample_input", None), **version)
    return read_probes({"applications": applications, "models": [described]}).get(SVM)


def test_sample_of_the_caller_must_succeed_and_wins() -> None:
    expected = Probe(np.array([1.0, 2.0]).tobytes(), must_succeed=True)
    assert probe_of(sample_input="[1,2]") == expected
    assert probe_of(application(shape=(2,)), sample_input="[1,2]") == expected


@pytest.mark.parametrize(
    ("declared", "expected_bytes"),
    [
        ({"shape": None}, None),
        ({"shape": (3,)}, 3 * 8),
        ({"shape": (65_536,)}, 65_536 * 8),
        ({"shape": (65_537,)}, None),
        ({"shape": (3,), "input_type": "floats"}, None),
        ({"input_type": "strings"}, None),
    ],
    ids=["no shape", "vector", "largest", "too large", "another type", "text"],
)
def test_made_up_sample_has_the_declared_shape_and_may_fail(
    declared: dict[str, Any], expected_bytes: int | None
) -> None:
    expected = None if expected_bytes is None else Probe(bytes(expected_bytes), must_succeed=False)
    assert probe_of(application(**declared)) == expected


def test_model_of_several_applications_takes_the_first_shape_that_fits() -> None:
    applications = [application(input_type="floats", shape=(9,)), application(shape=None), application(shape=(2,))]
    assert probe_of(*applications) == Probe(bytes(16), must_succeed=False)


@pytest.mark.parametrize("input_type", ["integers", "floats", "doubles"])
def test_zeros_of_a_vector_have_its_elements_width(input_type: str) -> None:
    width = 8 if input_type == "doubles" else 4
    declared = application(input_type=input_type, shape=(5,))
    assert probe_of(declared, input_type=input_type) == Probe(bytes(5 * width), must_succeed=False)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "float32", "int64"])
def test_zeros_of_a_tensor_have_its_dimensions_and_dtype(dtype: str) -> None:
    declared = application(input_type="tensor", dtype=dtype, shape=(2, 1, 3))
    assert probe_of(declared, input_type="tensor") == Probe(np.zeros((2, 1, 3), dtype).tobytes(), must_succeed=False)


def test_model_that_is_not_linked_has_no_made_up_sample() -> None:
    assert probe_of() is None
    assert probe_of(application(models=("other",), shape=(3,))) is None
