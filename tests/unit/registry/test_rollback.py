"""Roll-back and its history, and the deletion of whole models."""

from __future__ import annotations

import pytest

from clipper.errors import ConflictError, NotFoundError
from clipper.registry import changes
from clipper.registry.records import Application, ModelVersion, RegistryState


def deployed(*versions: str, state: RegistryState | None = None) -> RegistryState:
    state = state or RegistryState()
    for version in versions:
        state = changes.add_version(state, ModelVersion("svm", version, "doubles", "noop"))
        state = changes.mark_deployed(state, "svm", version)
        state = changes.set_current_version(state, "svm", version)
    return state


def history(state: RegistryState) -> tuple[str | None, tuple[str, ...]]:
    model = state.model("svm")
    return model.current_version, model.previous_versions


def linked(state: RegistryState) -> RegistryState:
    application = Application("digits", "doubles", "-1", latency_slo_us=20_000, max_slo_us=20_000)
    return changes.link_model(changes.add_application(state, application), "digits", "svm")


def test_rollback_goes_back_version_by_version_until_there_is_none() -> None:
    state = linked(deployed("1", "2", "3"))
    assert history(state) == ("3", ("1", "2"))
    state = changes.rollback(state, "svm")
    assert history(state) == ("2", ("1",))
    state = changes.rollback(state, "svm")
    assert history(state) == ("1", ())
    with pytest.raises(ConflictError, match="no earlier version") as caught:
        changes.rollback(state, "svm")
    assert "1, 2, 3" in caught.value.hint


def test_rollback_of_an_unknown_model_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="'tree'"):
        changes.rollback(deployed("1"), "tree")


def test_rollback_after_a_roll_forward_by_name_returns_to_where_that_came_from() -> None:
    state = changes.set_current_version(changes.rollback(deployed("1", "2"), "svm"), "svm", "2")
    assert history(state) == ("2", ("1",))
    assert history(changes.rollback(state, "svm")) == ("1", ())


def test_history_names_each_version_once_and_never_the_current_one() -> None:
    state = deployed("1", "2", "3")
    for version in ("1", "1", "3", "2", "3"):
        state = changes.set_current_version(state, "svm", version)
    assert history(state) == ("3", ("1", "2"))


def test_history_keeps_as_many_versions_as_the_limit_allows() -> None:
    count = changes.MAX_PREVIOUS_VERSIONS + 2
    versions = tuple(str(number) for number in range(count))
    assert history(deployed(*versions[:-1])) == (versions[-2], versions[: count - 2])
    assert history(deployed(*versions)) == (versions[-1], versions[1 : count - 1])


def test_removed_version_is_not_rolled_back_to() -> None:
    state = changes.remove_version(deployed("1", "2", "3"), "svm", "2")
    assert history(changes.rollback(state, "svm")) == ("1", ())


def test_rollback_of_a_model_whose_current_version_was_removed_takes_the_one_before() -> None:
    state = changes.remove_version(deployed("1", "2"), "svm", "2")
    assert history(state) == (None, ("1",))
    assert history(changes.rollback(state, "svm")) == ("1", ())


def test_version_that_never_was_current_is_not_rolled_back_to() -> None:
    state = changes.add_version(deployed("1"), ModelVersion("svm", "2", "doubles", "noop"))
    state = changes.mark_deployed(state, "svm", "2")
    with pytest.raises(ConflictError, match="no earlier version"):
        changes.rollback(state, "svm")


def test_rollback_to_another_input_type_than_a_linked_application_takes_is_refused() -> None:
    state = changes.add_version(RegistryState(), ModelVersion("svm", "0", "strings", "noop"))
    state = changes.set_current_version(changes.mark_deployed(state, "svm", "0"), "svm", "0")
    state = linked(deployed("1", state=state))
    with pytest.raises(ConflictError, match="strings"):
        changes.rollback(state, "svm")


def test_deleted_model_takes_all_its_versions_along() -> None:
    assert changes.delete_model(deployed("1", "2"), "svm") == RegistryState()


def test_deletion_of_a_linked_or_unknown_model_is_refused() -> None:
    with pytest.raises(ConflictError, match="digits"):
        changes.delete_model(linked(deployed("1")), "svm")
    with pytest.raises(NotFoundError):
        changes.delete_model(deployed("1"), "tree")


def test_deletion_of_a_model_in_deployment_is_refused() -> None:
    state = changes.add_version(deployed("1"), ModelVersion("svm", "2", "doubles", "noop"))
    with pytest.raises(ConflictError, match="still being deployed: 2"):
        changes.delete_model(state, "svm")


def test_deployment_that_fails_after_the_switch_leaves_the_version_before_it_current() -> None:
    before = linked(deployed("1", "2"))
    after = changes.undo_deployment(deployed("3", state=before), "svm", "3")
    assert (after.applications, after.models) == (before.applications, before.models)


def test_deployment_that_fails_before_the_switch_leaves_the_current_version_alone() -> None:
    before = linked(deployed("1", "2"))
    state = changes.add_version(before, ModelVersion("svm", "3", "doubles", "noop"))
    assert changes.undo_deployment(state, "svm", "3").models == before.models


def test_first_deployment_that_fails_leaves_no_model() -> None:
    assert changes.undo_deployment(deployed("1"), "svm", "1").models == {}
