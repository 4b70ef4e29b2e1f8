"""Checks of a policy of one's own: what Clipper relies on, tried with a made-up world. Needs no test framework.

    from clipper.selection.testing import check_policy

    def test_my_policy_keeps_what_clipper_relies_on():
        check_policy("my_package.policies:MyPolicy")

`check_policy` raises one `PolicyCheckError` that lists everything it found.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from clipper.errors import ClipperError
from clipper.selection import selection_checks as checks
from clipper.selection.policy import SelectionPolicy
from clipper.selection.registry import make_policy
from clipper.selection.try_out import TryOut

CHECKS: Final[Mapping[str, Callable[[TryOut], Iterator[str]]]] = {
    "the state is JSON": checks.state_is_json,
    "plans are valid": checks.plans_are_valid,
    "plans explore where that is promised": checks.plans_explore,
    "same state, same plan": checks.plans_are_deterministic,
    "same observations, same state": checks.folds_are_deterministic,
    "the policy object does not change": checks.policy_is_stateless,
    "observations are not changed": checks.observations_are_left_alone,
    "any order gives the same plan where that is promised": checks.order_is_free,
    "models come and go": checks.arms_change,
    "what is not known is passed over": checks.gaps_are_passed_over,
    "extremes do not overflow": checks.extremes_stay_finite,
    "a context starts from the population": checks.contexts_start,
    "summaries are complete": checks.summaries_are_complete,
    "only its own states are taken": checks.upgrades_are_checked,
    "choices by features have their propensities": checks.selections_are_exact,
}
"""Claim -> the check of it, which yields what contradicts it."""


class PolicyCheckError(AssertionError):
    """A policy breaks what Clipper relies on.

    Parameters
    ----------
    failures : tuple of str
        "claim: what contradicts it", one for each.
    """

    def __init__(self, policy: str, failures: tuple[str, ...]) -> None:
        super().__init__(f"{policy} fails {len(failures)} check(s):\n" + "\n".join(f"- {each}" for each in failures))
        self.failures = failures


def failures_of(policy: SelectionPolicy, *, seed: int = 0, rounds: int = 60) -> tuple[str, ...]:
    """Return what a policy breaks: "claim: what contradicts it"; empty if nothing is found.

    Parameters
    ----------
    policy : SelectionPolicy
    seed : int
        Of the made-up world.
    rounds : int
        Observations in a run; what shows late may need more.
    """
    failures = []
    for claim, check in CHECKS.items():
        try:
            found = list(check(TryOut(copy.deepcopy(policy), seed, rounds)))
        except Exception as error:  # noqa: BLE001 - whatever a policy raises is a finding, not an end
            found = [f"raised {error!r}" if not isinstance(error, ClipperError) else f"raised {error}"]
        failures += [f"{claim}: {each}" for each in found]
    return tuple(failures)


def check_policy(policy: SelectionPolicy | str | Mapping[str, Any], *, seed: int = 0, rounds: int = 60) -> None:
    """Raise `PolicyCheckError` if a policy breaks what Clipper relies on; see `CHECKS`.

    Parameters
    ----------
    policy : SelectionPolicy, str or mapping
        The policy, or what `clipper.selection.make_policy` takes: an import path tests the registration, too.
    seed, rounds
        As of `failures_of`.
    """
    made = policy if isinstance(policy, SelectionPolicy) else make_policy(policy)
    failures = failures_of(made, seed=seed, rounds=rounds)
    if failures:
        raise PolicyCheckError(_name_of(policy), failures)


def _name_of(policy: SelectionPolicy | str | Mapping[str, Any]) -> str:
    return repr(policy) if isinstance(policy, SelectionPolicy) else json.dumps(policy)
