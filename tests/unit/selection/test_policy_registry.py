"""Policies by name: which there are, what they accept, and what a wrong name is answered with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from clipper.errors import InternalError, InvalidArgumentError, StateError
from clipper.selection import POLICIES, ArmPolicy, make_policy
from clipper.selection.policy import State

NAMES = {
    *("static", "ab_split", "shadow", "epsilon_greedy", "ucb1", "thompson", "exp3", "exp3_ix", "tsallis_inf"),
    *("majority", "mean", "ensemble", "hedge", "exp4", "linucb", "lin_thompson", "cascade"),
}


class Loyal(ArmPolicy):
    """A user's policy: whoever was right last."""

    name = "loyal"
    per_arm: ClassVar[Mapping[str, float]] = {"last": 1.0}
    version = 3
    upgrades: ClassVar[Mapping[int, Callable[[State], State]]] = {2: lambda state: {**state, "last": state["previous"]}}

    def learn(self, state: State, known: Any, observation: Any) -> None:
        for place, loss, _ in known:
            state["last"][place] = 1.0 - loss

    def probabilities(self, state: State) -> list[float]:
        return [0.01 + last for last in state["last"]]


class Unfinished(ArmPolicy):
    """A user's policy that lacks its main method."""

    name = "unfinished"


def test_registry_has_every_policy_under_its_name() -> None:
    assert set(POLICIES) == NAMES
    assert all(make_policy(name).name == name for name in NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_policy_accepts_its_own_defaults_and_shows_them(name: str) -> None:
    table = POLICIES[name].parameters
    document = {"name": name, **{key: parameter.default for key, parameter in table.items()}}
    policy = make_policy(json.loads(json.dumps(document)))
    assert set(policy.values) == set(table)
    assert all(parameter.help and parameter.expected for parameter in table.values())


def test_policy_by_import_path_carries_the_path_as_its_name() -> None:
    path = f"{__name__}:Loyal"
    policy = make_policy({"name": path})
    assert policy.name == path and policy.init(["a:1"])["policy"] == path
    assert isinstance(policy, Loyal) and Loyal.name == "loyal"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("tompson", "did you mean 'thompson'"),
        ("zzz", "known: static"),
        ({"name": 5}, "expected a text under 'name'"),
        ({}, "expected a text under 'name'"),
        (5, "expected a name, or an object"),
        ("no.such.module:Policy", "cannot be imported"),
        (f"{__name__}:Absent", "has no 'Absent'"),
        (f"{__name__}:NAMES", "no class derived from SelectionPolicy"),
        (f"{__name__}:Unfinished", "does not define probabilities"),
        ({"name": "thompson", "discont": 0.9}, "did you mean 'discount'"),
        ({"name": "thompson", "discount": 1.5}, "discount=1.5 .* expected a number from 0.5 to 1"),
        ({"name": "thompson", "discount": True}, "discount=True"),
        ({"name": "thompson", "discount": float("nan")}, "discount=nan"),
        ({"name": "thompson", "discount": 10**400}, "discount="),
        ({"name": "thompson", "discount": None}, "discount=None"),
        ({"name": "thompson", "belief": "cauchy"}, "one of 'beta', 'gaussian'"),
        ({"name": "ensemble", "weights": {"a": 1.0}}, "use rule 'weighted'"),
        ({"name": "ensemble", "rule": "weighted", "weights": {"a": -1}}, "weights="),
        ({"name": "ensemble", "rule": "weighted", "weights": {"a": 0}}, "weights="),
        ({"name": "shadow", "candidates": ["a", "a"]}, "a list of different model names"),
        ({"name": "static", "model": ""}, "model=''"),
        ({"name": "cascade", "least_observations": 0.5}, "an integer"),
    ],
)
def test_policy_that_is_not_valid_is_refused_with_what_would_be(document: Any, told: str) -> None:
    with pytest.raises(InvalidArgumentError, match=told):
        make_policy(document)


def test_policy_refuses_to_keep_anything_but_its_parameters() -> None:
    with pytest.raises(InternalError, match="keeps nothing but its parameters"):
        make_policy("thompson").seen = 5


def stored(**changes: Any) -> dict[str, Any]:
    """A state of `Loyal` as a store gives it back."""
    state = json.loads(json.dumps(Loyal().init(["a:1", "b:1"])))
    return {**state, **changes}


def test_state_of_an_older_version_is_brought_to_the_present_form() -> None:
    older = stored(version=2, previous=[0.0, 1.0])
    del older["last"]
    upgraded = Loyal().upgrade(older)
    assert upgraded["version"] == 3 and upgraded["last"] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ([], "is no object but list"),
        (stored(policy="thompson"), "state of policy 'thompson', not of 'loyal'"),
        (stored(version=4), "reads up to 3"),
        (stored(version="3"), "version '3'"),
        (stored(version=1), "no longer read"),
        (stored(arms=["a:1", "a:1"]), "damaged: arms"),
        (stored(last=[1.0]), "last is not one finite number for each arm"),
        (stored(last=[1.0, float("nan")]), "last is not"),
        (stored(last=[1.0, None]), "last is not"),
        (stored(pulls="many"), "pulls is not"),
        (stored(observations=None), "observations is no integer"),
    ],
)
def test_state_that_cannot_be_taken_is_refused_with_the_reason(state: Any, told: str) -> None:
    with pytest.raises(StateError, match=told):
        Loyal().upgrade(state)
