"""The sample that every replica of a model version evaluates before it gets a query (`ModelRuntime.configure_probe`).

The caller's own sample comes from management as JSON, and must succeed. Where there is none, it is zeros in the shape
that a linked application declares: they are there for the first call's costs, and a model may rightly refuse them.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from clipper._core.predict_body import BodyError, parse_json_body
from clipper.errors import InvalidArgumentError
from clipper.types import ModelId

_MAX_ZERO_BYTES: Final = 512 * 1024  # of a made-up sample: it takes a slot's memory from queries
_ELEMENT_TYPES: Final = {"integers": "int32", "floats": "float32", "doubles": "float64"}

_log = logging.getLogger("clipper.frontend")


class Probe(NamedTuple):
    """One input as containers get it, and whether a replica that cannot evaluate it is refused."""

    data: bytes
    must_succeed: bool


def read_probes(snapshot: Mapping[str, Any]) -> dict[ModelId, Probe]:
    """Return the probes of the versions that have one.

    Raises
    ------
    InvalidArgumentError
        The sample of a version that is being deployed is no input of it. What is served already goes on without.
    """
    linked: dict[str, list[Mapping[str, Any]]] = {}
    for application in snapshot["applications"]:
        for model in application["models"]:
            linked.setdefault(model, []).append(application)
    probes: dict[ModelId, Probe] = {}
    for described in snapshot["models"]:
        applications = linked.get(described["name"], [])
        for version in described["versions"]:
            model_id = ModelId(described["name"], version["version"])
            if version.get("sample_input") is None:
                zeros = _zeros(version["input_type"], applications)
                probe = None if zeros is None else Probe(zeros, must_succeed=False)
            else:
                probe = _given(model_id, version, applications)
            if probe is not None:
                probes[model_id] = probe
    return probes


def _given(model_id: ModelId, version: Mapping[str, Any], applications: Sequence[Mapping[str, Any]]) -> Probe | None:
    application = applications[0] if applications else None
    if version["input_type"] == "tensor" and application is None:
        return None  # what a tensor looks like only an application says
    try:
        return Probe(_encode(version["sample_input"], version["input_type"], application), must_succeed=True)
    except (BodyError, InvalidArgumentError) as error:
        if not version.get("is_deployed", True):
            raise InvalidArgumentError(f"the sample input of {model_id} cannot be used: {error}") from error
        _log.warning("model %s starts without its sample input: %s", model_id, error)
        return None


def _encode(sample: str, input_type: str, application: Mapping[str, Any] | None) -> bytes:
    fits = application is not None and application["input_type"] == input_type
    dtype, shape = (application["dtype"], application["shape"]) if fits and application is not None else (None, None)
    return parse_json_body(b'{"input":%s}' % sample.encode(), input_type, dtype, shape).data


def _zeros(input_type: str, applications: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Return zeros in the first shape that an application declares for this type of input."""
    for application in applications:
        if application["input_type"] != input_type or application["shape"] is None:
            continue
        elements: int = math.prod(application["shape"])
        zero = _zero(application["dtype"] or _ELEMENT_TYPES[input_type])
        if elements * len(zero) <= _MAX_ZERO_BYTES:
            return zero * elements
    return None


@functools.cache
def _zero(dtype: str) -> bytes:
    """Return an element of value 0 as containers get it."""
    return parse_json_body(b'{"input":[%s]}' % (b"false" if dtype == "bool" else b"0"), "tensor", dtype, (1,)).data
