"""Deployers: what they write opens in a process that has none of the caller's own modules."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clipper.deployers import find_deployer
from clipper.errors import InvalidArgumentError
from model_containers.python_function import FUNCTION_FILE
from model_containers.sklearn import PICKLE_FILE


def open_elsewhere(path: Path, expression: str) -> str:
    """Unpickle in a fresh process, away from this directory, and evaluate an expression of ``model``."""
    code = f"import pickle, sys; model = pickle.load(open(sys.argv[1], 'rb')); print({expression})"
    argv = [sys.executable, "-P", "-c", code, str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, cwd="/", env={})
    return done.stdout.strip()


def test_closure_is_shipped_with_what_it_captures(tmp_path: Path) -> None:
    factor = 3
    deployer = find_deployer(lambda inputs: [factor * value for value in inputs])
    deployer.save(lambda inputs: [factor * value for value in inputs], tmp_path)
    assert deployer.container == "python_function"
    assert open_elsewhere(tmp_path / FUNCTION_FILE, "model([1, 2])") == "[3, 6]"


def test_function_of_a_module_that_is_not_installed_is_shipped_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_helper_module.py").write_text("def helper(x):\n    return x + 1\n")
    (tmp_path / "my_model_module.py").write_text(
        "from my_helper_module import helper\n\ndef predict(inputs):\n    return [helper(x) for x in inputs]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    predict = importlib.import_module("my_model_module").predict
    find_deployer(predict).save(predict, tmp_path)
    assert open_elsewhere(tmp_path / FUNCTION_FILE, "model([1, 2])") == "[2, 3]"


def test_estimator_goes_to_the_sklearn_container(tmp_path: Path) -> None:
    dummy = pytest.importorskip("sklearn.dummy")
    model = dummy.DummyClassifier(strategy="constant", constant=7).fit([[0.0]], [7])
    deployer = find_deployer(model)
    deployer.save(model, tmp_path)
    assert deployer.container == "sklearn"
    assert open_elsewhere(tmp_path / PICKLE_FILE, "model.predict([[1.0]]).tolist()") == "[7]"


def test_function_that_captures_a_lock_is_refused_with_the_reason() -> None:
    lock = threading.Lock()

    def predict(inputs: list[float]) -> list[float]:
        with lock:
            return inputs

    with pytest.raises(InvalidArgumentError, match=r"predict.*cannot be pickled.*lock"):
        find_deployer(predict).save(predict, Path())


def test_object_that_is_no_model_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'int' cannot be deployed"):
        find_deployer(7)
    with pytest.raises(InvalidArgumentError, match="noop"):
        find_deployer(lambda inputs: inputs, container="noop")
