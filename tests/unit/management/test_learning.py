"""Learning at work: messages in and out, the store behind, and what happens when either is not there."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from clipper.errors import ProtocolError
from clipper.management.learning import MOST_ITEMS, PLANS_A_MESSAGE
from clipper.registry.records import RegistryState
from clipper.selection.learner_document import context_key, learner_key
from clipper.state.memory import MemoryStore
from tests.support.faulty_store import Fault, FaultyStore
from tests.support.learning import observation
from tests.support.learning_scene import Scene, play, registered

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
