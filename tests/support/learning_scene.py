"""`Learning` with nothing but what a test calls: a channel that notes what is sent, a store that can fail, a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from clipper.management.learners import Learners
from clipper.management.learning import Learning
from clipper.registry.records import Application, Model, ModelVersion, RegistryState
from clipper.types import Revision
from tests.support.faulty_store import FaultyStore
from tests.support.learning import NOW_US, Diary


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
