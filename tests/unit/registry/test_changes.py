"""Changes of the registry: each refusal leaves everything as it was, each success is exactly one change."""

from __future__ import annotations

import pytest

from clipper.errors import AlreadyExistsError, ConflictError, InvalidArgumentError, NotFoundError
from clipper.registry import changes
from clipper.registry.records import Application, ModelVersion, RegistryState


def make_application(name: str = "digits", input_type: str = "doubles") -> Application:
    return Application(name, input_type, "-1", latency_slo_us=20_000, max_slo_us=20_000)


def make_version(name: str = "svm", version: str = "1", input_type: str = "doubles") -> ModelVersion:
    return ModelVersion(name, version, input_type, "noop")


def deploy(state: RegistryState, version: ModelVersion) -> RegistryState:
    state = changes.add_version(state, version)
    return changes.set_current_version(
        changes.mark_deployed(state, version.name, version.version), version.name, version.version
    )


def linked_state() -> RegistryState:
    state = changes.add_application(RegistryState(), make_application())
    return changes.link_model(deploy(state, make_version()), "digits", "svm")


def test_application_name_is_taken_once() -> None:
    state = changes.add_application(RegistryState(), make_application())
    with pytest.raises(AlreadyExistsError, match="'digits'"):
        changes.add_application(state, make_application())


def test_deleted_application_takes_its_links_along() -> None:
    state = changes.delete_application(linked_state(), "digits")
    state = changes.add_application(state, make_application())
    assert state.application("digits").models == ()
    assert "svm" in state.models


def test_model_of_tensors_serves_applications_of_one_shape_and_dtype_only() -> None:
    def images(name: str, *, shape: tuple[int, ...] = (2, 3), dtype: str = "float32") -> Application:
        return Application(name, "tensor", "-1", 20_000, 20_000, shape=shape, dtype=dtype)

    state = deploy(RegistryState(), make_version(input_type="tensor"))
    for application in (images("one"), images("two"), images("turned", shape=(3, 2)), images("wide", dtype="float64")):
        state = changes.add_application(state, application)
    state = changes.link_model(changes.link_model(state, "one", "svm"), "two", "svm")
    with pytest.raises(ConflictError, match=r"\[2, 3\].*'one'.*\[3, 2\]"):
        changes.link_model(state, "turned", "svm")
    with pytest.raises(ConflictError, match="float64"):
        changes.link_model(state, "wide", "svm")


def test_unknown_names_are_not_found_and_the_known_ones_listed() -> None:
    state = linked_state()
    with pytest.raises(NotFoundError) as caught:
        changes.delete_application(state, "letters")
    assert "digits" in caught.value.hint
    with pytest.raises(NotFoundError):
        changes.link_model(state, "digits", "tree")
    with pytest.raises(NotFoundError):
        changes.set_current_version(state, "svm", "2")
    with pytest.raises(NotFoundError):
        changes.unlink_model(state, "digits", "tree")


def test_links_keep_their_order_and_are_made_once() -> None:
    state = changes.link_model(deploy(linked_state(), make_version("tree")), "digits", "tree")
    assert state.application("digits").models == ("svm", "tree")
    with pytest.raises(AlreadyExistsError):
        changes.link_model(state, "digits", "svm")
    assert changes.unlink_model(state, "digits", "svm").application("digits").models == ("tree",)


def test_model_of_another_input_type_is_neither_linked_nor_added_to_a_linked_name() -> None:
    state = deploy(linked_state(), make_version("words", input_type="strings"))
    with pytest.raises(ConflictError, match="strings"):
        changes.link_model(state, "digits", "words")
    with pytest.raises(ConflictError, match="floats"):
        changes.add_version(state, make_version(version="2", input_type="floats"))


def test_version_in_deployment_is_taken_but_neither_linked_nor_current() -> None:
    state = changes.add_version(changes.add_application(RegistryState(), make_application()), make_version())
    with pytest.raises(AlreadyExistsError):
        changes.add_version(state, make_version())
    with pytest.raises(NotFoundError, match="no deployed version"):
        changes.link_model(state, "digits", "svm")
    with pytest.raises(ConflictError, match="being deployed"):
        changes.set_current_version(state, "svm", "1")


def test_removing_a_version_leaves_no_trace_of_a_failed_deployment() -> None:
    before = linked_state()
    during = changes.add_version(before, make_version("tree"))
    assert changes.remove_version(during, "tree", "1") == before


def test_current_version_of_a_linked_model_stays() -> None:
    with pytest.raises(ConflictError, match="digits"):
        changes.remove_version(linked_state(), "svm", "1")
    unlinked = changes.unlink_model(linked_state(), "digits", "svm")
    assert "svm" not in changes.remove_version(unlinked, "svm", "1").models


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_replica_count_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(InvalidArgumentError, match="replicas"):
        changes.set_replicas(linked_state(), "svm", "1", count)
