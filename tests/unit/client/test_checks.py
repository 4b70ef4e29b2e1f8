"""Values of the wrong type are refused in the caller's process, by the name of the parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper import Clipper, InvalidArgumentError
from clipper.client import checks
from clipper.client.http_client import HttpClient


@pytest.fixture
def clipper() -> Clipper:
    """Nobody listens at its ports: a call that got as far would raise UnavailableError."""
    return Clipper(HttpClient("http://127.0.0.1:9"), HttpClient("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": "Bad_Name"}, "'Bad_Name' is no model name"),
        ({"name": 7}, "7 is no model name"),
        ({"name": "x" * 64}, "is no model name"),
        ({"version": "1.0"}, "'1.0' is no model version"),
        ({"version": 1.0}, r"version=1.0 is not valid: expected a whole number, or a text such as 'v2'"),
        ({"version": True}, "version=True"),
        ({"version": None}, "version=None"),
        ({"input_type": "pictures"}, "input_type='pictures'"),
        ({"input_type": float}, "input_type=<class 'float'>"),
        ({"replicas": 0}, "replicas=0"),
        ({"replicas": 1025}, "replicas=1025"),
        ({"replicas": "2"}, "replicas='2'"),
        ({"replicas": 1.5}, "replicas=1.5"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 65_537}, "batch_size=65537"),
        ({"max_batch_size": -1}, "max_batch_size=-1"),
        ({"batching": "nagle"}, "controller='nagle'"),
        ({"batching": 3}, "controller=3"),
        ({"batching": "fixed"}, "batching='fixed' needs the size"),
        ({"batching": "quantile", "batch_size": 4}, "batch_size=4 fixes the size, and batching='quantile' measures it"),
        ({"labels": "single"}, "labels='single'"),
        ({"labels": [1]}, r"labels=\[1\]"),
        ({"labels": 5}, "labels=5"),
        ({"environment": ["A=1"]}, "environment="),
        ({"environment": {"CLIPPER_X": 1}}, "'CLIPPER_X': 1"),
        ({"resources": {"cpu": -1}}, "'cpu' is -1"),
        ({"resources": [1]}, "resources="),
        ({"description": 5}, "description=5"),
        ({"container": 5}, "container=5"),
        ({"progress": 3}, "progress=3"),
        ({"model": None, "container": None}, "needs a model"),
        ({"model": dict}, "dict is a class"),
        ({"model": 7}, "a model of type 'int' cannot be deployed"),
    ],
)
def test_deployment_with_a_wrong_value_is_refused_before_anybody_is_asked(
    clipper: Clipper, options: dict[str, Any], match: str
) -> None:
    values: dict[str, Any] = {"name": "fine", "version": 1, "model": sum, **options}
    with pytest.raises(InvalidArgumentError, match=match):
        clipper.deploy_model(**values)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": "a/b"}, "'a/b' is no name for an application"),
        ({"name": None}, "None is no name"),
        ({"name": "metrics"}, "reserved"),
        ({"latency_slo_us": "20ms"}, "latency_slo_us='20ms'"),
        ({"latency_slo_us": 0.02}, "latency_slo_us=0.02"),
        ({"latency_slo_us": 0}, "latency_slo_us=0"),
        ({"max_slo_us": "1s"}, "max_slo_us='1s'"),
        ({"cache_ttl_us": 1.5}, "cache_ttl_us=1.5"),
        ({"shape": "64"}, "shape='64'"),
        ({"shape": (8, 8.0)}, "shape=8.0"),
        ({"default_output": {1, 2}}, "no JSON"),
    ],
)
def test_registration_with_a_wrong_value_is_refused_before_anybody_is_asked(
    clipper: Clipper, options: dict[str, Any], match: str
) -> None:
    values: dict[str, Any] = {
        "name": "fine", "input_type": "doubles", "default_output": 0, "latency_slo_us": 1000, **options,
    }  # fmt: skip
    with pytest.raises(InvalidArgumentError, match=match):
        clipper.register_application(**values)


def test_other_calls_name_the_parameter_too(clipper: Clipper) -> None:
    with pytest.raises(InvalidArgumentError, match="app_name=''"):
        clipper.predict("", [1.0])
    with pytest.raises(InvalidArgumentError, match="inputs='text'"):
        clipper.predict_batch("app", "text")
    with pytest.raises(InvalidArgumentError, match="model_name=None"):
        clipper.link_model_to_app("app", None)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="line_count=0"):
        clipper.logs("m:1:0", 0)
    with pytest.raises(InvalidArgumentError, match="slo_us='1ms'"):
        clipper.predict("app", [1.0], slo_us="1ms")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="replicas=0"):
        clipper.set_num_replicas("m", 0, 1)


def test_numbers_of_numpy_are_numbers() -> None:
    assert checks.check_version(np.int64(3)) == "3"
    assert checks.to_int("replicas", np.uint8(2)) == 2
    assert checks.to_shape(np.array([28, 28])) == [28, 28]
    assert checks.to_shape(64) == [64]
