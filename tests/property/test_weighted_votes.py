"""Weighted votes and least confidence against a twin that tries every completion, with whole numbers and fractions."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipper._core.gather_probe import GatherProbe
from tests.support import gather_twin
from tests.support.gather_twin import Gone, Member

NEW_OUTPUTS = ("p", "q")
WEIGHTS = st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0]), st.floats(0.0, 1e300))
CONFIDENCES = st.one_of(st.just(0.0), st.sampled_from([1 / 3, 0.5, 0.6, 2 / 3, 1.0]), st.floats(0.0, 1.0))


@st.composite
def votes(draw: st.DrawFn) -> tuple[list[Member], list[float]]:
    """Draw what becomes of each member, at most three of them pending, and their weights."""
    count = draw(st.integers(1, 5))
    members: list[Member] = draw(
        st.lists(st.sampled_from(["x", "y", "z", Gone.MISSED, Gone.PENDING]), min_size=count, max_size=count)
    )
    for index in [index for index, member in enumerate(members) if member is Gone.PENDING][3:]:
        members[index] = Gone.MISSED
    weights = draw(st.lists(WEIGHTS, min_size=count, max_size=count).filter(any))
    return members, weights


def probe_of(members: Sequence[Member], order: Sequence[int], **options: object) -> GatherProbe:
    probe = GatherProbe("weighted" if "weights" in options else "majority", len(members), **options)  # type: ignore[arg-type]
    for index in order:
        member = members[index]
        if isinstance(member, str):
            probe.answer(index, json.dumps(member).encode())
        elif member is Gone.MISSED:
            probe.miss(index, "deadline")
    return probe


@given(votes(), CONFIDENCES, st.randoms(use_true_random=False))
@example((["x", Gone.PENDING], [0.0, 1.0]), 0.0, None)
@settings(max_examples=300)
def test_weighted_vote_is_decided_exactly_when_no_completion_changes_the_answer(
    drawn: tuple[list[Member], list[float]], min_confidence: float, random: object
) -> None:
    members, weights = drawn
    order = list(range(len(members)))
    if random is not None:
        random.shuffle(order)  # type: ignore[attr-defined]
    probe = probe_of(members, order, weights=weights, min_confidence=min_confidence)
    shares = gather_twin.shares_of(weights)
    assert probe.shares() == shares
    expected = gather_twin.told(members, shares, min_confidence)
    output, confidence, failure = probe.combine()
    assert failure is None
    assert output == (None if expected is None else json.dumps(expected).encode())
    vote = gather_twin.weighted(members, shares)
    assert confidence == (0.0 if vote is None else vote.votes / sum(shares))
    assert probe.is_decided() == gather_twin.is_decided(members, NEW_OUTPUTS, shares, min_confidence)


@pytest.mark.parametrize("min_confidence", [0.0, 0.34, 0.5, 2 / 3, 1.0])
def test_majority_with_a_least_confidence_agrees_with_the_twin_for_every_small_ensemble(min_confidence: float) -> None:
    ends: list[Member] = ["x", "y", Gone.MISSED, Gone.PENDING]
    for members in itertools.product(ends, repeat=3):
        probe = probe_of(members, range(3), min_confidence=min_confidence)
        decided = gather_twin.is_decided(members, NEW_OUTPUTS, [1, 1, 1], min_confidence)
        assert probe.is_decided() == decided, members


@given(st.lists(WEIGHTS, min_size=1, max_size=64).filter(any))
def test_shares_are_the_weights_to_within_rounding_and_their_sum_is_exact_as_a_double(weights: list[float]) -> None:
    shares = GatherProbe("weighted", len(weights), weights=weights).shares()
    exact = sum(map(Fraction, weights))
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(weight) / exact * 2**52) <= 65
    assert int(float(sum(shares))) == sum(shares)


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(-1e6, 1e6)), st.integers(0, 9)), min_size=2, max_size=8))
def test_weighted_mean_is_that_of_who_answered_and_its_confidence_their_weight(
    drawn: list[tuple[float | None, int]],
) -> None:
    weights = [weight for _, weight in drawn]
    if not any(weights):
        weights[0] = 1
    probe = GatherProbe("mean", len(drawn), weights=weights)
    for index, (value, _) in enumerate(drawn):
        if value is None:
            probe.miss(index, "deadline")
        else:
            probe.answer(index, json.dumps(value).encode())
        assert not probe.is_decided()
    answered = [(value, weight) for (value, _), weight in zip(drawn, weights, strict=True) if value is not None]
    output, confidence, failure = probe.combine()
    assert failure is None
    if not answered:
        assert output is None
        return
    heavy = sum(weight for _, weight in answered)
    counted = answered if heavy else [(value, 1) for value, _ in answered]
    mean = math.fsum(value * weight for value, weight in counted) / sum(weight for _, weight in counted)
    assert output is not None
    assert json.loads(output) == pytest.approx(mean, rel=1e-9, abs=1e-6)
    assert confidence == pytest.approx(heavy / sum(weights), abs=1e-12)
