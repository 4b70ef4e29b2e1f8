"""Names and values: whatever is accepted survives the store and the snapshot; whatever is refused says why."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipper.errors import InvalidArgumentError
from clipper.registry import changes, names
from clipper.registry.documents import from_stored, to_documents
from clipper.registry.learning import check_policy
from clipper.registry.records import Application, RegistryState
from clipper.registry.snapshot import to_snapshot
from clipper.state.store import StoredState
from clipper.types import Revision
from tests.support.json_values import json_values

JSON_VALUES = json_values(8)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("abz09-_.A \n/é"), max_size=8) | st.from_regex(r"[a-z0-9-]{60,66}"))
def test_model_name_is_accepted_exactly_if_it_is_a_dns_label(name: str) -> None:
    is_label = len(name) <= 63 and re.fullmatch(r"[a-z0-9]+(-+[a-z0-9]+)*", name) is not None
    if is_label:
        assert names.check_model_name(name) == name
    else:
        with pytest.raises(InvalidArgumentError) as caught:
            names.check_model_name(name)
        assert repr(name) in caught.value.message


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("aZ9-_. \n/%é"), max_size=8))
def test_accepted_application_name_is_one_plain_path_segment(name: str) -> None:
    try:
        names.check_application_name(name)
    except InvalidArgumentError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name) and name not in (".", "..")


@settings(max_examples=60, deadline=None)
@given(JSON_VALUES, st.integers(1, names.MAX_SLO_US), st.sampled_from(("static", "majority", "mean")), st.booleans())
def test_registered_application_survives_store_and_snapshot(output: Any, slo_us: int, policy: str, cache: bool) -> None:
    application = Application(
        name="a",
        input_type="doubles",
        default_output_json=names.check_default_output(output),
        latency_slo_us=slo_us,
        max_slo_us=slo_us,
        policy=check_policy(policy),
        cache=cache,
    )
    state = changes.add_application(RegistryState(), application)
    documents = json.loads(json.dumps(to_documents(state)))
    assert from_stored(StoredState(Revision(0), documents)) == state
    sent = json.loads(json.dumps(to_snapshot(state)))["applications"][0]
    assert json.loads(sent["default_output"]) == output


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(names.INPUT_TYPES),
    st.none() | st.integers(-1, 5) | st.lists(st.integers(-1, 5), max_size=3),
    st.none() | st.sampled_from(["float32", "float64", "int32", "json", "bool"]),
)
def test_accepted_shape_and_dtype_are_declared_completely_or_not_at_all(
    input_type: str, shape: int | list[int] | None, dtype: str | None
) -> None:
    try:
        checked_shape, checked_dtype = names.check_shape(input_type, shape, dtype)
    except InvalidArgumentError:
        return
    assert (input_type == "tensor") == (checked_dtype is not None)
    assert checked_shape is None or (checked_shape and all(length > 0 for length in checked_shape))
    assert checked_shape is not None or input_type != "tensor"
    # What was accepted is accepted again: records check what they are made of.
    assert names.check_shape(input_type, checked_shape, checked_dtype) == (checked_shape, checked_dtype)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, "x" * 70_000, [[float("-inf")]]])
def test_default_output_that_is_no_json_or_too_long_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="default_output"):
        names.check_default_output(value)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "20000", None, names.MAX_SLO_US + 1])
def test_objective_that_is_no_positive_integer_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="latency_slo_us"):
        names.check_slo("latency_slo_us", value)


@pytest.mark.parametrize("name", ["metrics", "healthz", "readyz", "v2", "", "a/b", "-a", "a" * 64, 7])
def test_reserved_or_malformed_application_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidArgumentError):
        names.check_application_name(name)


@pytest.mark.parametrize(("given_version", "version"), [(1, "1"), ("1", "1"), ("a-1", "a-1")])
def test_version_may_be_a_number(given_version: object, version: str) -> None:
    assert names.check_version(given_version) == version


@pytest.mark.parametrize("version", [True, 1.0, "1.0", "", -1, None])
def test_version_outside_the_rule_is_refused(version: object) -> None:
    with pytest.raises(InvalidArgumentError, match="model version"):
        names.check_version(version)


@pytest.mark.parametrize(
    ("spelling", "input_type"), [("double", "doubles"), ("i", "integers"), ("byte", "bytes"), ("strs", "strings")]
)
def test_spellings_of_the_original_system_are_accepted(spelling: str, input_type: str) -> None:
    assert names.check_input_type(spelling) == input_type
