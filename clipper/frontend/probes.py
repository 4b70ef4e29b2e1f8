"""The sample that every replica of a model version evaluates before it gets a query (`ModelRuntime.configure_probe`).

Management says which sample, and whether it must succeed; here it becomes the bytes that a container gets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from clipper._core.predict_body import BodyError, parse_json_body
from clipper.errors import InvalidArgumentError
from clipper.types import ModelId

_log = logging.getLogger("clipper.frontend")


class Probe(NamedTuple):
    """One input as containers get it, and whether a replica that cannot evaluate it is refused."""

    data: bytes
    must_succeed: bool


def read_probes(snapshot: Mapping[str, Any]) -> dict[ModelId, Probe]:
    """Return the probes of the versions that have a sample.

    Raises
    ------
    InvalidArgumentError
        The sample of a version that is being deployed is no input of it. What is served already goes on without.
    """
    tensors: dict[str, Mapping[str, Any]] = {}
    for application in snapshot["applications"]:
        for model in application["models"]:
            tensors.setdefault(model, application)
    probes: dict[ModelId, Probe] = {}
    for described in snapshot["models"]:
        for version in described["versions"]:
            sample = version.get("sample_input")
            application = tensors.get(described["name"])
            if sample is None or (version["input_type"] == "tensor" and application is None):
                continue  # what a tensor looks like only an application says
            model_id = ModelId(described["name"], version["version"])
            try:
                data = _encode(sample, version["input_type"], application)
            except (BodyError, InvalidArgumentError) as error:
                if version["sample_must_succeed"] and not version.get("is_deployed", True):
                    raise InvalidArgumentError(f"the sample input of {model_id} cannot be used: {error}") from error
                _log.warning("model %s starts without its sample input: %s", model_id, error)
                continue
            probes[model_id] = Probe(data, bool(version["sample_must_succeed"]))
    return probes


def _encode(sample: str, input_type: str, application: Mapping[str, Any] | None) -> bytes:
    fits = application is not None and application["input_type"] == input_type
    dtype, shape = (application["dtype"], application["shape"]) if fits and application is not None else (None, None)
    return parse_json_body(b'{"input":%s}' % sample.encode(), input_type, dtype, shape).data
