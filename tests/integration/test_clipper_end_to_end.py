"""A whole Clipper with real containers: what goes in over HTTP comes out as the model says."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from bench.procfs import processes_of
from clipper import Clipper, ServerError

pytestmark = pytest.mark.timeout(120)
SLO_US = 5_000_000  # the machine may be busy; no test measures time


@pytest.fixture(scope="module")
def clipper() -> Iterator[Clipper]:
    with Clipper.start(query_port=0, management_port=0) as running:
        yield running


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    data = load_digits()
    return data.data, data.target


def serve(clipper: Clipper, app: str, model: str, input_type: str, deployed: Any = None, **options: Any) -> None:
    described = {name: options.pop(name) for name in ("shape", "dtype", "on_miss") if name in options}
    clipper.register_application(app, input_type, -1, SLO_US, **described)
    clipper.deploy_model(model, 1, deployed, input_type, **options)
    clipper.link_model_to_app(app, model)


def outputs(clipper: Clipper, app: str, inputs: Any) -> list[Any]:
    answers = clipper.predict_batch(app, inputs)
    assert not any(answer.is_default for answer in answers)
    return [answer.output for answer in answers]


def test_fitted_classifiers_answer_as_they_predict_and_vote(
    clipper: Clipper, digits: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
) -> None:
    features, labels = digits
    linear = LogisticRegression(max_iter=50, tol=0.1).fit(features[:1000], labels[:1000])
    tree = DecisionTreeClassifier(random_state=0).fit(features[:1000], labels[:1000])
    held_out = features[1000:1200]
    serve(clipper, "digits", "linear", "doubles", linear, shape=64)
    assert outputs(clipper, "digits", held_out) == linear.predict(held_out).tolist()
    assert clipper.predict("digits", held_out[0]).model == "linear:1"
    clipper.deploy_model("tree", 1, tree, "doubles")
    clipper.link_model_to_app("digits", "tree")
    voted = clipper.predict_batch("digits", list(held_out))
    # Of two that differ the one linked first is believed.
    assert [answer.output for answer in voted] == linear.predict(held_out).tolist()
    agree = linear.predict(held_out) == tree.predict(held_out)
    # An answer that is given before the second model's is in says of it only what is known by then.
    for answer, both in zip(voted, agree, strict=True):
        assert answer.confidence in ((0.5, 1.0) if both else (0.5,))


def test_function_takes_vectors_and_gives_any_json(clipper: Clipper) -> None:
    def describe(inputs: Any) -> list[Any]:
        return [{"sum": float(sum(one)), "length": len(one)} for one in inputs]

    serve(clipper, "describe", "describe", "doubles", describe)
    assert outputs(clipper, "describe", [[1.0, 2.0], [0.5]]) == [{"sum": 3.0, "length": 2}, {"sum": 0.5, "length": 1}]


def test_function_takes_strings(clipper: Clipper) -> None:
    serve(clipper, "upper", "upper", "strings", lambda inputs: [one.upper() for one in inputs])
    assert outputs(clipper, "upper", ["straße", "", "a\u0000b"]) == ["STRASSE", "", "A\u0000B"]


def test_function_takes_bytes(clipper: Clipper) -> None:
    serve(clipper, "reverse", "reverse", "bytes", lambda inputs: [list(reversed(one)) for one in inputs])
    raw = bytes(range(256))
    answer = httpx.post(f"{clipper.query_url}/reverse/predict", json={"input": base64.b64encode(raw).decode()})
    assert answer.json()["output"] == list(reversed(raw))


def test_tensor_reaches_the_model_in_its_shape_as_json_and_as_binary(clipper: Clipper) -> None:
    def trace(inputs: Any) -> list[float]:
        return [float(np.trace(one)) for one in inputs]

    serve(clipper, "trace", "trace", "tensor", trace, shape=(3, 3), dtype="float32")
    matrices = np.arange(18, dtype="<f4").reshape(2, 3, 3)
    expected = [float(np.trace(one)) for one in matrices]
    assert outputs(clipper, "trace", matrices.tolist()) == expected
    answer = httpx.post(
        f"{clipper.query_url}/trace/predict",
        content=matrices.tobytes(),
        headers={"Content-Type": "application/octet-stream", "Clipper-Batch": "2"},
    )
    assert [one["output"] for one in answer.json()["batch_predictions"]] == expected


@pytest.mark.parametrize(("container", "expected"), [("noop", 1.5), ("sum", 4.0), ("simulated", 1.5)])
def test_containers_without_a_model_answer(clipper: Clipper, container: str, expected: float) -> None:
    serve(clipper, f"a-{container}", container, "doubles", container=container)
    assert outputs(clipper, f"a-{container}", [[1.5, 2.5]]) == [expected]


def test_exception_in_a_model_is_told_briefly_and_the_next_query_is_answered(clipper: Clipper) -> None:
    def pick(inputs: Any) -> list[float]:
        return [[10.0, 20.0][int(one[0])] for one in inputs]

    serve(clipper, "pick", "pick", "doubles", pick, on_miss="error")
    answer = httpx.post(f"{clipper.query_url}/pick/predict", json={"input": [7.0]})
    assert (answer.status_code, answer.json()["error"]) == (502, "model_error")
    assert "IndexError" in answer.json()["cause"]
    assert "Traceback" not in answer.json()["cause"]
    assert outputs(clipper, "pick", [[1.0]]) == [20.0]
    (failed,) = clipper.predict_batch("pick", [[9.0]])
    assert (failed.error, failed.output) == ("model_error", None)
    assert "IndexError" in failed.cause
    assert "Traceback" in clipper.logs("pick:1:0")


def test_versions_switch_without_a_failed_query(clipper: Clipper) -> None:
    serve(clipper, "switch", "switch", "doubles", lambda inputs: ["one"] * len(inputs))
    clipper.deploy_model("switch", 2, lambda inputs: ["two"] * len(inputs), "doubles", make_current=False)
    assert outputs(clipper, "switch", [[1.0]]) == ["one"]
    assert clipper.predict("switch", [1.0], version=2).output == "two"
    clipper.set_model_version("switch", 2)
    assert outputs(clipper, "switch", [[1.0]]) == ["two"]


def test_metrics_and_health_tell_what_happened(clipper: Clipper) -> None:
    serve(clipper, "counted", "counted", "doubles", container="noop")
    outputs(clipper, "counted", [[float(number)] for number in range(5)])
    assert httpx.get(f"{clipper.query_url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{clipper.query_url}/readyz").status_code == 200
    metrics = httpx.get(f"{clipper.query_url}/metrics").text
    assert any('application="counted"' in line and line.endswith(" 5.0") for line in metrics.splitlines())


def test_application_without_a_model_misses_by_its_own_rule(clipper: Clipper) -> None:
    clipper.register_application("empty", "doubles", "nothing", SLO_US)
    answer = clipper.predict("empty", [1.0])
    assert (answer.output, answer.is_default) == ("nothing", True)
    clipper.register_application("strict", "doubles", 0, SLO_US, on_miss="error")
    with pytest.raises(ServerError):
        clipper.predict("strict", [1.0])


def test_clipper_that_is_stopped_leaves_nothing_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    run_dir = Path("/tmp") / f"clipper-{tmp_path_factory.mktemp('run').name}-{id(tmp_path_factory):x}"
    try:
        with Clipper.start(query_port=0, management_port=0, run_dir=run_dir) as clipper:
            serve(clipper, "app", "noop", "doubles", container="noop")
            assert outputs(clipper, "app", [[1.0]]) == [1.0]
            assert len(processes_of(run_dir)) >= 4
        assert processes_of(run_dir) == {}
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
