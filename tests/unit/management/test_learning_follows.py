"""Learning follows the registry, and goes through its store."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from clipper.registry.records import RegistryState
from clipper.selection.learner_document import context_key, learner_key
from clipper.types import Revision
from tests.support.learning import observation
from tests.support.learning_scene import Scene, play, registered, with_version

TTL_S = 100


# -- the registry changes --------------------------------------------------------------------------------------------


def test_deployed_version_is_planned_for_and_what_was_learned_before_is_in_the_store_first() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered())
        scene.observe([observation(1)])
        await scene.learning.turn()
        await scene.learning.follow(with_version(registered(), "a", "2"))
        assert scene.observed() == [1]
        plan = scene.learning.plan_of("app")
        assert plan is not None and plan["models"] == ["a:2", "b:1"]
        assert scene.learners.active["app"].state["ids"] == [1]

    play(script)


def test_shadows_look_on_unless_nothing_else_is_linked_and_excluded_arms_are_left_out() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered(models=("a", "b", "c"), shadows=["c"]))
        plan = scene.learning.plan_of("app")
        assert plan is not None and (plan["models"], plan["shadows"]) == (["a:1", "b:1"], ["c:1"])
        scene.learning.exclude(lambda _: frozenset({"b:1"}))
        await scene.learning.follow(registered(models=("a", "b", "c"), shadows=["c"]), tells_plans=True)
        ((_, told),) = scene.plans()
        assert told["models"] == ["a:1"] and told == scene.learning.plan_of("app")
        await scene.learning.follow(registered(models=("c",), shadows=["c"]))
        plan = scene.learning.plan_of("app")
        assert plan is not None and plan["models"] == ["c:1"] and "shadows" not in plan

    play(script)


def test_older_state_that_comes_late_is_passed_over() -> None:
    async def script(scene: Scene) -> None:
        newer = replace(with_version(registered(), "a", "2"), revision=Revision(2))
        await asyncio.gather(scene.learning.follow(newer), scene.learning.follow(registered(), tells_plans=True))
        plan = scene.learning.plan_of("app")
        assert plan is not None and plan["models"] == ["a:2", "b:1"]

    play(script)


def test_deleted_application_is_forgotten_with_its_contexts() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True))
        scene.observe([observation(1, "ann")])
        await scene.learning.turn()
        await scene.flush()
        assert len(scene.store.store.load().documents) == 2
        await scene.learning.follow(RegistryState(Revision(1)))
        await scene.flush()
        part = scene.store.scan("", 10)
        scene.learners.sweep(part.documents, admits=True)
        await scene.flush()
        assert scene.store.store.load().documents == {}
        await scene.learning.follow(registered(per_context=True))
        assert (await scene.description()).observations == 0

    play(script)


def test_another_policy_begins_anew_and_another_bound_does_not() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True))
        scene.observe([observation(1, "ann")])
        await scene.learning.turn()
        scene.plans()
        await scene.learning.follow(registered(per_context=True, max_contexts=5))
        assert (await scene.description()).observations == 1
        await scene.learning.follow(registered(per_context=False))
        assert scene.plans() == [("ann", None)] and (await scene.description()).observations == 1
        await scene.learning.follow(registered({"name": "epsilon_greedy"}))
        found = await scene.description()
        assert found.observations == 0 and found.events[-1]["kind"] == "started_anew"
        assert found.plan["models"] == ["a:1", "b:1"]

    play(script)


def test_policy_that_is_not_installed_any_more_is_served_by_its_last_plan_and_its_feedback_waits() -> None:
    gone = {"name": "a_package_that_is_gone:Policy"}

    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered())
        scene.observe([observation(1)])
        await scene.learning.turn()
        await scene.flush()
        scene.observed()
        last = scene.learning.plan_of("app")
        await scene.learning.follow(registered(gone))
        assert scene.learning.plan_of("app") == last
        scene.observe([observation(2)], 2)
        await scene.learning.turn()
        await scene.flush()
        assert scene.observed() == []
        found = await scene.description()
        assert found.events[0]["kind"] == "policy_missing" and "a_package_that_is_gone" in found.events[0]["text"]
        await scene.learning.follow(registered())
        await scene.learning.turn()
        assert scene.learners.active["app"].state["ids"] == [1, 2]

    play(script)


# -- contexts in the store -------------------------------------------------------------------------------------------


def test_sweep_brings_contexts_back_and_removes_what_expired_or_belongs_to_nobody() -> None:
    async def first(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True, context_ttl_s=TTL_S))
        scene.observe([observation(1, "old")])
        await scene.learning.turn()
        scene.now_us += 60 * 1_000_000
        scene.observe([observation(2, "ann")], 2)
        await scene.learning.turn()
        scene.learning.keep(context_key("nobody", "x"), {"state": "{}"})
        scene.learning.keep("monitor/app", {"kept": 1})
        await scene.flush()

    async def second(scene: Scene) -> None:
        scene.now_us += 110 * 1_000_000
        state = registered(per_context=True, context_ttl_s=TTL_S)
        await scene.learning.follow(state)
        scene.learners.sweep(scene.store.scan("", 10).documents, admits=True)
        await scene.learning.turn()
        assert [key for key, _ in scene.plans()] == ["ann"]
        await scene.flush()
        learner_id = scene.learners.active["app"].learner_id
        left = set(scene.store.store.load().documents)
        assert left == {learner_key("app"), context_key(learner_id, "ann"), "monitor/app"}
        assert await scene.learning.stored_documents(["monitor/app"]) == {"monitor/app": {"kept": 1}}

    play(second, play(first))


def test_context_that_is_only_in_the_store_can_be_looked_at() -> None:
    async def first(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True))
        scene.observe([observation(1, "ann"), observation(2)])
        await scene.learning.turn()
        await scene.flush()

    async def second(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True))
        found = await scene.learning.describe("app", "ann")
        assert found is not None and (found.context, found.observations) == ("ann", 1)
        found = await scene.learning.describe("app", "nobody")
        assert found is not None and (found.context, found.observations) == (None, 2)
        assert await scene.learning.describe("other") is None
        assert set(await scene.learning.measures()) == {"app"}

    play(second, play(first))
