"""Plans of the control channel: what becomes of each kind, and what is refused."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from clipper._core.batch_queue import BatchQueue
from clipper._core.context_plans import DEFAULT_MAX_CONTEXTS
from clipper._core.model_runtime import ModelRuntime
from clipper._core.slot_pool import SlotPoolHandle
from clipper.errors import InvalidArgumentError
from clipper.frontend.plans import Asked, initial_plan, make_plan
from clipper.selection.plan_spec import PlanSpec
from clipper.types import ModelId

SLOTS = SlotPoolHandle(16, 1 << 16)
RUNTIMES = [
    ModelRuntime(name, version, uid, BatchQueue([SLOTS], queue_id=uid), input_type=kind)
    for uid, (name, version, kind) in enumerate(
        [("a", "1", "doubles"), ("b", "2", "doubles"), ("c", "1", "doubles"), ("text", "1", "strings")], 1
    )
]
A, B, C, TEXT = RUNTIMES
ARMS = {runtime.model_id: runtime for runtime in (A, B)}
MODELS = {runtime.model_id: runtime for runtime in (A, B, C)}


def made(spec: PlanSpec) -> Any:
    """Send a plan over the wire."""
    return make_plan(json.loads(json.dumps(spec.to_json())), ARMS, MODELS)


def test_arms_keep_their_order_and_probabilities() -> None:
    plan = made(PlanSpec("arms", ("b:2", "a:1"), probabilities=(0.25, 0.75), sticky=True, plan_id=7))
    assert (plan.kind, plan.models, plan.plan_id, plan.is_sticky) == ("arms", (B, A), 7, True)
    assert [plan.draw_arm(quarter << 62) for quarter in (0, 1, 3)] == [(0, 0.25), (1, 0.75), (1, 0.75)]


def test_members_keep_what_the_core_asks_for() -> None:
    spec = PlanSpec("members", ("a:1", "b:2"), rule="weighted", weights=(1.0, 2.0), observe_all_ratio=0.25,
                    min_confidence=0.5, shadows=("c:1",))  # fmt: skip
    plan = made(spec)
    assert (plan.kind, plan.observe_all_ratio, plan.min_confidence) == ("members", 0.25, 0.5)
    assert (plan.models, plan.shadows) == ((A, B), (C,))


def test_cascade_and_features_are_made() -> None:
    assert made(PlanSpec("cascade", ("a:1", "b:2"), thresholds=(2.0,))).models == (A, B)
    spec = PlanSpec("features", ("a:1", "b:2"), policy="tests.support.sign_policy:SignPolicy",
                    parameters={"negative": 1, "positive": 0})  # fmt: skip
    assert made(spec).select(struct.pack("<4d", -1, 0, 1, 0), 2) == ([1, 0], [1.0, 1.0])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "arms", "plan_id": 1, "models": ["c:1"]}, "'c:1', which is not the current version of a linked"),
        ({"kind": "arms", "plan_id": 1, "models": ["a:9"]}, "'a:9', which is not the current version"),
        ({"kind": "arms", "plan_id": 1, "models": ["a:1"], "shadows": ["text:1"]}, "'text:1', which is not a model"),
        ({"kind": "arms", "plan_id": 1, "models": []}, "at least one model"),
        ({"kind": "arms", "plan_id": -1, "models": ["a:1"]}, "plan -1 is not valid"),
        ({"kind": "arms", "models": ["a:1"]}, "no key 'plan_id'"),
        ({"kind": "arms", "plan_id": 1, "models": "a:1"}, "names 'a'"),
        ({"kind": "arms", "plan_id": 1, "models": ["a:1"], "probabilities": ["1"]}, "not valid"),
        ({"kind": "later", "plan_id": 1, "models": ["a:1"]}, "unknown plan kind 'later'"),
        ({"kind": "cascade", "plan_id": 1, "models": ["a:1", "b:2"], "thresholds": []}, "2 stages need 1 thresholds"),
        ({"kind": "features", "plan_id": 1, "models": ["a:1"], "policy": "no.such:Thing", "parameters": {}}, "no.such"),
    ],
)
def test_plan_that_cannot_be_carried_out_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        make_plan(document, ARMS, MODELS)
    assert said in str(refusal.value)


def test_policy_that_returns_another_shape_is_told_by_name() -> None:
    spec = PlanSpec("features", ("a:1", "b:2"), policy="tests.support.sign_policy:SignPolicy", parameters={})
    select = made(spec).select
    select._policy = type("Short", (), {"name": "short", "select": lambda *_: ([0], [1.0])})()
    with pytest.raises(ValueError, match=r"select of policy 'short' returned arms of shape \(1,\)"):
        select(struct.pack("<2d", 1, 2), 2)


@pytest.mark.parametrize(
    ("policy", "kind", "models"),
    [
        ({"name": "static"}, "arms", (A,)),
        ({"name": "static", "model": "b"}, "arms", (A, B)),
        ({"name": "majority"}, "members", (A, B)),
        ({"name": "mean", "min_confidence": 0.5}, "members", (A, B)),
        ({"name": "mean", "weights": {"a": 1, "b": 3}}, "members", (A, B)),
        ({"name": "thompson"}, "arms", (A, B)),
        ({"name": "not.there:Policy"}, "arms", (A, B)),
    ],
)
def test_policy_that_has_learned_nothing_has_a_plan(policy: dict[str, Any], kind: str, models: tuple[Any, ...]) -> None:
    plan = initial_plan(policy, [A, B])
    assert plan is not None
    assert (plan.kind, plan.models, plan.plan_id) == (kind, models, 0)


def test_only_linked_model_is_asked_whatever_the_policy_and_no_model_has_no_plan() -> None:
    for policy in ({"name": "majority"}, {"name": "thompson"}):
        plan = initial_plan(policy, [B])
        assert plan is not None and (plan.kind, plan.models) == ("arms", (B,))
        assert initial_plan(policy, []) is None


def test_models_that_may_be_asked_are_current_and_linked_and_of_the_input_type() -> None:
    described = {"input_type": "doubles", "policy": {"name": "static"}}
    linked = [{"name": "b", "current_version": "2"}, {"name": "a", "current_version": None}]
    asked = Asked.of(described, linked, {ModelId(one.name, one.version): one for one in RUNTIMES})
    assert (list(asked.arms), list(asked.models)) == (["b:2"], ["a:1", "b:2", "c:1"])
    assert asked.max_contexts == DEFAULT_MAX_CONTEXTS
