"""Cascades: thresholds that hold a target at least cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper.selection.cascade import Cascade
from clipper.selection.confidence import output_confidence
from clipper.selection.plan_spec import ALWAYS_ESCALATE
from clipper.selection.policy import State
from tests.support.selection_world import judged

ARMS = ("cheap:1", "dear:1")


def answer(policy: Cascade, state: State, rng: np.random.Generator) -> tuple[State, float, bool]:
    """Answer one query: cheap is right with its confidence, dear with 0.97; return state, loss, whether escalated."""
    threshold = policy.plan(state, 0).thresholds[0]
    confidence = float(rng.uniform(0.3, 1.0))
    losses = {"cheap:1": float(rng.random() > confidence)}
    outputs: dict[str, Any] = {"cheap:1": {"label": 0, "confidence": confidence}}
    escalated = confidence < threshold
    if escalated:
        losses["dear:1"], outputs["dear:1"] = float(rng.random() > 0.97), {"label": 0, "confidence": 0.97}
    shown = list(losses)[-1]
    state = policy.observe(state, judged(losses, outputs=outputs, shown=shown, kind="cascade"))
    return state, losses[shown], escalated


@pytest.mark.parametrize("target", [0.85, 0.92])
def test_learned_threshold_holds_the_target_and_spares_the_dear_model(target: float) -> None:
    policy = Cascade(target_accuracy=target, costs={"cheap": 1, "dear": 10})
    state = policy.init(ARMS)
    rng = np.random.default_rng(4)
    history = []
    for _ in range(3000):
        state, loss, escalated = answer(policy, state, rng)
        history.append((loss, escalated))
    late = np.array(history[1000:], dtype=float)
    # 2,000 answers: three standard errors are 0.02.
    assert 1 - late[:, 0].mean() > target - 0.02
    assert late[:, 1].mean() < 0.95
    if target == 0.85:
        assert late[:, 1].mean() < 0.6


def test_cascade_passes_everything_on_until_enough_is_known() -> None:
    policy = Cascade(least_observations=3, target_accuracy=0.5)
    state = policy.init(ARMS)
    for _ in range(2):
        assert policy.plan(state, 0).thresholds == (ALWAYS_ESCALATE,)
        state = policy.observe(state, judged({"cheap:1": 0.0}, outputs={"cheap:1": [0.1, 0.9]}, kind="cascade"))
    for _ in range(40):
        state = policy.observe(state, judged({"cheap:1": 0.0}, outputs={"cheap:1": [0.1, 0.9]}, kind="cascade"))
    assert policy.plan(state, 0).thresholds[0] <= 0.9


def test_cascade_that_cannot_reach_its_target_asks_for_the_most_accurate_answers() -> None:
    policy = Cascade(target_accuracy=1.0, least_observations=10)
    state = policy.init(ARMS)
    for number in range(200):
        losses = {"cheap:1": float(number % 2), "dear:1": float(number % 10 == 0)}
        outputs = {"cheap:1": {"confidence": 0.6}, "dear:1": {"confidence": 0.9}}
        state = policy.observe(state, judged(losses, outputs=outputs, shown="dear:1", kind="cascade"))
    assert policy.plan(state, 0).thresholds[0] > 0.6


def test_cascade_of_models_that_say_no_confidence_escalates() -> None:
    policy = Cascade(least_observations=1)
    state = policy.init(ARMS)
    for _ in range(20):
        state = policy.observe(state, judged({"cheap:1": 0.0}, outputs={"cheap:1": "cat"}, kind="cascade"))
    assert policy.plan(state, 0).thresholds == (ALWAYS_ESCALATE,)


def test_cascade_order_and_fixed_threshold_are_as_given() -> None:
    policy = Cascade(order=["dear", "gone"], threshold=0.8)
    plan = policy.plan(policy.init(("cheap:1", "mid:1", "dear:2")), 0)
    assert plan.models == ("dear:2", "cheap:1", "mid:1") and plan.thresholds == (0.8, 0.8)


def test_cascade_of_one_model_has_no_threshold() -> None:
    policy = Cascade()
    assert policy.plan(policy.init(["only:1"]), 0).thresholds == ()


def test_cascade_whose_dear_model_changes_forgets_what_the_old_one_did() -> None:
    policy = Cascade(least_observations=1)
    state = policy.init(ARMS)
    outputs = {"cheap:1": {"confidence": 0.6}, "dear:1": {"confidence": 0.9}}
    state = policy.observe(state, judged({"cheap:1": 1.0, "dear:1": 1.0}, outputs=outputs, kind="cascade"))
    changed = policy.change_arms(state, ("cheap:1", "dear:2"))
    assert sum(changed["records"]["cheap:1"]["seen"]) == 1.0
    assert sum(changed["records"]["cheap:1"]["later_seen"]) == 0.0
    assert sum(changed["records"]["dear:2"]["seen"]) == 0.0


def test_three_stages_share_one_price_of_an_error() -> None:
    policy = Cascade(target_accuracy=0.9, least_observations=10, costs={"a": 1, "b": 4, "c": 40})
    state = policy.init(("a:1", "b:1", "c:1"))
    rng = np.random.default_rng(3)
    for _ in range(600):
        confidences = {"a:1": rng.uniform(0.3, 1), "b:1": rng.uniform(0.7, 1), "c:1": 0.99}
        losses = {arm: float(rng.random() > confidence) for arm, confidence in confidences.items()}
        outputs = {arm: {"confidence": float(confidence)} for arm, confidence in confidences.items()}
        state = policy.observe(state, judged(losses, outputs=outputs, shown="c:1", kind="cascade"))
    first, second = policy.plan(state, 0).thresholds
    assert 0.4 < first < 1.0 and second < 0.97


@pytest.mark.parametrize(
    ("output", "confidence"),
    [
        ({"confidence": 0.5, "label": 1}, 0.5), ({"label": 1}, None), ({"confidence": "high"}, None),
        ([0.1, 0.7], 0.7), ([], None), ([[0.1]], None), ([True], None), ("cat", None), (0.9, None),
        ({"confidence": True}, None), ({"confidence": float("nan")}, None),
    ],
)  # fmt: skip
def test_confidence_of_an_output_is_what_the_core_reads(output: Any, confidence: float | None) -> None:
    assert output_confidence(output) == confidence
