"""Containers that open a model's files: real processes, real pickles, a real estimator."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]  # it ships no types
import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model_containers import settings
from model_containers.python_function import FUNCTION_FILE
from model_containers.sklearn import JOBLIB_FILE, METADATA_FILE, PICKLE_FILE
from model_containers.wire import DType
from tests.support.container_process import ContainerProcess
from tests.support.puppet_frontend import PuppetFrontend

pytestmark = pytest.mark.timeout(60)
Start = Callable[..., ContainerProcess]


@pytest.fixture
def frontend(tmp_path: Path) -> Iterator[PuppetFrontend]:
    puppet = PuppetFrontend(f"ipc://{tmp_path}/rpc.sock")
    yield puppet
    puppet.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[ContainerProcess] = []

    def start_one(kind: str, **environment: str) -> ContainerProcess:
        process = ContainerProcess(
            kind,
            f"ipc://{tmp_path}/rpc.sock",
            tmp_path / "container.log",
            {"CLIPPER_MODEL_PATH": str(tmp_path), **environment},
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()


def doubles(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def test_python_function_closure_is_called_with_the_batch(
    frontend: PuppetFrontend, start: Start, tmp_path: Path
) -> None:
    factor = 3.0
    (tmp_path / FUNCTION_FILE).write_bytes(cloudpickle.dumps(lambda inputs: [row.sum() * factor for row in inputs]))
    start("python_function")
    frontend.wait_ready()
    assert frontend.predict([doubles(1, 2), doubles(0, 1)]).outputs == [(b"9.0", False), (b"3.0", False)]


def test_python_function_of_strings_returns_strings(frontend: PuppetFrontend, start: Start, tmp_path: Path) -> None:
    (tmp_path / FUNCTION_FILE).write_bytes(cloudpickle.dumps(lambda inputs: [text.upper() for text in inputs]))
    start("python_function", CLIPPER_INPUT_TYPE="strings")
    frontend.wait_ready()
    outputs = frontend.predict([b"cat", b"12"], DType.STRING).outputs
    assert outputs == [(b'"CAT"', False), (b"12", False)]


@pytest.mark.parametrize(
    ("content", "line"), [(None, "there is no file"), (b"no pickle", "Traceback"), (b"N.", "NoneType")]
)
def test_python_function_unusable_file_exits_with_a_clear_line(
    frontend: PuppetFrontend, start: Start, tmp_path: Path, content: bytes | None, line: str
) -> None:
    if content is not None:
        (tmp_path / FUNCTION_FILE).write_bytes(content)
    container = start("python_function")
    frontend.wait_for(lambda: not container.is_running(), limit_s=20)
    assert container.wait() == settings.EXIT_MODEL
    assert line in container.log_text()
    assert "the model cannot be loaded" in container.log_text()


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize("file", [PICKLE_FILE, JOBLIB_FILE])
def test_sklearn_estimator_answers_as_it_does_at_home(
    frontend: PuppetFrontend, start: Start, tmp_path: Path, file: str, method: str
) -> None:
    random = np.random.default_rng(0)
    inputs, labels = random.random((40, 4)), np.arange(40) % 2
    estimator = LogisticRegression().fit(inputs, labels)
    if file == PICKLE_FILE:
        (tmp_path / file).write_bytes(cloudpickle.dumps(estimator))
    else:
        joblib.dump(estimator, tmp_path / file)
    if method != "predict":
        (tmp_path / METADATA_FILE).write_text(json.dumps({"method": method}))
    container = start("sklearn")
    frontend.wait_ready()
    outputs = frontend.predict([row.tobytes() for row in inputs[:5]]).outputs
    expected = getattr(estimator, method)(inputs[:5])
    assert [json.loads(text) for text, _ in outputs] == expected.tolist()
    assert "starts cold" not in container.log_text()
