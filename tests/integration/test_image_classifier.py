"""The image classifier in the product: deployed and asked; bad pictures fail alone, a lost device loses no query."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipper import Clipper, DeployError, InvalidArgumentError
from examples.image_classification.serve import count_right, deployment_of
from examples.image_classification.train import PIPELINE, Digits, load_digits, train
from model_containers.gpu import Pipeline, Resize, TensorImage, make_preprocessor
from model_containers.image_classifier import ImageClassifier
from tests.support.processes import wait_until
from tests.support.repository import ROOT

pytestmark = [pytest.mark.timeout(120), pytest.mark.optional("onnx", "python -m pip install 'onnx>=1.16'")]
SLO_US = 5_000_000
PICTURES = 60
# A container that loses its device at the first batch of all, as it sees it, and is well when it is asked again.
LOSES = """
    import os
    from model_containers import ModelContainer, serve
    from model_containers.gpu import DeviceLostError

    class Loses(ModelContainer):
        def predict_batch(self, inputs):
            try:
                os.close(os.open({flag!r}, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return inputs[:, 0]
            raise DeviceLostError("the CUDA device is lost: launch failure")

    serve(Loses())
"""


@pytest.fixture(scope="module")
def lost_flag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lost") / "lost"


@pytest.fixture(scope="module")
def clipper(lost_flag: Path) -> Iterator[Clipper]:
    script = lost_flag.with_name("loses.py")
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + textwrap.dedent(LOSES.format(flag=str(lost_flag)))
    )
    with Clipper.start(query_port=0, management_port=0, containers={"loses": [sys.executable, str(script)]}) as running:
        yield running


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ImageClassifier:
    return train(tmp_path_factory.mktemp("network") / "digits.onnx")


@pytest.fixture(scope="module")
def unseen() -> Digits:
    found = load_digits()[1]
    return Digits(found.pictures[:PICTURES], found.labels[:PICTURES])


@pytest.fixture(scope="module")
def deployed(clipper: Clipper, network: ImageClassifier) -> Clipper:
    clipper.register_application("digits", "bytes", None, SLO_US, on_miss="error")
    clipper.deploy_model("digits", 1, network, input_type="bytes", **deployment_of([]))
    clipper.link_model_to_app("digits", "digits")
    return clipper


def test_pictures_of_many_sizes_are_classified_right(deployed: Clipper, unseen: Digits) -> None:
    assert count_right(deployed, unseen) >= 0.9 * PICTURES
    answer = deployed.predict("digits", unseen.pictures[0]).output
    assert set(answer) == {"label", "score"} and 0 < answer["score"] <= 1


def test_answers_of_the_container_are_those_of_the_network_alone(
    deployed: Clipper, network: ImageClassifier, unseen: Digits
) -> None:
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(str(network.network), providers=["CPUExecutionProvider"])
    images = make_preprocessor(PIPELINE).prepare(unseen.pictures).array
    scores = session.run(None, {"image": images})[0]
    found = [each.output for each in deployed.predict_batch("digits", unseen.pictures)]
    assert [each["label"] for each in found] == [str(place) for place in scores.argmax(axis=1)]
    np.testing.assert_allclose([each["score"] for each in found], scores.max(axis=1), rtol=1e-4)


def test_bad_pictures_of_a_batch_fail_alone_and_say_why(deployed: Clipper, unseen: Digits) -> None:
    good = unseen.pictures[1]
    batch = [good, b"", good[:100], good, b"no picture"]
    found = deployed.predict_batch("digits", batch)
    assert [bool(each.error) for each in found] == [False, True, True, False, True]
    assert found[0].output == found[3].output == deployed.predict("digits", good).output
    for each, told in zip((found[1], found[2], found[4]), ("empty", "damaged", "no image"), strict=True):
        assert told in each.cause


def test_device_that_is_not_there_refuses_the_deployment_and_says_so(
    deployed: Clipper, network: ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeployError) as caught:
        deployed.deploy_model(
            "digits", 2, network, input_type="bytes", environment={"CLIPPER_GPU_DEVICE": "cuda:99"}, make_current=False
        )
    assert "cuda:99" in caught.value.log_tail or "no CUDA device" in caught.value.log_tail
    assert deployed.get_model("digits").current_version == "1"


def test_pipeline_that_does_not_make_what_the_network_takes_is_refused(
    deployed: Clipper, network: ImageClassifier
) -> None:
    wrong = ImageClassifier(network.network, Pipeline(TensorImage(), [Resize(16, 16)]))
    with pytest.raises(DeployError) as caught:
        deployed.deploy_model("digits", 3, wrong, input_type="bytes", make_current=False)
    assert "the pipeline makes uint8 of shape (batch, 16, 16, 3)" in caught.value.log_tail


def test_network_that_is_not_there_is_refused_before_the_server_hears_of_it(deployed: Clipper) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no network 'missing\.onnx'"):
        deployed.deploy_model("digits", 4, ImageClassifier("missing.onnx", PIPELINE), input_type="bytes")


def test_replica_whose_device_is_lost_ends_and_its_query_is_answered_by_another(
    clipper: Clipper, lost_flag: Path
) -> None:
    clipper.register_application("loses", "doubles", -1.0, SLO_US)
    lost_flag.touch()  # not before the query
    clipper.deploy_model("loses", 1, container="loses", replicas=2)
    clipper.link_model_to_app("loses", "loses")
    lost_flag.unlink()
    answer = clipper.predict("loses", [7.0])
    assert (answer.output, answer.is_default) == (7.0, False)
    assert lost_flag.exists()
    told = "exit 6: the model cannot go on: the CUDA device is lost: launch failure"
    first = [f"loses:1:{index}" for index in range(2)]
    wait_until(lambda: any(told in clipper.logs(each, 50) for each in first))
    clipper.wait_ready("loses", 1)
