"""Deployers: what they write opens in a process that has none of the caller's own modules."""

from __future__ import annotations

import functools
import importlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped]
import pytest

from clipper.deployers import find_deployer, register_deployer, unregister_deployer
from clipper.deployers.unpicklable import find_unpicklable
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


def test_packages_that_pip_put_into_another_directory_are_installed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "targeted_library-1.0.dist-info" / "RECORD"  # as `pip install --target` leaves them
    record.parent.mkdir()
    record.write_text("targeted_library.py,,\n../../bin/targeted,,\n")
    for module in ("targeted_library", "beside_the_library"):
        (tmp_path / f"{module}.py").write_text("def predict(inputs):\n    return inputs\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    predict = importlib.import_module("targeted_library").predict
    find_deployer(predict).save(predict, tmp_path)
    with pytest.raises(subprocess.CalledProcessError) as refused:  # by reference: its container has the library
        open_elsewhere(tmp_path / FUNCTION_FILE, "model([1])")
    assert "No module named 'targeted_library'" in refused.value.stderr
    own = importlib.import_module("beside_the_library").predict
    find_deployer(own).save(own, tmp_path)
    assert open_elsewhere(tmp_path / FUNCTION_FILE, "model([1])") == "[1]"


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


def test_way_to_what_cannot_be_pickled_is_told() -> None:
    class Store:
        def __init__(self) -> None:
            self.settings = {"lock": [threading.Lock()]}

    store = Store()

    def inner(inputs: list[float]) -> list[float]:
        return inputs if store.settings else []

    with pytest.raises(InvalidArgumentError) as caught:
        find_deployer(inner).save(lambda inputs: inner(inputs), Path())
    way = r"variable 'inner', variable 'store', attribute 'settings', item 'lock', item 0 \(a lock\)"
    assert re.search(way, caught.value.message), caught.value.message


@pytest.mark.parametrize(
    ("value", "way"),
    [
        (functools.partial(max, threading.Lock()), "argument"),
        (functools.partial(max, key=threading.Lock()), "argument 'key'"),
        ({"a": (1, {threading.Lock()})}, "item 'a', item 1"),
    ],
)
def test_way_leads_through_partials_containers_and_objects(value: object, way: str) -> None:
    def is_picklable(part: object) -> bool:
        try:
            cloudpickle.dumps(part)
        except (TypeError, ValueError):
            return False
        return True

    assert find_unpicklable(value, is_picklable).startswith(way)


def test_value_that_contains_itself_ends_the_search() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert find_unpicklable(loop, lambda part: False) == ""


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda: [0], r"cannot be called with one argument, the list of inputs"),
        (lambda inputs, other: inputs, r"missing a required argument: 'other'"),
    ],
)
def test_function_that_does_not_take_one_batch_is_refused(function: object, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        find_deployer(function).save(function, Path())


def test_functions_that_return_no_outputs_at_once_are_refused(tmp_path: Path) -> None:
    async def slow(inputs: list[float]) -> list[float]:
        return inputs

    def lazy(inputs: list[float]) -> Iterator[float]:
        yield from inputs

    class Later:
        async def __call__(self, inputs: list[float]) -> list[float]:
            return inputs

    for function, word in ((slow, "asynchronous"), (lazy, "generator"), (Later(), "asynchronous")):
        with pytest.raises(InvalidArgumentError, match=word):
            find_deployer(function).save(function, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_function_with_defaults_or_without_a_signature_is_accepted(tmp_path: Path) -> None:
    find_deployer(sum).save(lambda inputs, scale=2, *rest, **others: inputs, tmp_path)
    find_deployer(max).save(max, tmp_path)


def test_class_in_place_of_a_model_is_refused_with_what_to_do() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    for kind in (linear.LogisticRegression, dict):
        with pytest.raises(InvalidArgumentError, match=f"{kind.__name__} is a class") as caught:
            find_deployer(kind)
        assert f"model = {kind.__name__}(...)" in caught.value.hint


def test_estimator_that_is_not_fitted_is_refused(tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    unfitted = [linear.LogisticRegression(), pipeline.make_pipeline(scaler, linear.LogisticRegression())]
    for model in unfitted:
        with pytest.raises(InvalidArgumentError, match="is not fitted"):
            find_deployer(model).save(model, tmp_path)
        model.fit([[0.0], [1.0]], [0, 1])
        find_deployer(model).save(model, tmp_path)
    with pytest.raises(InvalidArgumentError, match="StandardScaler has no method predict"):
        find_deployer(scaler).save(scaler, tmp_path)


def test_estimator_of_somebody_else_is_not_judged_by_scikit_learns_rule(tmp_path: Path) -> None:
    base = pytest.importorskip("sklearn.base")

    class Constant(base.BaseEstimator):  # type: ignore[misc,name-defined]
        def fit(self, features: object, labels: object) -> object:
            return self

        def predict(self, features: list[object]) -> list[int]:
            return [1] * len(features)

    find_deployer(Constant()).save(Constant(), tmp_path)


class TextDeployer:
    """Ships a string, to show that anybody can."""

    container = "text"

    def accepts(self, model: object) -> bool:
        return isinstance(model, str)

    def save(self, model: object, directory: Path) -> None:
        (directory / "text").write_text(str(model))


def test_registered_deployer_is_found_first_and_can_be_taken_back() -> None:
    deployer = TextDeployer()
    register_deployer(deployer)
    try:
        register_deployer(deployer)
        assert find_deployer("a model") is deployer
        assert find_deployer("a model", "text") is deployer
    finally:
        unregister_deployer("text")
    with pytest.raises(InvalidArgumentError, match="'str' cannot be deployed"):
        find_deployer("a model")


@pytest.mark.parametrize(("deployer", "match"), [(object(), "container, accepts, save"), (TextDeployer, "an instance")])
def test_what_is_no_deployer_is_refused(deployer: object, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        register_deployer(deployer)  # type: ignore[arg-type]
