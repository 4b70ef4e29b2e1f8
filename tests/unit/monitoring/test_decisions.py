"""What is done about a degraded arm, and what must never be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper.monitoring.decisions import SECOND_US, Decision, Situation, decide
from clipper.monitoring.options import ON_DEGRADED, QUARANTINE, ROLLBACK, TELL, MonitorOptions

NOW_US = 10**15
ARMS = ("a:2", "b:1", "c:1")
QUARANTINES = Situation(MonitorOptions(on_degraded=QUARANTINE), "a:2", ARMS, frozenset(), frozenset({"a:2"}))
ROLLS_BACK = Situation(
    MonitorOptions(on_degraded=ROLLBACK), "a:2", ARMS, frozenset(), frozenset({"a:2"}), previous_version="1"
)
ANY_ARMS = st.lists(st.sampled_from(["a:1", "b:1", "c:1", "d:1"]), min_size=1, unique=True)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    arms = draw(ANY_ARMS)
    some = st.frozensets(st.sampled_from(arms))
    return Situation(
        options=MonitorOptions(on_degraded=draw(st.sampled_from(ON_DEGRADED)), cool_down_s=draw(st.integers(1, 7200))),
        arm=draw(st.sampled_from(arms)),
        arms=arms,
        quarantined=draw(some),
        degraded=draw(some),
        losses=draw(st.dictionaries(st.sampled_from(arms), st.floats(0, 1))),
        last_action_us=draw(st.none() | st.integers(NOW_US - 10_000 * SECOND_US, NOW_US + 10_000 * SECOND_US)),
        previous_version=draw(st.none() | st.sampled_from("123")),
        previous_has_replicas=draw(st.booleans()),
        left_versions=draw(st.frozensets(st.sampled_from("123"))),
    )


@given(situation=situations())
def test_decision_never_breaks_what_is_promised(situation: Situation) -> None:
    decision = decide(situation, NOW_US)
    assert decision.action in (TELL, situation.options.on_degraded)
    assert not (decision.withheld and decision.action != TELL)
    if decision.action == QUARANTINE:
        left = set(situation.arms) - situation.quarantined - {situation.arm}
        assert left - situation.degraded, "no healthy model is left"
        assert situation.arm not in situation.quarantined
    if decision.action == ROLLBACK:
        assert situation.previous_version not in (None, *situation.left_versions) and situation.previous_has_replicas
    if decision.action != TELL and situation.last_action_us is not None:
        assert NOW_US - situation.last_action_us >= situation.options.cool_down_s * SECOND_US


def test_application_that_asks_for_nothing_is_told_and_nothing_is_withheld() -> None:
    assert decide(replace(ROLLS_BACK, options=MonitorOptions()), NOW_US) == Decision(TELL)


def test_degraded_arm_is_quarantined_or_rolled_back_as_asked() -> None:
    assert decide(QUARANTINES, NOW_US) == Decision(QUARANTINE)
    assert decide(ROLLS_BACK, NOW_US) == Decision(ROLLBACK)


def test_action_becomes_possible_in_the_very_microsecond_in_which_the_cool_down_ends() -> None:
    for situation in (QUARANTINES, ROLLS_BACK):
        cool_down_us = situation.options.cool_down_s * SECOND_US
        acted = replace(situation, last_action_us=NOW_US)
        assert "cool-down of 3600 s" in decide(acted, NOW_US + cool_down_us - 1).withheld
        assert decide(acted, NOW_US + cool_down_us).action != TELL


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"arms": ("a:2",)}, "last model"),
        ({"quarantined": frozenset({"b:1", "c:1"})}, "last model"),
        ({"degraded": frozenset(ARMS)}, "degraded, too: b:1, c:1"),
        ({"losses": {"a:2": 0.4, "b:1": 0.4, "c:1": 0.5}}, "no better: b:1, c:1"),
    ],
)
def test_quarantine_that_would_leave_nothing_better_is_withheld(changed: dict[str, Any], why: str) -> None:
    decision = decide(replace(QUARANTINES, **changed), NOW_US)
    assert decision.action == TELL and why in decision.withheld


def test_arm_without_feedback_may_be_what_remains() -> None:
    assert decide(replace(QUARANTINES, losses={"a:2": 0.4, "b:1": 0.5}), NOW_US).action == QUARANTINE


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"previous_version": None}, "no version was current before"),
        ({"left_versions": frozenset("1")}, "itself rolled back from"),
        ({"previous_has_replicas": False}, "no replica that is ready"),
    ],
)
def test_rollback_to_a_version_that_is_no_better_place_is_withheld(changed: dict[str, Any], why: str) -> None:
    decision = decide(replace(ROLLS_BACK, **changed), NOW_US)
    assert decision.action == TELL and why in decision.withheld
