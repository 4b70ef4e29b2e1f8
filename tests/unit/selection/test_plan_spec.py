"""Plans: what is refused, and that JSON holds all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.errors import InvalidArgumentError
from clipper.selection.plan_spec import ALWAYS_ESCALATE, PlanSpec, one_of
from clipper.selection.sticky import drawn, sticky_draw

TWO = ("a:1", "b:2")

GOOD: dict[str, dict[str, Any]] = {
    "arms": {"kind": "arms", "models": ["a:1", "b:2"], "probabilities": [0.9, 0.1]},
    "sticky arms": {"kind": "arms", "models": ["a:1", "b:2"], "probabilities": [0.9, 0.1], "sticky": True},
    "shadows": {"kind": "arms", "models": ["a:1"], "probabilities": [1.0], "shadows": ["c:1"]},
    "members": {
        "kind": "members", "models": ["a:1", "b:2"], "rule": "weighted", "weights": [0.5, 2.0],
        "answer_when_decided": False, "observe_all_ratio": 0.25, "min_confidence": 0.5,
    },
    "cascade": {"kind": "cascade", "models": ["a:1", "b:2"], "thresholds": [0.9]},
    "features": {
        "kind": "features", "models": ["a:1", "b:2"], "policy": "linucb", "parameters": {"x": [1.5]}, "floor": 0.01,
    },
}  # fmt: skip

BAD = {
    "kind": {"kind": "any"},
    "no model": {"models": [], "probabilities": []},
    "a model twice": {"models": ["a:1", "a:1"]},
    "a shadow that answers": {"shadows": ["b:2"]},
    "a sum below 1": {"probabilities": [0.9, 0.05]},
    "too few": {"probabilities": [1.0]},
    "negative": {"probabilities": [1.1, -0.1]},
    "not a number": {"probabilities": [float("nan"), 1.0]},
    "texts": {"probabilities": ["0.9", "0.1"]},
    "rule": {"kind": "members", "rule": "median"},
    "weighted without weights": {"kind": "members", "rule": "weighted"},
    "weights that are all 0": {"kind": "members", "rule": "weighted", "weights": [0.0, 0.0]},
    "an infinite weight": {"kind": "members", "rule": "weighted", "weights": [float("inf"), 0.0]},
    "a ratio": {"kind": "members", "observe_all_ratio": 1.1},
    "a confidence": {"kind": "members", "min_confidence": float("nan")},
    "thresholds": {"kind": "cascade", "thresholds": [0.5, 0.5]},
    "a threshold": {"kind": "cascade", "thresholds": [ALWAYS_ESCALATE + 0.1]},
    "no policy": {"kind": "features", "floor": 0.1},
    "a floor": {"kind": "features", "policy": "linucb", "floor": 0.51},
    "a number": {"plan_id": -1},
    "an unknown field": {"colour": "red"},
}


@pytest.mark.parametrize("document", GOOD.values(), ids=GOOD.keys())
def test_plan_read_from_json_and_written_again_is_the_same_document(document: dict[str, Any]) -> None:
    plan = PlanSpec.from_json({**document, "plan_id": 42})
    assert plan.to_json() == {**document, "plan_id": 42}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_plan_whose_parts_contradict_each_other_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="no valid plan"):
        PlanSpec.from_json({**GOOD["arms"], **change})


@pytest.mark.parametrize("document", [None, [], "plan", {"kind": "arms"}, {"kind": "arms", "models": 5}])
def test_plan_from_something_else_than_a_plan_is_refused(document: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="no valid plan"):
        PlanSpec.from_json(document)


def test_plan_for_one_model_keeps_the_others_with_probability_zero() -> None:
    assert one_of(TWO, 1).probabilities == (0.0, 1.0)


def test_sticky_draw_of_known_contexts_is_what_other_implementations_must_give() -> None:
    vectors = {"": 0.9576734252420561, "user-17": 0.4884450940608682, "ü": 0.46553611702686115}
    assert {context: sticky_draw(context) for context in vectors} == pytest.approx(vectors, abs=1e-15)


def test_sticky_draws_of_many_contexts_are_spread_evenly() -> None:
    draws = [sticky_draw(f"user-{number}") for number in range(4000)]
    tenths = [sum(tenth <= 10 * draw < tenth + 1 for draw in draws) for tenth in range(10)]
    assert min(tenths) > 320 and max(tenths) < 480


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda each: sum(each) > 0),
    st.floats(0, 1, exclude_max=True),
)
def test_drawn_index_never_has_probability_zero(weights: list[float], uniform: float) -> None:
    probabilities = [weight / sum(weights) for weight in weights]
    assert probabilities[drawn(probabilities, uniform)] > 0


def test_growing_a_share_moves_only_the_contexts_that_must_move() -> None:
    contexts = [f"user-{number}" for number in range(1000)]
    before = [drawn((0.9, 0.1), sticky_draw(context)) for context in contexts]
    after = [drawn((0.8, 0.2), sticky_draw(context)) for context in contexts]
    assert all(new == 1 for old, new in zip(before, after, strict=True) if old == 1)
