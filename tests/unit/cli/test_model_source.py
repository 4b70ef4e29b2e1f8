"""What SOURCE of ``clipper deploy`` may be. A pickle is never opened."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import joblib
import pytest
from sklearn.linear_model import LinearRegression

from clipper.cli.model_source import ModelSource
from clipper.errors import InvalidArgumentError, NotFoundError


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


@pytest.fixture
def estimator() -> LinearRegression:
    return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


def saved(source: ModelSource, tmp_path: Path) -> dict[str, bytes]:
    directory = tmp_path / "saved"
    directory.mkdir()
    source.save(directory)
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_pickled_estimator_goes_to_the_sklearn_container_byte_for_byte(
    tmp_path: Path, estimator: LinearRegression
) -> None:
    Path("model.pkl").write_bytes(pickle.dumps(estimator))
    source = ModelSource("model.pkl", None, None)
    assert source.container == "sklearn"
    assert "LinearRegression" in source.description
    assert saved(source, tmp_path) == {"model.pkl": Path("model.pkl").read_bytes()}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_tells_its_class(estimator: LinearRegression, protocol: int) -> None:
    Path("model.pkl").write_bytes(pickle.dumps(estimator, protocol))
    assert ModelSource("model.pkl", None, None).container == "sklearn"


@pytest.mark.parametrize(("name", "compress"), [("m.joblib", 0), ("m.joblib", 3), ("m.pkl", 0), ("m.pkl", 3)])
def test_joblib_file_is_one_whatever_its_suffix(
    tmp_path: Path, estimator: LinearRegression, name: str, compress: int
) -> None:
    joblib.dump(estimator, name, compress=compress)
    source = ModelSource(name, None, None)
    assert source.container == "sklearn"
    assert list(saved(source, tmp_path)) == ["model.joblib"]


def test_pickled_function_goes_to_the_function_container(tmp_path: Path) -> None:
    Path("f.pkl").write_bytes(cloudpickle.dumps(lambda inputs: inputs))
    source = ModelSource("f.pkl", None, None)
    assert source.container == "python_function"
    assert list(saved(source, tmp_path)) == ["function.pkl"]


def test_pickle_is_not_opened(tmp_path: Path) -> None:
    Path("bomb.pkl").write_bytes(pickle.dumps([LinearRegression(), Bomb(tmp_path / "opened")]))
    source = ModelSource("bomb.pkl", None, None)
    saved(source, tmp_path)
    assert not (tmp_path / "opened").exists()


def test_container_may_be_chosen_for_any_file(tmp_path: Path) -> None:
    Path("weights.onnx").write_bytes(b"weights")
    assert saved(ModelSource("weights.onnx", "mine", None), tmp_path) == {"weights.onnx": b"weights"}


def test_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "deep" / "weights").write_bytes(b"1")
    directory = tmp_path / "saved"
    directory.mkdir()
    ModelSource("model", "mine", None).save(directory)
    assert (directory / "deep" / "weights").read_bytes() == b"1"


def test_method_of_an_estimator_is_told_to_its_container(tmp_path: Path, estimator: LinearRegression) -> None:
    Path("model.pkl").write_bytes(pickle.dumps(estimator))
    files = saved(ModelSource("model.pkl", None, "predict_proba"), tmp_path)
    assert json.loads(files["metadata.json"]) == {"method": "predict_proba"}


@pytest.mark.parametrize("source", ["good:predict", "good.py:predict", "./good.py:predict", "good:Model.predict"])
def test_function_of_a_module_or_file_is_pickled(tmp_path: Path, source: str) -> None:
    Path("good.py").write_text(
        "def predict(inputs):\n    return inputs\nclass Model:\n    predict = staticmethod(predict)\n"
    )
    model = ModelSource(source, None, None)
    assert model.container == "python_function"
    function = cloudpickle.loads(saved(model, tmp_path)["function.pkl"])
    assert function([1]) == [1]


@pytest.mark.parametrize(
    ("source", "container", "method", "told"),
    [
        ("model.onnx", None, None, "write a function"),
        ("good.py", None, None, "good.py:predict"),
        ("directory", None, None, "--container"),
        ("text.txt", None, None, "--container"),
        ("numbers.pkl", None, None, "--container sklearn"),
        ("good.py:predict", None, "predict", "--method"),
        ("model.onnx", "x", "nonsense", "--method"),
        ("good.py:number", None, None, "function of a list"),
        ("broken.py:predict", None, None, "broken.py:1"),
        ("syntax.py:predict", None, None, "SyntaxError"),
    ],
)
def test_source_that_is_no_model_is_refused_with_what_to_do(
    source: str, container: str | None, method: str | None, told: str
) -> None:
    Path("model.onnx").write_bytes(b"")
    Path("good.py").write_text("def predict(inputs): return inputs\nnumber = 1\n")
    Path("broken.py").write_text("raise RuntimeError('boom')\n")
    Path("syntax.py").write_text("def (\n")
    Path("directory").mkdir()
    Path("text.txt").write_text("hello")
    Path("numbers.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InvalidArgumentError) as refusal:
        ModelSource(source, container, method)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("modle.pkl", "did you mean 'model.pkl'?"),
        ("nothing-like-it", "module:function"),
        ("no_such_module:f", "can be imported"),
        ("no_such_file.py:f", "there is no file"),
        ("good.py:predcit", "did you mean 'predict'?"),
    ],
)
def test_source_that_is_not_there_is_told_with_the_nearest_name(source: str, told: str) -> None:
    Path("model.pkl").write_bytes(b"")
    Path("good.py").write_text("def predict(inputs): return inputs\n")
    with pytest.raises(NotFoundError) as refusal:
        ModelSource(source, None, None)
    assert told in str(refusal.value)
