"""Monitoring at work: what it finds it tells, what it may do it does, and what it did outlives a restart."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from clipper.errors import ConflictError, NotFoundError, ServerError, UnavailableError
from clipper.management.monitoring import RETRY_INTERVAL_US, Monitoring
from clipper.management.monitoring_setup import document_key
from clipper.registry import changes
from clipper.registry.records import Application, ModelVersion, RegistryState
from clipper.registry.registry import Change
from clipper.state.store import Document
from clipper.types import Revision

COOL_DOWN_US = 100 * 1_000_000


@dataclass
class Observed:
    losses: Mapping[str, float]
    at_us: int = 0


@dataclass
class World:
    """A registry without store and frontends, a clock that stands, and what was kept."""

    state: RegistryState = field(default_factory=RegistryState)
    now_us: int = 10**15
    kept: dict[str, Document | None] = field(default_factory=dict)
    replans: int = 0
    without_replicas: set[str] = field(default_factory=set)
    failure: Exception | None = None
    fails_after_change: bool = False

    async def change(self, change: Change) -> RegistryState:
        if self.failure is not None and not self.fails_after_change:
            raise self.failure
        self.apply(change)
        if self.failure is not None:
            raise self.failure
        return self.state

    def apply(self, change: Change) -> None:
        after = change(self.state)
        self.state = RegistryState(Revision(self.state.revision + 1), after.applications, after.models)

    async def replan(self) -> None:
        self.replans += 1

    def keep(self, key: str, document: Document | None) -> None:
        self.kept[key] = json.loads(json.dumps(document))

    def monitoring(self) -> Monitoring:
        stored = {key: document for key, document in self.kept.items() if document is not None}
        return Monitoring(
            self,
            lambda model_id: str(model_id) not in self.without_replicas,
            self.replan,
            self.keep,
            stored,
            lambda: self.now_us,
        )

    def register(self, name: str = "app", models: tuple[str, ...] = ("a", "b"), **learning: Any) -> None:
        application = Application(name, "doubles", "null", 20_000, 20_000, learning=learning)
        self.apply(lambda state: changes.add_application(state, application))
        for model in models:
            if model not in self.state.models:
                self.deploy(model, "1")
            self.apply(lambda state, model=model: changes.link_model(state, name, model))  # type: ignore[misc]

    def deploy(self, model: str, version: str) -> None:
        def add(state: RegistryState) -> RegistryState:
            state = changes.add_version(state, ModelVersion(model, version, "doubles", "sum"))
            return changes.set_current_version(changes.mark_deployed(state, model, version), model, version)

        self.apply(add)

    def current(self, model: str) -> str | None:
        return self.state.models[model].current_version


@pytest.fixture
def world() -> World:
    return World()


def asks(on_degraded: str, **options: Any) -> dict[str, Any]:
    return {"monitor": {"on_degraded": on_degraded, "reference": 50, "cool_down_s": 100, **options}}


def feed(monitoring: Monitoring, arm: str, errors_in_ten: int, count: int = 200, application: str = "app") -> None:
    for number in range(count):
        monitoring.on_observation(application, Observed({arm: 1.0 if number % 10 < errors_in_ten else 0.0}))


def degrade(monitoring: Monitoring, *arms: str, application: str = "app") -> None:
    for errors_in_ten in (1, 8):
        for arm in arms:
            feed(monitoring, arm, errors_in_ten, application=application)


def look(monitoring: Monitoring) -> None:
    asyncio.run(monitoring.look())


def kinds(monitoring: Monitoring, application: str = "app") -> list[str]:
    monitored = monitoring.monitored(application)
    return [] if monitored is None else [event.kind for event in monitored.events]


def test_degraded_model_is_told_in_the_log_and_in_an_event_and_nothing_is_done(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.register()
    monitoring = world.monitoring()
    with caplog.at_level(logging.WARNING):
        degrade(monitoring, "a:1")
        look(monitoring)
    assert kinds(monitoring) == ["degraded"]
    assert "a:1 of application app: degraded: its mean loss rose from 0.1" in caplog.text
    assert monitoring.excluded_arms("app") == frozenset() and monitoring.event_counts["app", "degraded"] == 1


@pytest.mark.parametrize("learning", [None, {"monitor": False}])
def test_application_that_does_not_learn_or_wants_no_monitoring_is_not_watched(
    world: World, learning: dict[str, Any] | None
) -> None:
    application = Application("app", "doubles", "null", 20_000, 20_000, learning=learning)
    world.apply(lambda state: changes.add_application(state, application))
    monitoring = world.monitoring()
    feed(monitoring, "a:1", 1)
    monitoring.on_outputs("app", {"a:1": [1]})
    monitoring.on_outputs("never registered", {"a:1": [1]})
    assert monitoring.monitored("app") is None and monitoring.all_monitored() == []


def test_degraded_arm_is_quarantined_and_plans_are_made_without_it(world: World) -> None:
    world.register(**asks("quarantine"))
    monitoring = world.monitoring()
    feed(monitoring, "b:1", 2)
    degrade(monitoring, "a:1")
    look(monitoring)
    assert kinds(monitoring) == ["degraded", "quarantined"]
    assert monitoring.excluded_arms("app") == {"a:1"} and world.replans == 1
    look(monitoring)
    assert world.replans == 1


def test_last_model_is_never_quarantined_and_the_reason_is_told_once(world: World) -> None:
    world.register(models=("a",), **asks("quarantine"))
    monitoring = world.monitoring()
    degrade(monitoring, "a:1")
    for _ in range(3):
        look(monitoring)
    assert kinds(monitoring) == ["degraded", "withheld"]
    assert monitoring.excluded_arms("app") == frozenset()


def test_model_without_a_ready_replica_does_not_count_as_one_that_is_left(world: World) -> None:
    world.register(**asks("quarantine"))
    world.without_replicas = {"b:1"}
    monitoring = world.monitoring()
    degrade(monitoring, "a:1")
    look(monitoring)
    assert kinds(monitoring) == ["degraded", "withheld"]
    world.without_replicas = set()
    look(monitoring)
    assert kinds(monitoring)[-1] == "quarantined"


def test_shadow_that_degrades_is_told_and_left_alone(world: World) -> None:
    world.register(shadows=["b"], **asks("quarantine"))
    monitoring = world.monitoring()
    degrade(monitoring, "b:1", "a:1")
    look(monitoring)
    assert kinds(monitoring) == ["degraded", "degraded", "withheld"]
    assert monitoring.excluded_arms("app") == frozenset()


def test_degraded_version_is_rolled_back_once_and_the_other_one_is_not_rolled_back_to_it(world: World) -> None:
    world.register(models=("a",), **asks("rollback"))
    world.deploy("a", "2")
    monitoring = world.monitoring()
    degrade(monitoring, "a:2")
    look(monitoring)
    assert world.current("a") == "1"
    assert kinds(monitoring) == ["degraded", "rolled_back"]
    # Somebody rolls forward again, and a third version after it: the cool-down holds, then there is no good way back.
    world.apply(lambda state: changes.set_current_version(state, "a", "2"))
    world.deploy("a", "3")
    degrade(monitoring, "a:3")
    look(monitoring)
    assert world.current("a") == "3" and "itself rolled back from" in last_text(monitoring)
    world.now_us += COOL_DOWN_US
    look(monitoring)
    assert world.current("a") == "3"


def last_text(monitoring: Monitoring) -> str:
    monitored = monitoring.monitored("app")
    assert monitored is not None
    return monitored.events[-1].text


def test_second_action_waits_for_the_end_of_the_cool_down(world: World) -> None:
    world.register(models=("a", "b", "c"), **asks("quarantine"))
    monitoring = world.monitoring()
    degrade(monitoring, "a:1")
    look(monitoring)
    degrade(monitoring, "b:1")
    look(monitoring)
    world.now_us += COOL_DOWN_US - 1
    look(monitoring)
    assert monitoring.excluded_arms("app") == {"a:1"} and kinds(monitoring)[-1] == "withheld"
    world.now_us += 1
    look(monitoring)
    assert monitoring.excluded_arms("app") == {"a:1", "b:1"}


def test_model_that_two_applications_share_is_rolled_back_for_both_once(world: World) -> None:
    world.deploy("a", "1")
    world.deploy("a", "2")
    world.deploy("a", "3")
    for name in ("app", "other"):
        world.register(name, ("a",), **asks("rollback"))
    monitoring = world.monitoring()
    for name in ("app", "other"):
        degrade(monitoring, "a:3", application=name)
    look(monitoring)
    assert world.current("a") == "2"
    degrade(monitoring, "a:2", application="other")
    look(monitoring)
    assert world.current("a") == "2" and kinds(monitoring, "other")[-1] == "withheld"


def test_rollback_that_fails_is_told_and_tried_again_later(world: World) -> None:
    world.register(models=("a",), **asks("rollback"))
    world.deploy("a", "2")
    monitoring = world.monitoring()
    degrade(monitoring, "a:2")
    world.failure = ServerError("the state cannot be written")
    look(monitoring)
    look(monitoring)
    world.now_us += RETRY_INTERVAL_US
    look(monitoring)  # tried again, and not told again
    assert kinds(monitoring) == ["degraded", "failed"]
    world.failure = None
    look(monitoring)
    assert world.current("a") == "2", "not yet again"
    world.now_us += RETRY_INTERVAL_US
    look(monitoring)
    assert world.current("a") == "1"


def test_rollback_that_a_worker_has_not_applied_yet_counts_as_made(world: World) -> None:
    world.register(models=("a",), **asks("rollback"))
    world.deploy("a", "2")
    monitoring = world.monitoring()
    degrade(monitoring, "a:2")
    world.failure, world.fails_after_change = UnavailableError("worker 0 is away"), True
    look(monitoring)
    assert world.current("a") == "1" and kinds(monitoring) == ["degraded", "rolled_back"]


def test_quarantine_and_cool_down_outlive_a_restart(world: World) -> None:
    world.register(models=("a", "b", "c"), **asks("quarantine"))
    first = world.monitoring()
    degrade(first, "a:1")
    look(first)
    second = world.monitoring()
    assert second.excluded_arms("app") == {"a:1"}
    assert kinds(second) == ["degraded", "quarantined"]
    degrade(second, "b:1")
    look(second)
    assert second.excluded_arms("app") == {"a:1"}, "the cool-down of the earlier life holds"


def test_stored_document_that_cannot_be_read_is_told_and_begun_anew(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.register()
    world.kept[document_key("app")] = {"monitor": {"version": 99}, "events": [], "last_action_us": None, "left": []}
    assert kinds(world.monitoring()) == []
    assert "cannot be read" in caplog.text


def test_deleted_application_leaves_nothing_behind(world: World) -> None:
    world.register()
    monitoring = world.monitoring()
    feed(monitoring, "a:1", 1)
    monitoring.save_dirty()
    assert world.kept[document_key("app")] is not None
    world.apply(lambda state: changes.delete_application(state, "app"))
    assert monitoring.monitored("app") is None and world.kept[document_key("app")] is None


def test_windows_are_handed_over_at_intervals_and_findings_at_once(world: World) -> None:
    world.register(**asks("quarantine"))

    async def run() -> None:
        monitoring = world.monitoring()
        feed(monitoring, "b:1", 1)
        running = asyncio.create_task(monitoring.run())
        monitoring._wake.set()
        while document_key("app") not in world.kept or not observations_kept():
            await asyncio.sleep(0)
        feed(monitoring, "b:1", 1)
        degrade(monitoring, "a:1")  # wakes it
        while not monitoring.excluded_arms("app"):
            await asyncio.sleep(0)
        running.cancel()

    def observations_kept() -> bool:
        document = world.kept[document_key("app")]
        return document is not None and document["monitor"]["monitors"]["b:1"]["losses"]["observations"] > 0

    asyncio.run(run())
    document = world.kept[document_key("app")]
    assert document is not None and list(document["monitor"]["quarantined"]) == ["a:1"]


def test_operator_lifts_a_quarantine_and_the_cool_down_begins_anew(world: World) -> None:
    world.register(**asks("quarantine"))
    monitoring = world.monitoring()
    degrade(monitoring, "a:1")
    look(monitoring)
    world.now_us += COOL_DOWN_US
    asyncio.run(monitoring.lift("app", "a:1"))
    assert monitoring.excluded_arms("app") == frozenset() and world.replans == 2
    feed(monitoring, "a:1", 8)
    look(monitoring)
    assert kinds(monitoring)[-2:] == ["degraded", "withheld"]
    world.now_us += COOL_DOWN_US
    look(monitoring)
    assert monitoring.excluded_arms("app") == {"a:1"}


def test_operator_quarantines_all_but_the_last_model(world: World) -> None:
    world.register()
    monitoring = world.monitoring()
    asyncio.run(monitoring.quarantine("app", "a:1"))
    with pytest.raises(ConflictError, match="last model that answers"):
        asyncio.run(monitoring.quarantine("app", "b:1"))
    with pytest.raises(NotFoundError, match="known: a:1, b:1"):
        asyncio.run(monitoring.quarantine("app", "z:1"))
    with pytest.raises(NotFoundError, match="quarantined: a:1"):
        asyncio.run(monitoring.lift("app", "b:1"))
    with pytest.raises(NotFoundError, match="no application 'nobody'"):
        asyncio.run(monitoring.lift("nobody", "b:1"))


def test_quarantine_ends_when_another_version_becomes_current(world: World) -> None:
    world.register()
    monitoring = world.monitoring()
    asyncio.run(monitoring.quarantine("app", "a:1"))
    world.deploy("a", "2")
    assert monitoring.excluded_arms("app") == frozenset()
    look(monitoring)
    assert world.replans == 2


def test_fault_of_the_labels_which_strikes_all_models_takes_none_away(world: World) -> None:
    world.register(models=("a", "b", "c"), **asks("quarantine"))
    monitoring = world.monitoring()
    for errors_in_ten in (1, 9):
        for number in range(300):
            loss = 1.0 if number % 10 < errors_in_ten else 0.0
            monitoring.on_observation("app", Observed(dict.fromkeys(("a:1", "b:1", "c:1"), loss)))
            look(monitoring)
    assert set(kinds(monitoring)) == {"degraded", "withheld"}
    assert monitoring.excluded_arms("app") == frozenset()
