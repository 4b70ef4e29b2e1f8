"""The registry against an obvious twin, over every change there is, reloaded from its store after every step."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from clipper.errors import AlreadyExistsError, CallerError, ConflictError, NotFoundError, StateUnavailableError
from clipper.registry import changes
from clipper.registry.records import Application, ModelVersion, RegistryState
from clipper.registry.registry import Registry
from clipper.state.sqlite import SqliteStore
from tests.support.faulty_store import Fault, FaultyStore

APPLICATIONS = st.sampled_from(["digits", "letters"])
MODELS = st.sampled_from(["svm", "tree"])
VERSIONS = st.sampled_from(["1", "2", "3"])
INPUT_TYPES = st.sampled_from(["doubles", "doubles", "strings"])
RESOURCES = st.dictionaries(st.sampled_from(["cpu", "nvidia.com/gpu"]), st.integers(0, 8) | st.just("500m"))


@dataclass
class TwinModel:
    """A model as nested lists and dicts: version -> what it was made of, how many replicas, whether it is deployed."""

    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    current: str | None = None
    previous: list[str] = field(default_factory=list)


class Twin:
    """What the registry should hold; a change checks everything first and is then made in place."""

    def __init__(self) -> None:
        self.applications: dict[str, tuple[str, list[str]]] = {}  # input type, links
        self.models: dict[str, TwinModel] = {}

    def linked_to(self, model: str) -> list[str]:
        return [name for name, (_, models) in self.applications.items() if model in models]

    def types_linked_to(self, model: str) -> set[str]:
        return {self.applications[name][0] for name in self.linked_to(model)}

    def add_application(self, name: str, input_type: str) -> type[CallerError] | None:
        if name in self.applications:
            return AlreadyExistsError
        self.applications[name] = (input_type, [])
        return None

    def delete_application(self, name: str) -> type[CallerError] | None:
        return NotFoundError if self.applications.pop(name, None) is None else None

    def link(self, name: str, model: str) -> type[CallerError] | None:
        if name not in self.applications or model not in self.models or self.models[model].current is None:
            return NotFoundError
        input_type, models = self.applications[name]
        if model in models:
            return AlreadyExistsError
        if self.models[model].versions[str(self.models[model].current)]["input_type"] != input_type:
            return ConflictError
        models.append(model)
        return None

    def unlink(self, name: str, model: str) -> type[CallerError] | None:
        if model not in self.applications.get(name, ("", []))[1]:
            return NotFoundError
        self.applications[name][1].remove(model)
        return None

    def add_version(self, model: str, version: str, **values: Any) -> type[CallerError] | None:
        if version in self.models.get(model, TwinModel()).versions:
            return AlreadyExistsError
        if self.types_linked_to(model) - {values["input_type"]}:
            return ConflictError
        row = {**values, "replicas": 1, "is_deployed": False}
        self.models.setdefault(model, TwinModel()).versions[version] = row
        return None

    def find(self, model: str, version: str) -> dict[str, Any] | None:
        return self.models.get(model, TwinModel()).versions.get(version)

    def set_value(self, model: str, version: str, key: str, value: object) -> type[CallerError] | None:
        row = self.find(model, version)
        if row is None:
            return NotFoundError
        row[key] = value
        return None

    def remove_version(self, model: str, version: str) -> type[CallerError] | None:
        if self.find(model, version) is None:
            return NotFoundError
        twin = self.models[model]
        if twin.current == version and self.linked_to(model):
            return ConflictError
        del twin.versions[version]
        twin.previous = [previous for previous in twin.previous if previous != version]
        twin.current = None if twin.current == version else twin.current
        if not twin.versions:
            del self.models[model]
        return None

    def set_current(self, model: str, version: str) -> type[CallerError] | None:
        row = self.find(model, version)
        if row is None:
            return NotFoundError
        if not row["is_deployed"] or self.types_linked_to(model) - {row["input_type"]}:
            return ConflictError
        twin = self.models[model]
        if twin.current is not None and twin.current != version:
            twin.previous = [previous for previous in twin.previous if previous != twin.current] + [twin.current]
        twin.previous = [previous for previous in twin.previous if previous != version]
        twin.current = version
        return None

    def rollback(self, model: str) -> type[CallerError] | None:
        if model not in self.models:
            return NotFoundError
        if not self.models[model].previous:
            return ConflictError
        older = self.models[model].previous[:-1]
        refusal = self.set_current(model, self.models[model].previous[-1])
        if refusal is None:
            self.models[model].previous = older
        return refusal

    def delete_model(self, model: str) -> type[CallerError] | None:
        if model not in self.models:
            return NotFoundError
        if self.linked_to(model) or not all(row["is_deployed"] for row in self.models[model].versions.values()):
            return ConflictError
        del self.models[model]
        return None


def described(state: RegistryState) -> Twin:
    """The registry's content in the twin's words."""
    twin = Twin()
    twin.applications = {name: (one.input_type, list(one.models)) for name, one in state.applications.items()}
    for name, model in state.models.items():
        rows = {
            version: {
                "input_type": record.input_type,
                "labels": record.labels,
                "resources": dict(record.resources),
                "description": record.description,
                "replicas": record.replicas,
                "is_deployed": record.is_deployed,
            }
            for version, record in model.versions.items()
        }
        twin.models[name] = TwinModel(rows, model.current_version, list(model.previous_versions))
    return twin


class RegistryMachine(RuleBasedStateMachine):
    """Every rule makes one change on both; `store_fails` has the next one fail in one of the ways a store can."""

    def __init__(self) -> None:
        super().__init__()
        self.store = FaultyStore()
        self.registry = Registry(self.store)
        self.twin = Twin()

    def both(self, change: Callable[[RegistryState], RegistryState], twin_change: Callable[[], Any]) -> None:
        fault = self.store.fault
        before = self.registry.state
        if fault is not Fault.NONE:
            try:
                change(before)
            except CallerError:
                return  # it would not come to the store
            with pytest.raises(StateUnavailableError):
                self.registry.apply(change)
            assert self.registry.state is before
            return
        refusal = twin_change()
        if refusal is None:
            assert self.registry.apply(change).revision > before.revision
        else:
            with pytest.raises(refusal):
                self.registry.apply(change)
            assert self.registry.state is before

    @rule(name=APPLICATIONS, input_type=INPUT_TYPES)
    def add_application(self, name: str, input_type: str) -> None:
        application = Application(name, input_type, "-1", latency_slo_us=20_000, max_slo_us=20_000)
        self.both(
            lambda state: changes.add_application(state, application),
            lambda: self.twin.add_application(name, input_type),
        )

    @rule(name=APPLICATIONS)
    def delete_application(self, name: str) -> None:
        self.both(lambda state: changes.delete_application(state, name), lambda: self.twin.delete_application(name))

    @rule(name=APPLICATIONS, model=MODELS)
    def link(self, name: str, model: str) -> None:
        self.both(lambda state: changes.link_model(state, name, model), lambda: self.twin.link(name, model))

    @rule(name=APPLICATIONS, model=MODELS)
    def unlink(self, name: str, model: str) -> None:
        self.both(lambda state: changes.unlink_model(state, name, model), lambda: self.twin.unlink(name, model))

    @rule(
        model=MODELS,
        version=VERSIONS,
        input_type=INPUT_TYPES,
        labels=st.lists(st.sampled_from(["a", "é"]), max_size=2).map(tuple),
        resources=RESOURCES,
        description=st.sampled_from(["", "übt\nnoch"]),
    )
    def add_version(self, model: str, version: str, **values: Any) -> None:
        record = ModelVersion(model, version, container="noop", **values)
        self.both(
            lambda state: changes.add_version(state, record), lambda: self.twin.add_version(model, version, **values)
        )

    @rule(model=MODELS, version=VERSIONS)
    def deploy(self, model: str, version: str) -> None:
        self.both(
            lambda state: changes.mark_deployed(state, model, version),
            lambda: self.twin.set_value(model, version, "is_deployed", True),
        )
        self.set_current(model, version)

    @rule(model=MODELS, version=VERSIONS, count=st.integers(1, 3))
    def set_replicas(self, model: str, version: str, count: int) -> None:
        self.both(
            lambda state: changes.set_replicas(state, model, version, count),
            lambda: self.twin.set_value(model, version, "replicas", count),
        )

    @rule(model=MODELS, version=VERSIONS)
    def remove_version(self, model: str, version: str) -> None:
        self.both(
            lambda state: changes.remove_version(state, model, version),
            lambda: self.twin.remove_version(model, version),
        )

    @rule(model=MODELS, version=VERSIONS)
    def set_current(self, model: str, version: str) -> None:
        self.both(
            lambda state: changes.set_current_version(state, model, version),
            lambda: self.twin.set_current(model, version),
        )

    @rule(model=MODELS)
    def rollback(self, model: str) -> None:
        self.both(lambda state: changes.rollback(state, model), lambda: self.twin.rollback(model))

    @rule(model=MODELS)
    def delete_model(self, model: str) -> None:
        self.both(lambda state: changes.delete_model(state, model), lambda: self.twin.delete_model(model))

    @precondition(lambda self: self.store.fault is Fault.NONE)
    @rule(fault=st.sampled_from([Fault.REFUSED, Fault.ANSWER_LOST, Fault.LATE]))
    def store_fails(self, fault: Fault) -> None:
        self.store.fault = fault

    @rule()
    def late_commit_arrives(self) -> None:
        with contextlib.suppress(ConflictError):
            self.store.deliver()

    @rule()
    def settle(self) -> None:
        if self.store.fault is Fault.NONE:
            self.registry.settle()
            assert self.registry.is_settled

    @invariant()
    def registry_is_as_its_twin(self) -> None:
        found = described(self.registry.state)
        assert (found.applications, found.models) == (self.twin.applications, self.twin.models)

    @invariant()
    def settled_store_gives_the_same_registry(self) -> None:
        if self.registry.is_settled:
            assert Registry(self.store).state == self.registry.state

    @invariant()
    def history_names_deployed_versions_once(self) -> None:
        for model in self.registry.state.models.values():
            assert len(set(model.previous_versions)) == len(model.previous_versions) <= changes.MAX_PREVIOUS_VERSIONS
            assert model.current_version not in model.previous_versions
            assert all(model.versions[version].is_deployed for version in model.previous_versions)


class SqliteRegistryMachine(RegistryMachine):
    """The same over a file, which a second connection reads back."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "state.sqlite"
        self.store.store = SqliteStore(self.path)

    @invariant()
    def file_gives_the_same_registry(self) -> None:
        if self.registry.is_settled:
            reader = SqliteStore(self.path)
            assert Registry(reader).state == self.registry.state
            reader.close()

    def teardown(self) -> None:
        self.registry.close()
        self.directory.cleanup()


TestRegistryInMemory = RegistryMachine.TestCase
TestRegistryInSqlite = SqliteRegistryMachine.TestCase
TestRegistryInMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRegistryInSqlite.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
