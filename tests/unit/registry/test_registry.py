"""The registry over its store: revisions, what survives, and what a refused change leaves."""

from __future__ import annotations

from typing import Any

import pytest

from clipper.errors import AlreadyExistsError, ConflictError, InternalError, InvalidArgumentError
from clipper.registry import changes
from clipper.registry.learning import check_policy
from clipper.registry.records import Application, ModelVersion, RegistryState
from clipper.registry.registry import Registry
from clipper.registry.snapshot import to_snapshot
from clipper.state.memory import MemoryStore
from clipper.types import Revision


def fill(registry: Registry) -> None:
    application = Application(
        "digits", "doubles", "-1", 20_000, 30_000, shape=(64,), policy={"name": "mean"}, on_miss="error"
    )
    version = ModelVersion("svm", "1", "doubles", "noop", replicas=2, labels=("a",), environment={"CLIPPER_X": "1"})
    registry.apply(lambda state: changes.add_application(state, application))
    registry.apply(lambda state: changes.add_version(state, version))
    registry.apply(lambda state: changes.mark_deployed(state, "svm", "1"))
    registry.apply(lambda state: changes.set_current_version(state, "svm", "1"))
    registry.apply(lambda state: changes.link_model(state, "digits", "svm"))


def test_registry_of_the_same_store_has_the_same_state() -> None:
    store = MemoryStore()
    registry = Registry(store)
    fill(registry)
    assert registry.state.revision == 5
    assert Registry(store).state == registry.state


def test_refused_change_raises_no_revision() -> None:
    registry = Registry(MemoryStore())
    fill(registry)
    before = registry.state
    with pytest.raises(AlreadyExistsError):
        registry.apply(lambda state: changes.add_application(state, before.application("digits")))
    assert registry.state is before


def test_undone_change_restores_the_content_under_a_further_revision() -> None:
    store = MemoryStore()
    registry = Registry(store)
    fill(registry)
    before = registry.state
    registry.apply(lambda state: changes.delete_application(state, "digits"))
    after = registry.apply(lambda _: before)
    assert (after.applications, after.models) == (before.applications, before.models)
    assert after.revision == before.revision + 2
    assert Registry(store).state == after


def test_two_registries_on_one_store_do_not_overwrite_each_other() -> None:
    store = MemoryStore()
    first, second = Registry(store), Registry(store)
    fill(first)
    with pytest.raises(ConflictError):
        fill(second)


def test_document_that_cannot_be_read_is_an_error() -> None:
    store = MemoryStore()
    store.commit(Revision(0), {"model/x": {"nonsense": 1}})
    with pytest.raises(InternalError, match="model/x"):
        Registry(store)


def test_snapshot_has_the_fields_of_the_control_channel() -> None:
    registry = Registry(MemoryStore())
    fill(registry)
    assert to_snapshot(registry.state) == {
        "type": "snapshot",
        "revision": 5,
        "applications": [
            {
                "name": "digits",
                "input_type": "doubles",
                "dtype": None,
                "shape": [64],
                "default_output": "-1",
                "latency_slo_us": 20_000,
                "max_slo_us": 30_000,
                "on_miss": "error",
                "policy": {"name": "mean"},
                "models": ["svm"],
                "cache": True,
                "cache_ttl_us": 0,
                "learning": None,
                "plan": None,
            }
        ],
        "models": [
            {
                "name": "svm",
                "current_version": "1",
                "versions": [
                    {
                        "version": "1",
                        "input_type": "doubles",
                        "controller": "aimd",
                        "batch_size": 0,
                        "max_batch_size": 0,
                        "labels": ["a"],
                        "is_deployed": True,
                        "sample_input": None,
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, None),
        ("mean", {"name": "mean"}),
        ({"name": "majority", "answer_when_decided": False}, {"name": "majority", "answer_when_decided": False}),
    ],
)
def test_policy_is_kept_with_its_parameters(policy: Any, expected: Any) -> None:
    assert check_policy(policy) == expected


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("median", "there is no policy 'median'"),
        ({"answer_when_decided": True}, "policy=None is not valid"),
        ({"name": "mean", "answer_when_decided": True}, "policy 'mean' has no parameter 'answer_when_decided'"),
        ({"name": "majority", "answer_when_decide": True}, "has no parameter 'answer_when_decide'"),
        ({"name": "majority", "answer_when_decided": 1}, "answer_when_decided=1 of policy 'majority' is not valid"),
    ],
)
def test_policy_that_means_nothing_is_refused(policy: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        check_policy(policy)


@pytest.mark.parametrize(("count", "policy"), [(0, "static"), (1, "static"), (2, "majority")])
def test_policy_that_is_not_named_follows_from_the_number_of_models(count: int, policy: str) -> None:
    models = tuple(f"m{index}" for index in range(count))
    application = Application("a", "doubles", "0", 1_000, 1_000, models=models)
    snapshot = to_snapshot(RegistryState(applications={"a": application}))
    assert snapshot["applications"][0]["policy"] == {"name": policy}
