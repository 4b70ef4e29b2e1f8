"""Observations: what a document gives, which losses follow, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from clipper.errors import InvalidArgumentError
from clipper.selection import ABSENT, Observation, make_loss

DOCUMENT: dict[str, Any] = {
    "query_id": 12, "at_us": 1_700_000_000_000_000, "context": "user-17", "plan_id": 42, "kind": "arms",
    "arms": [
        {"arm": "a:1", "output": "cat", "propensity": 0.25, "shown": True},
        {"arm": "b:1", "output": "dog", "propensity": 1.0, "shown": False},
        {"arm": "c:1", "propensity": 1.0, "shown": False},
    ],
    "label": "cat",
}  # fmt: skip
REWARD = {**{key: value for key, value in DOCUMENT.items() if key != "label"}, "reward": 0.75}


def test_label_judges_every_arm_whose_output_is_known() -> None:
    observation = Observation.from_json(DOCUMENT, make_loss())
    assert observation.losses == {"a:1": 0.0, "b:1": 1.0}
    assert observation.arms[0].propensity == 0.25 and observation.arms[2].output is ABSENT


def test_reward_judges_only_the_arm_that_was_shown() -> None:
    assert Observation.from_json(REWARD, make_loss()).losses == {"a:1": 0.25}


def test_label_of_null_is_a_label() -> None:
    observation = Observation.from_json({**DOCUMENT, "label": None}, make_loss())
    assert observation.label is None and observation.losses == {"a:1": 1.0, "b:1": 1.0}


def test_output_that_cannot_be_judged_is_named_with_its_cause() -> None:
    observation = Observation.from_json({**DOCUMENT, "label": 1.0}, make_loss("squared"))
    assert observation.losses == {} and set(observation.unscored) == {"a:1", "b:1"}
    assert "squared loss of output 'cat'" in observation.unscored["a:1"]


@pytest.mark.parametrize(
    "document", [DOCUMENT, REWARD, {**DOCUMENT, "query_id": None, "kind": "input", "context": None}]
)
def test_observation_written_as_json_is_the_document(document: dict[str, Any]) -> None:
    assert Observation.from_json(document).to_json() == document


def test_features_become_an_array_and_are_written_again() -> None:
    document = {**DOCUMENT, "kind": "features", "features": [1, 2.5]}
    observation = Observation.from_json(document)
    assert observation.features is not None and observation.features.tolist() == [1.0, 2.5]
    assert observation.to_json() == document


@pytest.mark.parametrize(
    "change",
    [
        {"at_us": None}, {"at_us": 1.5}, {"plan_id": "42"}, {"kind": "any"}, {"query_id": "12"}, {"context": 17},
        {"arms": None}, {"arms": [{"output": 1}]}, {"arms": [{"arm": "a:1", "propensity": 0.0}]},
        {"arms": [{"arm": "a:1", "propensity": 1.5}]}, {"arms": [{"arm": "a:1", "propensity": True}]},
        {"arms": [{"arm": "a:1", "shown": 1}]}, {"features": [[1.0]]}, {"features": [float("nan")]}, {"features": "x"},
        {"reward": 1.5}, {"reward": True}, {"reward": float("nan")},
    ],
)  # fmt: skip
def test_observation_with_a_bad_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="no valid observation"):
        Observation.from_json({**DOCUMENT, **change}, make_loss())
