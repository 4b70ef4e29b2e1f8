"""One application's learner: what it folds, plans and keeps, and what it does when its policy fails."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clipper.selection.contexts import MAX_CONTEXT_CHARACTERS
from clipper.selection.learner import MAX_EPOCHS, PLAN_IDS_AHEAD, Learner
from clipper.selection.learner_document import LearnerRecord, learner_key, read_record
from clipper.selection.observation import Observation
from clipper.selection.policy import SelectionPolicy
from clipper.selection.state_cell import MAX_LOGGED, PolicyFailedError, StateCell, encode_state
from tests.support.learning import ARMS, NOW_US, Diary, World, observation, options

TTL_US = 1_000_000


def ids(world: World) -> list[int]:
    found: list[int] = world.learner.state["ids"]
    return found


def plans_of(world: World) -> dict[str | None, Any]:
    return dict(world.learner.make_plans(NOW_US))


# -- what goes wrong in a policy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("good", [0, 3, MAX_LOGGED])
def test_observation_that_makes_the_policy_raise_leaves_nothing_behind(good: int) -> None:
    world = World(options())
    world.fold([observation(number) for number in range(good)])
    world.fold([observation(7, label="raise"), observation(8)], good + 1)
    assert ids(world) == [*range(good), 8]
    assert world.learner.counts.failures == {"observe": 1}
    assert "told to raise" in str(world.learner.take_failures()[0])
    assert world.learner.take_failures() == []


def test_state_that_is_no_json_falls_back_to_the_last_one_that_was() -> None:
    world = World(options())
    world.fold([observation(1)])
    world.flush()
    world.fold([observation(2), observation(3, label="nan")], 2)
    world.flush()
    assert ids(world) == [1] and json.loads(world.documents[learner_key("app")]["state"])["ids"] == [1]
    assert world.learner.counts.failures == {"state": 1}


def test_plan_that_names_what_is_not_linked_leaves_the_last_good_one_in_force() -> None:
    world = World(options())
    good = plans_of(world)[None]
    world.fold([observation(1, label="bad plan")])
    assert plans_of(world) == {} and world.learner.plan == good
    assert "nobody:1" in str(world.learner.take_failures()[0])
    world.fold([observation(2)], 2)
    assert plans_of(world)[None]["plan_id"] == good["plan_id"] + 1


def test_plan_is_uniform_where_there_was_never_a_good_one_or_it_names_what_is_gone() -> None:
    world = World(options())
    world.fold([observation(1, label="bad plan")])
    assert plans_of(world)[None]["probabilities"] == [0.5, 0.5]
    world.learner.change_arms(("b:1", "c:1", "d:1"), (), NOW_US)
    plan = plans_of(world)[None]
    assert plan["models"] == ["b:1", "c:1", "d:1"] and plan["probabilities"] == pytest.approx([1 / 3] * 3)


def test_policy_that_cannot_change_its_arms_begins_anew() -> None:
    class Stubborn(Diary):
        def change_arms(self, state: Any, arms: Any) -> Any:
            raise KeyError(arms)

    world = World(options())
    world.learner = Learner("app", _with(Stubborn()), LearnerRecord("x"), ARMS, (), NOW_US)
    world.fold([observation(1)])
    world.learner.change_arms(("a:2",), (), NOW_US)
    assert world.learner.state == Stubborn().init(("a:2",))
    assert [event.kind for event in world.learner.events] == ["started_anew", "arms_changed"]


def test_policy_that_cannot_begin_is_an_error() -> None:
    class Broken(Diary):
        def init(self, arms: Any, *, population: Any = None) -> Any:
            raise ValueError("no")

    with pytest.raises(PolicyFailedError, match="ValueError: no"):
        Learner("app", _with(Broken()), LearnerRecord("x"), ARMS, (), NOW_US)


def _with(policy: SelectionPolicy) -> Any:
    return replace(options(), policy=policy)


def test_summary_of_a_policy_that_raises_is_an_error_of_its_own() -> None:
    class Silent(Diary):
        def summary(self, state: Any) -> Any:
            raise RuntimeError("hm")

    with pytest.raises(PolicyFailedError, match="hm"):
        Learner("app", _with(Silent()), LearnerRecord("x"), ARMS, (), NOW_US).summary()


# -- what is no observation, or comes twice, or not at all -----------------------------------------------------------


@pytest.mark.parametrize("item", [7, {}, observation(1, kind="nonsense"), observation(1, reward=2), {"arms": "x"}])
def test_item_that_is_no_observation_is_counted_and_its_number_is_used(item: Any) -> None:
    world = World(options())
    assert world.fold([item, observation(2)]) == 1
    assert (world.learner.counts.refused, ids(world)) == (1, [2])
    assert world.flush().acknowledged == {1: 2}


def test_numbers_that_never_came_are_counted_as_a_gap() -> None:
    world = World(options())
    world.fold([observation(1)], 5)  # of an epoch that nothing is known of
    assert world.learner.counts.gaps == 0
    world.fold([observation(2)], 9)
    assert world.learner.counts.gaps == 3


def test_epochs_are_apart_and_the_oldest_is_forgotten() -> None:
    world = World(options())
    for epoch in range(MAX_EPOCHS + 1):
        assert world.fold([observation(epoch)], epoch=epoch) == 1
        assert world.fold([observation(epoch)], epoch=epoch) == 0
    assert world.fold([observation(0)], epoch=0) == 1 and world.fold([observation(2)], epoch=2) == 0


def test_arms_are_counted_by_what_was_shown_and_what_could_be_judged() -> None:
    world = World(options())
    outcomes = [
        {"arm": "a:1", "output": 1}, {"arm": "b:1", "output": 0, "shown": False}, {"arm": "gone:1", "output": 1},
    ]  # fmt: skip
    world.fold([observation(1, arms=outcomes), observation(2, arms=[{"arm": "a:1"}])])
    counts = {arm: each.to_json() for arm, each in world.learner.arm_counts.items()}
    assert counts == {"a:1": [2, 1, 1.0], "b:1": [0, 1, 0.0]}


# -- arms ------------------------------------------------------------------------------------------------------------


def test_new_version_takes_its_place_in_plans_and_shadows_look_on() -> None:
    world = World(options())
    plans_of(world)
    assert world.learner.change_arms(("a:2", "b:1"), ("s:1",), NOW_US)
    assert not world.learner.change_arms(("a:2", "b:1"), ("s:1",), NOW_US)
    plan = plans_of(world)[None]
    assert (plan["models"], plan["shadows"]) == (["a:2", "b:1"], ["s:1"])
    assert world.learner.events[-1].text == "new: a:2; gone: a:1"
    assert set(world.learner.arm_counts) == {"a:2", "b:1", "s:1"}


def test_state_waits_while_nothing_is_linked() -> None:
    world = World(options())
    world.fold([observation(1)])
    plans_of(world)
    world.learner.change_arms((), (), NOW_US)
    assert plans_of(world) == {None: None} and ids(world) == [1]
    world.fold([observation(2)], 2)
    world.learner.change_arms(("c:1",), (), NOW_US)
    assert ids(world) == [1, 2] and plans_of(world)[None]["models"] == ["c:1"]


def test_contexts_follow_changed_arms_and_their_plans_are_told_again() -> None:
    world = World(options(has_contexts=True))
    world.fold([observation(1, "ann")])
    plans_of(world)
    world.learner.change_arms(("a:2", "b:1"), (), NOW_US)
    made = plans_of(world)
    assert made[None]["models"] == made["ann"]["models"] == ["a:2", "b:1"]
    world.learner.change_arms(ARMS, (), NOW_US)
    assert plans_of(world)["ann"]["models"] == list(ARMS)


# -- contexts --------------------------------------------------------------------------------------------------------


def test_context_begins_with_what_everybody_taught_and_then_learns_its_own() -> None:
    world = World(options(has_contexts=True))
    world.fold([observation(1), observation(2, "ann"), observation(3), observation(4, "ann"), observation(5, "ben")])
    states = {key: eval(text)["ids"] for key, text in world.states(("ann", "ben")).items()}
    assert states == {None: [1, 2, 3, 4, 5], "ann": [1, 2, 4], "ben": [1, 2, 3, 4, 5]}
    assert world.learner.context_count == 2 and set(plans_of(world)) == {None, "ann", "ben"}


def test_context_that_is_too_long_to_be_kept_is_learned_from_by_everybody() -> None:
    world = World(options(has_contexts=True))
    world.fold([observation(1, "x" * MAX_CONTEXT_CHARACTERS), observation(2, "x" * (MAX_CONTEXT_CHARACTERS + 1))])
    assert ids(world) == [1, 2] and world.learner.context_count == 1


def test_context_expires_after_its_time_and_not_before() -> None:
    world = World(options(has_contexts=True, context_ttl_us=TTL_US))
    world.fold([observation(1, "ann")])
    assert "ann" in plans_of(world)
    assert world.learner.make_plans(NOW_US + TTL_US) == []
    assert world.learner.make_plans(NOW_US + TTL_US + 1) == [("ann", None)]
    key = world.learner.context_key("ann")
    assert world.flush().documents[key] is None and world.learner.context_count == 0


def test_context_that_expired_in_the_store_begins_anew() -> None:
    world = World(options(has_contexts=True, context_ttl_us=TTL_US))
    world.fold([observation(1, "ann")])
    world.flush()
    world.crash()
    world.fold([observation(2, "ann")], 2, now_us=NOW_US + TTL_US + 1)
    assert world.learner.contexts.get("ann").observations == 1  # type: ignore[union-attr]
    assert world.learner.context_count == 1


def test_stored_context_that_is_damaged_begins_anew_and_is_counted() -> None:
    world = World(options(has_contexts=True))
    key = world.learner.context_key("ann")
    for damaged in ({}, {"state": 7}, {"state": "{}", "arms": [], "seen_us": NOW_US, "observations": 0}):
        world = World(options(has_contexts=True))
        world.documents[key] = damaged
        world.fold([observation(1, "ann")])
        assert sum(world.learner.counts.failures.values()) == 1
        assert world.learner.contexts.get("ann").observations == 1  # type: ignore[union-attr]


def test_contexts_without_states_of_their_own_are_forgotten_when_that_is_turned_off() -> None:
    world = World(options(has_contexts=True))
    world.fold([observation(1, "ann")])
    assert world.learner.reconfigure(options()) == ["ann"]
    assert world.learner.missing_contexts([observation(2, "ann")]) == []
    assert ids(world) == [1]


# -- what the store keeps --------------------------------------------------------------------------------------------


def test_everything_but_the_plan_s_id_is_the_same_after_a_restart() -> None:
    world = World(options())
    world.fold([observation(1), observation(2)])
    before = plans_of(world)[None]
    world.flush()
    world.crash()
    assert world.why_anew == "" and ids(world) == [1, 2] and world.learner.observations == 2
    world.fold([observation(3)], 3)
    after = plans_of(world)[None]
    assert after["plan_id"] == before["plan_id"] + PLAN_IDS_AHEAD + 1


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ({"policy": {"name": "static"}}, "the policy was"),
        ({"loss": {"loss": "log"}}, "the loss was"),
        ({"format": 99}, "format 99"),
        ({"state": json.dumps({"policy": Diary.name, "version": 9, "arms": []})}, "has version 9"),
        ({"seen": 7}, "cannot be read"),
    ],
)
def test_state_that_cannot_be_gone_on_with_begins_anew_and_says_why(edit: dict[str, Any], why: str) -> None:
    world = World(options())
    world.fold([observation(1)])
    world.flush()
    world.documents[learner_key("app")] = {**world.documents[learner_key("app")], **edit}
    record, why_anew = read_record(world.documents[learner_key("app")], options(), "second", NOW_US)
    assert why in why_anew and record.events[-1].text == why_anew
    assert (record.learner_id, record.state_json) == ("second", None)


def test_changes_of_a_policy_leave_numbers_of_workers_and_plans_known() -> None:
    world = World(options())
    world.fold([observation(1)])
    world.flush()
    record, _ = read_record(world.documents[learner_key("app")], options({"name": "static"}), "second", NOW_US)
    assert record.seen == {1: 1} and record.plan_id_limit >= PLAN_IDS_AHEAD


def test_cell_restores_the_state_although_the_policy_does_not_take_what_it_took_before() -> None:
    class Moody(Diary):
        def observe(self, state: Any, observation: Any) -> Any:
            moods.append(1)
            if len(moods) > 2:
                raise RuntimeError("not again")
            return super().observe(state, observation)

    moods: list[int] = []
    policy = Moody()
    cell = StateCell(encode_state(policy.init(ARMS)))
    for number in range(2):
        cell.observe(policy, Observation.from_json(observation(number)))
    with pytest.raises(PolicyFailedError, match="with it went 2 earlier observations"):
        cell.observe(policy, Observation.from_json(observation(2)))
    assert cell.state["ids"] == []  # as of the checkpoint: the log could not be folded again
