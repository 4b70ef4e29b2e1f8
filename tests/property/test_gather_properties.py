"""Gather against a twin that tries every completion: what is combined, and when it is decided."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper._core.gather_probe import GatherProbe
from clipper.metrics.names import REASONS
from tests.support import gather_twin
from tests.support.gather_twin import Gone, Member

NEW_OUTPUTS = ("p", "q")  # outputs that nobody has given: two, so that pending members may disagree on them, too
OF_MEMBERS = [reason for reason in REASONS if reason != "low_confidence"]  # that one is of queries
MOST_TRIED = 3  # pending members whose every completion the twin tries: five or six ends each


@st.composite
def arrivals(draw: st.DrawFn, most_members: int = 6, most_pending: int = MOST_TRIED) -> tuple[list[Member], list[int]]:
    """Draw what becomes of each member, and the order in which those that are in came in."""
    count = draw(st.integers(1, most_members))
    members: list[Member] = draw(
        st.lists(st.sampled_from(["x", "y", "z", Gone.MISSED, Gone.PENDING]), min_size=count, max_size=count)
    )
    pending = [index for index, member in enumerate(members) if member is Gone.PENDING]
    for index in pending[most_pending:]:
        members[index] = Gone.MISSED
    order = draw(st.permutations([index for index in range(count) if members[index] is not Gone.PENDING]))
    return members, list(order)


def arrive(probe: GatherProbe, member: Member, index: int) -> None:
    if isinstance(member, str):
        probe.answer(index, json.dumps(member).encode())
    elif member is Gone.MISSED:
        probe.miss(index, OF_MEMBERS[index % len(OF_MEMBERS)])


def check_majority(probe: GatherProbe, members: Sequence[Member]) -> None:
    expected = gather_twin.majority(members)
    output, confidence, failure = probe.combine()
    assert failure is None
    if expected is None:
        assert output is None
    else:
        assert output == json.dumps(expected.output).encode()
        assert confidence == expected.votes / len(members)
    assert probe.is_decided() == gather_twin.is_decided(members, NEW_OUTPUTS), members


@given(arrivals())
def test_majority_is_decided_exactly_when_no_completion_changes_it(drawn: tuple[list[Member], list[int]]) -> None:
    members, order = drawn
    probe = GatherProbe("majority", len(members))
    so_far: list[Member] = [Gone.PENDING] * len(members)
    for index in order:
        arrive(probe, members[index], index)
        so_far[index] = members[index]
        if so_far.count(Gone.PENDING) <= MOST_TRIED:
            check_majority(probe, so_far)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_majority_of_every_small_ensemble_agrees_with_the_twin(count: int) -> None:
    ends: list[Member] = ["x", "y", Gone.MISSED, Gone.PENDING]
    for members in itertools.product(ends, repeat=count):
        probe = GatherProbe("majority", count)
        for index in reversed(range(count)):
            arrive(probe, members[index], index)
        check_majority(probe, members)


@given(arrivals(most_members=40, most_pending=0))
def test_majority_of_many_members_does_not_depend_on_the_order_of_arrival(
    drawn: tuple[list[Member], list[int]],
) -> None:
    members, order = drawn
    probe = GatherProbe("majority", len(members))
    for index in order:
        arrive(probe, members[index], index)
    check_majority(probe, members)


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=2, max_size=8))
def test_mean_is_that_of_who_answered_and_never_decided(values: list[float | None]) -> None:
    probe = GatherProbe("mean", len(values))
    for index, value in enumerate(values):
        if value is None:
            probe.miss(index, "deadline")
        else:
            probe.answer(index, json.dumps(value).encode())
        assert not probe.is_decided()
    output, confidence, failure = probe.combine()
    assert failure is None
    answered = [value for value in values if value is not None]
    assert confidence == (len(answered) / len(values) if answered else 0.0)
    if not answered:
        assert output is None
    else:
        assert output is not None
        mean = math.fsum(value / len(answered) for value in answered)
        scale = max(map(abs, answered))
        assert math.isclose(json.loads(output), mean, rel_tol=1e-12, abs_tol=scale * 1e-15)


@given(arrivals())
def test_kind_of_an_answer_tells_who_is_not_in_it(drawn: tuple[list[Member], list[int]]) -> None:
    members, order = drawn
    probe = GatherProbe("majority", len(members))
    for index in order:
        arrive(probe, members[index], index)
    expected = "decided" if Gone.PENDING in members else "partial" if Gone.MISSED in members else "complete"
    assert probe.kind() == expected
