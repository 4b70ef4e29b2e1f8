"""Every kind of plan over HTTP with container processes, as they run in the product; no puppet in between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.container_process import ContainerProcess
from tests.support.data_path import DataPath, data_path
from tests.support.planned import MODELS, apply, arms_of, plan_document, send_plans

pytestmark = pytest.mark.timeout(60)

# Each is sure of the numbers up to its own, and says its name; c takes its time.
SCRIPT = """
import os, time
from model_containers import ModelContainer, serve

name = os.environ["CLIPPER_MODEL_NAME"]
sure_up_to = {"a": 1.0, "b": 2.0, "c": 3.0}[name]

class Sure(ModelContainer):
    def predict_batch(self, inputs):
        if name == "c":
            time.sleep(0.005)
        return [{"label": name, "confidence": 0.95 if one[0] <= sure_up_to else 0.4} for one in inputs]

serve(Sure())
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPath]:
    directory: Path = tmp_path_factory.mktemp("containers")
    script = directory / "sure.py"
    script.write_text(SCRIPT)
    with data_path() as serving:
        apply(serving, cache=False)
        processes = [
            ContainerProcess(
                str(script),
                serving.address,
                directory / f"{name}.log",
                {"CLIPPER_MODEL_NAME": name, "CLIPPER_REPLICA_ID": f"{name}:1:0"},
            )
            for name in MODELS
        ]
        for name in MODELS:
            serving.wait_ready(f"{name}:1:0")
        yield serving
        for process in processes:
            process.kill()


def ask_many(path: DataPath, inputs: list[float], **body: Any) -> list[dict[str, Any]]:
    """Ask from eight clients at once."""
    with ThreadPoolExecutor(8) as clients:
        return list(clients.map(lambda value: path.ask({"input": [value], **body}).json, inputs))


def test_arms_share_the_traffic(path: DataPath) -> None:
    send_plans(path, (None, plan_document(1, "arms", probabilities=[0.5, 0.5, 0.0])))
    models = [answer["model"] for answer in ask_many(path, [1.0] * 60)]
    assert set(models) == {"a:1", "b:1"}


def test_weighted_members_answer_with_the_heaviest_output(path: DataPath) -> None:
    send_plans(path, (None, plan_document(2, "members", rule="weighted", weights=[1, 1, 3])))
    for answer in ask_many(path, [3.0] * 16):
        assert (answer["output"]["label"], answer["confidence"]) == ("c", 0.6)


def test_members_that_disagree_give_the_default_output_below_the_least_confidence(path: DataPath) -> None:
    send_plans(path, (None, plan_document(3, "members", rule="majority", min_confidence=0.5)))
    assert all(answer["default"] for answer in ask_many(path, [1.0] * 16))


def test_cascade_asks_as_far_as_each_query_needs(path: DataPath) -> None:
    send_plans(path, (None, plan_document(4, "cascade", thresholds=[0.9, 0.9])))
    inputs = [float(1 + number % 4) for number in range(32)]
    answers = ask_many(path, inputs)
    expected = {1.0: ("a", 0.95), 2.0: ("b", 0.95), 3.0: ("c", 0.95), 4.0: ("c", 0.4)}
    for value, answer in zip(inputs, answers, strict=True):
        assert (answer["output"]["label"], answer["confidence"]) == expected[value]
        assert answer["model"] == f"{expected[value][0]}:1"


def test_features_choose_the_model(path: DataPath) -> None:
    parameters = {"negative": 0, "positive": 1}
    plan = plan_document(5, "features", policy="tests.support.sign_policy:SignPolicy", parameters=parameters)
    send_plans(path, (None, plan))
    inputs = [float(number % 2 * 2 - 1) for number in range(32)]
    labels = [answer["output"]["label"] for answer in ask_many(path, inputs)]
    assert labels == ["a" if value < 0 else "b" for value in inputs]


def test_shadow_is_evaluated_beside_the_model_that_answers(path: DataPath) -> None:
    send_plans(path, (None, plan_document(6, "arms", ["a"], probabilities=[1.0], shadows=arms_of("c"))))
    before = path.figures("c")
    answers = [path.ask({"input": [1.0]}).json for _ in range(5)]
    assert {answer["model"] for answer in answers} == {"a:1"}
    path.wait_until(lambda: path.core.slots.in_use == 0)
    figures = path.figures("c")
    assert figures["shadow_tasks"] - before["shadow_tasks"] == 5
    assert figures["tasks"] - before["tasks"] == 5


def test_context_has_a_model_of_its_own(path: DataPath) -> None:
    send_plans(
        path,
        (None, plan_document(7, "arms", ["a"], probabilities=[1.0])),
        ("user-17", plan_document(8, "arms", ["b"], probabilities=[1.0])),
    )
    assert {answer["model"] for answer in ask_many(path, [1.0] * 8, context="user-17")} == {"b:1"}
    assert {answer["model"] for answer in ask_many(path, [1.0] * 8, context="user-18")} == {"a:1"}
