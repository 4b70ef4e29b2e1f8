"""What a plan answers of outputs that are all known, beside the twin that the core is held to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.evaluation.known_outputs import answer_of, confidence_of
from clipper.selection import ABSENT, PlanSpec
from tests.support import gather_twin

MODELS = ("a:1", "b:1", "c:1", "d:1")


def members(rule: str, *weights: float, count: int = 3) -> PlanSpec:
    return PlanSpec("members", MODELS[:count], rule=rule, weights=weights)


def outputs_of(*values: Any) -> dict[str, Any]:
    return dict(zip(MODELS, values, strict=False))


@given(st.lists(st.sampled_from([1, "1", [1], None]), min_size=1, max_size=4))
def test_majority_is_that_of_the_gathers_twin(values: list[Any]) -> None:
    output, confidence = answer_of(members("majority", count=len(values)), outputs_of(*values))
    twin = gather_twin.majority([json.dumps(value) for value in values])
    assert twin is not None
    assert json.dumps(output) == twin.output
    assert confidence == pytest.approx(twin.votes / len(values))


@given(st.lists(st.sampled_from([1, 2]), min_size=1, max_size=4))
def test_weighted_vote_with_equal_weights_is_the_majority(values: list[int]) -> None:
    count = len(values)
    weighted = answer_of(members("weighted", *[0.5] * count, count=count), outputs_of(*values))
    assert weighted == answer_of(members("majority", count=count), outputs_of(*values))


def test_weighted_vote_goes_to_the_largest_sum_and_ties_to_the_first_giver() -> None:
    assert answer_of(members("weighted", 0.5, 0.3, 0.2), outputs_of(1, 2, 2)) == (1, 0.5)
    assert answer_of(members("weighted", 0.4, 0.3, 0.3), outputs_of(1, 2, 2)) == (2, 0.6)


def test_mean_is_of_numbers_or_element_by_element_and_of_nothing_else() -> None:
    assert answer_of(members("mean"), outputs_of(1, 2, 6))[0] == 3.0
    assert answer_of(members("mean", 2.0, 1.0, 1.0), outputs_of(0, 4, 4))[0] == 2.0
    assert answer_of(members("mean", count=2), outputs_of([1, 2], [3, 4]))[0] == [2.0, 3.0]
    for values in ((1, [1], 1), ([1], [1, 2], [1]), (1, "2", 3), (True, 1, 1)):
        assert answer_of(members("mean"), outputs_of(*values))[0] is ABSENT


def test_cascade_stops_at_the_first_stage_that_is_sure() -> None:
    plan = PlanSpec("cascade", MODELS[:3], thresholds=(0.9, 0.5))
    sure, unsure = {"label": 1, "confidence": 0.95}, {"label": 2, "confidence": 0.4}
    assert answer_of(plan, outputs_of(sure, unsure, 3)) == (sure, 0.95)
    assert answer_of(plan, outputs_of(unsure, [0.4, 0.6], 3)) == ([0.4, 0.6], 0.6)
    assert answer_of(plan, outputs_of(unsure, unsure, 3)) == (3, 1.0)
    assert answer_of(plan, outputs_of("no confidence", "at all", sure)) == (sure, 0.95)


@pytest.mark.parametrize(
    "output", [1.0, "x", None, [], ["a"], {}, {"confidence": "high"}, {"confidence": True}], ids=str
)
def test_confidence_of_an_output_that_tells_none_is_unknown(output: Any) -> None:
    assert confidence_of(output) is None
