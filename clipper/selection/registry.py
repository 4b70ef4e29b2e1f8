"""Policies by name: those that come with Clipper, and those of users by import path."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, Final

from clipper.errors import InvalidArgumentError
from clipper.selection.ab_split import AbSplit
from clipper.selection.cascade import Cascade
from clipper.selection.ensemble import Ensemble, Majority, Mean
from clipper.selection.epsilon_greedy import EpsilonGreedy
from clipper.selection.exp3 import Exp3
from clipper.selection.exp3_ix import Exp3IX
from clipper.selection.exp4 import Exp4
from clipper.selection.hedge import Hedge
from clipper.selection.import_path import imported, is_import_path
from clipper.selection.lin_thompson import LinThompson
from clipper.selection.linucb import LinUcb
from clipper.selection.policy import SelectionPolicy
from clipper.selection.shadow import Shadow
from clipper.selection.static import Static
from clipper.selection.thompson import Thompson
from clipper.selection.tsallis_inf import TsallisInf
from clipper.selection.ucb1 import Ucb1

_CLASSES: Final[tuple[type[SelectionPolicy], ...]] = (
    *(Static, AbSplit, Shadow),
    *(EpsilonGreedy, Ucb1, Thompson, Exp3, Exp3IX, TsallisInf),
    *(Majority, Mean, Ensemble, Hedge, Exp4),
    *(LinUcb, LinThompson, Cascade),
)
POLICIES: Final[Mapping[str, type[SelectionPolicy]]] = {kind.name: kind for kind in _CLASSES}
"""Name -> class of the policies that come with Clipper."""
OPTIONAL_POLICIES: Final[Mapping[str, str]] = {"vowpal_wabbit": "clipper.selection.vowpal_wabbit:VowpalWabbit"}
"""Name -> import path of those that need a library beside it; their classes say which, and how to install it."""


def make_policy(document: str | Mapping[str, Any]) -> SelectionPolicy:
    """Return the policy of ``{"name": NAME, ...parameters}``; a name alone stands for one without parameters.

    NAME is one of `POLICIES`, or the import path "package.module:Class" of a subclass of `SelectionPolicy`.

    Raises
    ------
    InvalidArgumentError
        If there is no such policy (the message suggests one), or a parameter is not accepted.
    """
    if isinstance(document, str):
        document = {"name": document}
    if not isinstance(document, Mapping):
        raise InvalidArgumentError(f"policy {document!r} is not valid: expected a name, or an object with one")
    name = document.get("name")
    if not isinstance(name, str):
        raise InvalidArgumentError(f"policy {dict(document)!r} is not valid: expected a text under 'name'")
    parameters = {key: value for key, value in document.items() if key != "name"}
    return policy_class(name)(**parameters)


def policy_class(name: str) -> type[SelectionPolicy]:
    """Return the class of a name or an import path.

    Raises
    ------
    InvalidArgumentError
        If there is none, if it cannot be imported, or if it is not a complete subclass of `SelectionPolicy`.
    """
    if name in POLICIES:
        return POLICIES[name]
    if name in OPTIONAL_POLICIES:
        of_library: type[SelectionPolicy] = imported(OPTIONAL_POLICIES[name], "policy")
        return of_library
    if not is_import_path(name):
        near = difflib.get_close_matches(name, [*POLICIES, *OPTIONAL_POLICIES], 1)
        raise InvalidArgumentError(
            f"there is no policy {name!r}",
            hint=f"did you mean {near[0]!r}?"
            if near
            else f"known: {', '.join([*POLICIES, *OPTIONAL_POLICIES])}, or package.module:Class",
        )
    found = imported(name, "policy")
    if not isinstance(found, type) or not issubclass(found, SelectionPolicy):
        raise InvalidArgumentError(
            f"policy {name!r} is no class derived from SelectionPolicy",
            hint="see docs/policies.md for one of twenty lines",
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise InvalidArgumentError(f"policy {name!r} does not define {missing}")
    # State and messages carry the name that the policy was registered by, whatever its class says.
    named: type[SelectionPolicy] = type(found.__name__, (found,), {"name": name, "__module__": found.__module__})
    return named


def is_policy_name(name: str) -> bool:
    """Whether a policy that comes with Clipper has this name."""
    return name in POLICIES or name in OPTIONAL_POLICIES
