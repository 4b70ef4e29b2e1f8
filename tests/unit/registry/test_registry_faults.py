"""The registry over a store that fails: what was reported as failed does not come to life, what was done is kept."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial

import pytest

from clipper.errors import ConflictError, StateUnavailableError
from clipper.registry import changes
from clipper.registry.documents import from_stored
from clipper.registry.records import Application, RegistryState
from clipper.registry.registry import Change, Registry
from clipper.state.memory import MemoryStore
from clipper.types import Revision
from tests.support.faulty_store import Fault, FaultyStore

LOST = [Fault.REFUSED, Fault.ANSWER_LOST, Fault.LATE]


def add(name: str) -> Change:
    application = Application(name, "doubles", "-1", latency_slo_us=20_000, max_slo_us=20_000)
    return partial(changes.add_application, application=application)


def stored_names(store: FaultyStore) -> set[str]:
    return set(from_stored(store.store.load()).applications)


def fail(registry: Registry, store: FaultyStore, fault: Fault, change: Change) -> None:
    store.fault = fault
    with pytest.raises(StateUnavailableError):
        registry.apply(change)


@pytest.mark.parametrize("fault", LOST)
def test_failed_change_is_not_seen_and_undone_by_the_next_one(fault: Fault) -> None:
    store = FaultyStore()
    registry = Registry(store)
    registry.apply(add("first"))
    fail(registry, store, fault, add("failed"))
    assert set(registry.state.applications) == {"first"}
    after = registry.apply(add("second"))
    with contextlib.suppress(ConflictError):
        store.deliver()
    assert set(after.applications) == stored_names(store) == {"first", "second"}
    assert Registry(store).state == after


@pytest.mark.parametrize("fault", LOST)
def test_failed_change_may_be_made_again(fault: Fault) -> None:
    store = FaultyStore()
    registry = Registry(store)
    fail(registry, store, fault, add("wanted"))
    registry.apply(add("wanted"))
    with contextlib.suppress(ConflictError):
        store.deliver()
    assert set(registry.state.applications) == stored_names(store) == {"wanted"}


def test_late_commit_between_a_look_and_the_next_commit_is_written_over() -> None:
    class Delivering(FaultyStore):
        def load(self):  # type: ignore[no-untyped-def]
            state = super().load()
            self.deliver()
            return state

    store = Delivering()
    registry = Registry(store)
    registry.apply(add("first"))
    fail(registry, store, Fault.LATE, add("failed"))
    registry.apply(add("second"))
    assert set(registry.state.applications) == stored_names(store) == {"first", "second"}


def test_late_commit_that_arrives_after_a_second_one_failed_is_still_known_as_ours() -> None:
    store = FaultyStore()
    registry = Registry(store)
    registry.apply(add("first"))
    fail(registry, store, Fault.LATE, add("failed"))
    fail(registry, store, Fault.REFUSED, add("failed-too"))
    store.deliver()
    registry.apply(add("second"))
    assert set(registry.state.applications) == stored_names(store) == {"first", "second"}


@pytest.mark.parametrize("fault", LOST)
def test_settling_makes_the_store_hold_the_present_state(fault: Fault) -> None:
    store = FaultyStore()
    registry = Registry(store)
    before = registry.apply(add("first"))
    fail(registry, store, fault, add("failed"))
    assert not registry.is_settled
    store.is_gone = True
    with pytest.raises(StateUnavailableError):
        registry.settle()
    store.is_gone = False
    registry.settle()
    with contextlib.suppress(ConflictError):
        store.deliver()
    assert registry.is_settled
    assert stored_names(store) == {"first"}
    assert registry.state.applications == before.applications and registry.state.revision > before.revision


def test_settled_registry_is_not_written_again() -> None:
    registry = Registry(FaultyStore())
    before = registry.apply(add("first"))
    registry.settle()
    assert registry.state is before


def test_store_that_went_back_gets_what_it_lost_under_a_higher_revision() -> None:
    store = FaultyStore()
    registry = Registry(store)
    for name in ("a", "b", "c"):
        registry.apply(add(name))
    store.store = MemoryStore()  # a server that came back empty
    after = registry.apply(add("d"))
    assert stored_names(store) == {"a", "b", "c", "d"}
    assert after.revision == 4
    assert store.store.load().revision == 4


def test_change_of_somebody_else_is_not_written_over_and_seen_from_then_on() -> None:
    store = MemoryStore()
    ours, theirs = Registry(store), Registry(store)
    ours.apply(add("ours"))
    with pytest.raises(ConflictError, match="somebody else") as caught:
        theirs.apply(add("theirs"))
    assert "must not share" in caught.value.hint
    assert set(theirs.state.applications) == {"ours"}
    assert theirs.apply(add("theirs")).revision == 2
    assert theirs.is_settled


def test_change_in_a_thread_leaves_the_event_loop_free() -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(state: RegistryState) -> RegistryState:
        inside.set()
        assert leave.wait(10)
        return add("slow")(state)

    async def scenario() -> None:
        changing = asyncio.create_task(registry.apply_in_thread(wait))
        await asyncio.to_thread(inside.wait, 10)
        assert registry.state.applications == {}
        leave.set()
        assert set((await changing).applications) == {"slow"}

    registry = Registry(MemoryStore())
    asyncio.run(scenario())
    registry.close()


def test_cancelled_caller_leaves_when_its_change_is_done() -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(state: RegistryState) -> RegistryState:
        inside.set()
        assert leave.wait(10)
        return add("slow")(state)

    async def scenario() -> None:
        changing = asyncio.create_task(registry.apply_in_thread(wait))
        await asyncio.to_thread(inside.wait, 10)
        changing.cancel()
        asyncio.get_running_loop().call_later(0.01, leave.set)
        with pytest.raises(asyncio.CancelledError):
            await changing
        assert set(registry.state.applications) == {"slow"}

    registry = Registry(MemoryStore())
    asyncio.run(scenario())
    registry.close()


def test_revisions_never_go_back() -> None:
    store = FaultyStore(MemoryStore())
    registry = Registry(store)
    seen = [Revision(0)]
    for number, fault in enumerate([Fault.NONE, *LOST, Fault.NONE, *reversed(LOST)]):
        store.fault = fault
        with contextlib.suppress(StateUnavailableError):
            registry.apply(add(f"a{number}"))
        seen.append(registry.state.revision)
    assert seen == sorted(seen)
