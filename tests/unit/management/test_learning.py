"""Learning at work: messages in and out, the store behind, and what happens when either is not there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from clipper.errors import ProtocolError
from clipper.management.learners import Learners
from clipper.management.learning import MOST_ITEMS, PLANS_A_MESSAGE, Learning
from clipper.registry.records import Application, Model, ModelVersion, RegistryState
from clipper.selection.learner_document import context_key, learner_key
from clipper.state.memory import MemoryStore
from clipper.types import Revision
from tests.support.faulty_store import Fault, FaultyStore
from tests.support.learning import NOW_US, Diary, observation

TTL_S = 100


class Channel:
    """What `Learning` sees of the control channel."""

    def __init__(self) -> None:
        self.sent: list[tuple[int | None, Mapping[str, Any]]] = []
        self.listeners: dict[str, Callable[[int, Mapping[str, Any]], None]] = {}

    def listen(self, kind: str, listener: Callable[[int, Mapping[str, Any]], None]) -> None:
        self.listeners[kind] = listener

    def greet(self, greeter: Callable[[int], None]) -> None:
        self.greeter = greeter

    def tell(self, worker: int, message: Mapping[str, Any]) -> None:
        self.sent.append((worker, message))

    def tell_all(self, message: Mapping[str, Any]) -> None:
        self.sent.append((None, message))

    def take(self, kind: str) -> list[tuple[int | None, Mapping[str, Any]]]:
        taken = [one for one in self.sent if one[1]["type"] == kind]
        self.sent = [one for one in self.sent if one[1]["type"] != kind]
        return taken


class Scene:
    """One `Learning` over a store that can fail; nothing runs but what a test calls."""

    def __init__(self, store: FaultyStore) -> None:
        self.store = store
        self.channel = Channel()
        self.now_us = NOW_US
        ids = iter(range(1000))
        self.learners = Learners(lambda: self.now_us, lambda: f"id{next(ids)}-{len(store.store.load().documents)}")
        self.learning = Learning(store, self.channel, 1_000_000, self.learners)  # type: ignore[arg-type]

    def observe(
        self, items: list[Any], first_seq: int = 1, *, worker: int = 0, epoch: int = 7, app: str = "app"
    ) -> None:
        message = {"type": "observations", "application": app, "epoch": epoch, "first_seq": first_seq, "items": items}
        self.channel.listeners["observations"](worker, message)

    async def flush(self) -> None:
        await self.learning._flush_alone()

    async def description(self) -> Any:
        found = await self.learning.describe("app")
        assert found is not None
        return found

    def observed(self) -> list[int]:
        return [message["seq"] for _, message in self.channel.take("observed")]

    def plans(self, app: str = "app") -> list[tuple[str | None, Any]]:
        messages = [message for _, message in self.channel.take("plans") if message["application"] == app]
        return [(one["context"], one["plan"]) for message in messages for one in message["plans"]]


def play(script: Callable[[Scene], Awaitable[None]], store: FaultyStore | None = None) -> FaultyStore:
    kept = store or FaultyStore()

    async def main() -> None:
        scene = Scene(kept)
        try:
            await script(scene)
        finally:
            scene.learning._thread.shutdown()
            scene.learning.store._thread.shutdown()

    asyncio.run(main())
    return kept


def registered(policy: Any = None, models: tuple[str, ...] = ("a", "b"), **learning: Any) -> RegistryState:
    versions = {name: ModelVersion(name, "1", "doubles", "noop", is_deployed=True) for name in ("a", "b", "c")}
    known = {name: Model(name, {"1": version}, "1") for name, version in versions.items()}
    application = Application(
        "app", "doubles", "0", 1_000, 1_000, models=models, learning=learning,
        policy={"name": Diary.name} if policy is None else policy,
    )  # fmt: skip
    return RegistryState(Revision(1), {"app": application}, known)


def with_version(state: RegistryState, model: str, version: str) -> RegistryState:
    return replace(state, models={**state.models, model: replace(state.models[model], current_version=version)})


# -- a turn, a flush -------------------------------------------------------------------------------------------------


def test_plan_follows_registration_and_observations_change_it() -> None:
    async def script(scene: Scene) -> None:
        assert scene.learning.plan_of("app") is None
        await scene.learning.follow(registered())
        first = scene.learning.plan_of("app")
        assert first is not None and first["models"] == ["a:1", "b:1"] and scene.plans() == []
        scene.observe([observation(1)])
        await scene.learning.turn()
        ((context, plan),) = scene.plans()
        assert context is None and plan == scene.learning.plan_of("app") and plan["plan_id"] > first["plan_id"]
        assert (await scene.description()).observations == 1

    play(script)


def test_observations_are_acknowledged_when_the_store_has_them_and_not_before() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered())
        scene.observe([observation(1), observation(2)])
        await scene.learning.turn()
        assert scene.observed() == []
        scene.store.is_gone = True
        await scene.flush()
        assert scene.observed() == [] and scene.learning.store.failures["write"] == 1
        scene.store.is_gone = False
        await scene.flush()
        assert scene.observed() == [2]

    play(script)


def test_restart_goes_on_from_the_last_flush_and_what_is_sent_again() -> None:
    async def first(scene: Scene) -> None:
        await scene.learning.follow(registered())
        scene.observe([observation(1), observation(2)])
        await scene.learning.turn()
        await scene.flush()
        scene.observe([observation(3)], 3)
        await scene.learning.turn()

    async def second(scene: Scene) -> None:
        await scene.learning.follow(registered())
        assert (await scene.description()).observations == 2
        scene.observe([observation(2), observation(3), observation(4)], 2)
        await scene.learning.turn()
        assert scene.learners.active["app"].state["ids"] == [1, 2, 3, 4]

    play(second, play(first))


def test_commit_whose_answer_was_lost_is_written_again() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered())
        await scene.flush()
        for fault, seq in ((Fault.ANSWER_LOST, 1), (Fault.REFUSED, 2), (Fault.LATE, 3)):
            scene.observe([observation(seq)], seq)
            await scene.learning.turn()
            scene.store.fault = fault
            await scene.flush()
            assert scene.observed() == []
            scene.store.deliver()
            await scene.flush()
            assert scene.observed() == [seq]

    play(script)


def test_store_that_is_down_stops_no_learning_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True))
        await scene.flush()
        scene.store.is_gone = True
        for seq in range(1, 4):
            scene.observe([observation(seq, f"user-{seq}")], seq)
            await scene.learning.turn()
            await scene.flush()
        assert (await scene.description()).observations == 3
        assert dict(scene.plans())["user-3"] is not None
        assert sum(record.levelno >= logging.ERROR for record in caplog.records) == 1
        scene.store.is_gone = False
        await scene.flush()
        assert scene.observed() == [3] and "kept again" in caplog.text
        assert context_key(scene.learners.active["app"].learner_id, "user-1") in scene.store.store.load().documents

    with caplog.at_level(logging.INFO):
        play(script)


def test_long_queue_of_observations_is_folded_in_several_turns() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered())
        for begin in range(3):
            scene.observe([observation(1)] * MOST_ITEMS, begin * MOST_ITEMS + 1)
        for turn in range(1, 4):
            await scene.learning.turn()
            assert (await scene.description()).observations == turn * MOST_ITEMS
            assert scene.learning._has_work.is_set() == (turn < 3)

    play(script)


def test_listener_hears_of_each_observation_once_and_of_outputs() -> None:
    heard: list[Any] = []

    class Listener:
        def on_observation(self, application: str, observation: Any) -> None:
            heard.append((application, observation.query_id, dict(observation.losses)))

        def on_outputs(self, application: str, samples: Any) -> None:
            heard.append((application, samples))

    async def script(scene: Scene) -> None:
        scene.learning.listen(Listener())
        await scene.learning.follow(registered())
        scene.observe([observation(1)])
        scene.observe([observation(1), observation(2, label=0)])
        await scene.learning.turn()
        scene.channel.listeners["outputs"](0, {"application": "app", "samples": {"a:1": [1, 2]}})

    play(script)
    assert heard == [("app", 1, {"a:1": 0.0}), ("app", 2, {"a:1": 1.0}), ("app", {"a:1": [1, 2]})]


# -- workers ---------------------------------------------------------------------------------------------------------


def test_worker_that_connects_is_told_the_plans_of_all_contexts() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True))
        count = PLANS_A_MESSAGE + 1
        scene.observe([observation(number, f"user-{number}") for number in range(count)])
        while scene.learning._has_work.is_set():
            await scene.learning.turn()
        assert len([key for key, _ in scene.plans() if key]) == count
        scene.channel.greeter(3)
        await scene.learning.turn()
        messages = scene.channel.take("plans")
        assert [(worker, len(message["plans"])) for worker, message in messages] == [(3, PLANS_A_MESSAGE), (3, 1)]

    play(script)


def test_worker_that_lives_again_is_acknowledged_by_its_new_life() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered())
        for epoch in (7, 8):
            scene.observe([observation(1)], epoch=epoch)
        await scene.learning.turn()
        await scene.flush()
        assert [(worker, message["epoch"]) for worker, message in scene.channel.take("observed")] == [(0, 8)]

    play(script)


@pytest.mark.parametrize("message", [{}, {"application": "app"}, {"items": 7, "application": "app"}])
def test_message_that_is_none_is_the_worker_s_mistake(message: dict[str, Any]) -> None:
    async def script(scene: Scene) -> None:
        with pytest.raises((LookupError, TypeError, ValueError, ProtocolError)):
            scene.channel.listeners["observations"](0, message)

    play(script)


def test_feedback_of_an_application_that_does_not_learn_is_acknowledged_and_dropped() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(RegistryState())
        scene.observe([observation(1), observation(2)])
        assert scene.observed() == [2]

    play(script)


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


def test_deleted_application_is_forgotten_with_its_contexts() -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered(per_context=True))
        scene.observe([observation(1, "ann")])
        await scene.learning.turn()
        await scene.flush()
        assert len(scene.store.store.load().documents) == 2
        await scene.learning.follow(RegistryState())
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


def test_failing_policy_is_logged_at_intervals_and_counted_always(caplog: pytest.LogCaptureFixture) -> None:
    async def script(scene: Scene) -> None:
        await scene.learning.follow(registered())
        for seq in range(1, 4):
            scene.observe([observation(seq, label="raise")], seq)
            await scene.learning.turn()
        assert (await scene.learning.measures())["app"].failures == {"observe": 3}
        assert [event["kind"] for event in (await scene.description()).events] == ["policy_failed"]

    play(script)
    assert sum("told to raise" in record.message for record in caplog.records) == 1


def test_run_works_until_it_is_cancelled_and_close_writes_what_was_learned_last() -> None:
    async def main() -> None:
        store = FaultyStore(Unclosed())
        scene = Scene(store)
        await scene.learning.follow(registered())
        running = asyncio.create_task(scene.learning.run())
        scene.observe([observation(1)])
        async with asyncio.timeout(10):
            while not scene.plans():
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await scene.learning.close()
        assert store.store.load().documents[learner_key("app")]["seen"] == [[7, 1]]

    asyncio.run(main())


class Unclosed(MemoryStore):
    """Can be looked at when it is closed."""

    def close(self) -> None:
        pass
