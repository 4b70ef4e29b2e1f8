"""The models of the comparison and the questions to them: what is known beforehand is what the servers answer."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.loadgen.request import FIRST_COUNTER, LAST_COUNTER, Body, RequestTemplate
from bench.subjects.open_inference import OpenInferenceSubject
from bench.subjects.registry import SUBJECTS
from bench.subjects.servers import models
from bench.subjects.subject import Site
from bench.subjects.triton import Triton
from bench.workloads import (
    MIX,
    QUESTIONS,
    Workload,
    fit_linear_model,
    inputs_around_hole,
    missing_module,
    octet_template,
    right_answer,
    save_models,
)
from bench.zoo import image, text
from bench.zoo.questions import Questions, number_arrays

COUNTERS = (FIRST_COUNTER, FIRST_COUNTER + 13, FIRST_COUNTER + 5_000_018, LAST_COUNTER)


def workloads_here() -> list[Workload]:
    return [workload for workload in Workload if missing_module(workload) is None]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"), fit_linear_model())
    site.save_models(workloads_here())
    return site


def endpoint(workload: Workload, site: Site, monkeypatch: pytest.MonkeyPatch) -> models.Endpoint:
    monkeypatch.setenv("BENCH_MODELS", str(site.models_dir))
    return models.load_endpoint(workload.value)


@pytest.mark.parametrize("workload", workloads_here())
def test_served_model_gives_the_answers_that_are_known_beforehand(
    workload: Workload, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = endpoint(workload, site, monkeypatch)
    template = Triton(site).template(workload) if workload.is_binary else None
    plain = octet_template("/", workload, site.model) if workload.is_binary else None
    wanted, inputs = [], []
    for counter in (*COUNTERS, *range(FIRST_COUNTER, FIRST_COUNTER + 20)):
        if plain is not None:
            body = plain.body(counter)
            assert template is not None
            assert template.body(counter).endswith(body)
        else:
            inside = inputs_around_hole(workload, site.model)
            one = inside[counter % len(inside)]
            body = b'{"input":' + one.before + b"%08d" % counter + one.after + b"}"
        inputs.append(served.decode(body, json.loads))
        wanted.append(right_answer(workload, counter, site.model))
    assert served.answer(inputs) == wanted


@pytest.mark.parametrize("workload", [w for w in workloads_here() if w in QUESTIONS])
def test_questions_have_more_than_one_answer(workload: Workload) -> None:
    assert len(set(QUESTIONS[workload]().answers)) > 1


def test_questions_that_all_have_one_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="checks nothing"):
        Questions((Body(b"", b""), Body(b"", b"")), (1, 1))


def test_questions_without_an_answer_each_are_refused() -> None:
    with pytest.raises(ValueError, match="1 inputs and 2 answers"):
        Questions((Body(b"", b""),), (1, 2))


def test_picture_is_as_long_as_its_shape_says() -> None:
    body = image.questions().bodies[0]
    assert len(body.before) + 8 + len(body.after) == 3 * 224 * 224 * 4


def test_digits_of_a_counter_are_floats_that_move_no_mean() -> None:
    for counter in COUNTERS:
        assert all(0 < number < 0.001 for number in struct.unpack("<2f", b"%08d" % counter))


def test_vocabulary_knows_no_counter() -> None:
    assert not any(word.isdigit() for word in text._weights())


def test_number_arrays_leave_the_first_number_to_the_counter() -> None:
    (body,) = number_arrays([[9.0, 0.25, -1.5]], digits=2)
    assert json.loads(body.before + b"12345678" + body.after) == [0.12345678, 0.25, -1.5]


def test_shares_of_the_mixed_row_are_the_whole() -> None:
    assert sum(part.share for part in MIX) == pytest.approx(1.0)


def test_models_of_workloads_that_are_not_asked_for_are_not_made(tmp_path: Path) -> None:
    save_models(tmp_path, fit_linear_model(), [Workload.TEXT])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["linear_model.npz", "text_weights.json"]


def test_workload_whose_library_is_missing_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert missing_module(Workload.TREES) == "lightgbm not installed: pip install 'clipper[bench]'"
    assert str(missing_module(Workload.NETWORK)).startswith("onnx and onnxruntime not installed")
    assert missing_module(Workload.NOOP) is None


def inference_kinds() -> list[type[OpenInferenceSubject]]:
    return [kind for kind in SUBJECTS if issubclass(kind, OpenInferenceSubject)]


@pytest.mark.parametrize("kind", inference_kinds(), ids=lambda kind: str(kind.name))
def test_open_inference_request_declares_what_its_body_holds(kind: type[OpenInferenceSubject], site: Site) -> None:
    subject = kind(site)
    for workload in set(workloads_here()) & set(subject.paths):
        template = subject.template(workload)
        assert template is not None
        tensor, data = inference_tensor(template, FIRST_COUNTER)
        size = int(np.prod(tensor["shape"]))
        if workload.is_binary:
            assert len(data) == tensor["parameters"]["binary_data_size"]
            assert len(data) == size * {"FP32": 4, "FP64": 8}[tensor["datatype"]]
        else:
            assert len(tensor["data"]) == size


def inference_tensor(template: RequestTemplate, counter: int) -> tuple[dict[str, Any], bytes]:
    body = template.body(counter)
    length = int(dict(template.headers).get("Inference-Header-Content-Length", len(body)))
    (tensor,) = json.loads(body[:length])["inputs"]
    return tensor, body[length:]


@pytest.mark.parametrize("kind", SUBJECTS, ids=lambda kind: str(kind.name))
def test_subject_serves_each_workload_or_says_why_not(kind: type[Any]) -> None:
    if kind.role == "floor":
        return
    assert set(kind.paths) | set(kind.cannot) == set(Workload)
    assert not set(kind.paths) & set(kind.cannot)
