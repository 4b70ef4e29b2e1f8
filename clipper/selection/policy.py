"""The interface of every selection policy (paper section 5): a stateless object over state that is plain JSON.

Paper and this differ in one thing: `plan` takes the place of select and combine. It is called when something was
learned, not for each query; the core draws from the plan, so a query costs no Python, and the propensity that is
logged is exact by construction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from clipper.errors import InternalError, InvalidArgumentError, StateError
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter, check_parameters
from clipper.selection.plan_spec import PlanSpec

State: TypeAlias = dict[str, Any]
"""What a policy has learned: a JSON object with at least "policy" (its name), "version" and "arms"."""

Choices: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""(index of the chosen arm, its propensity), both of shape (n,)."""


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """What is believed of one arm.

    Parameters
    ----------
    arm : str
    share : float
        Its probability, or its weight in the vote; of a cascade the part of judged queries that it answered.
    pulls : int
        Observations in which its loss was known.
    mean_reward : float or None
        1 - its loss, on average over about the last 1,000 of them; None before the first.
    interval_low, interval_high : float or None
        95% interval of that mean.
    """

    arm: str
    share: float
    pulls: int
    mean_reward: float | None
    interval_low: float | None
    interval_high: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


class SelectionPolicy(ABC):
    """Decides which models answer, from what became known about past answers.

    An object of a subclass holds parameters and nothing else; what it learns is in the state that the caller keeps.
    All methods are deterministic: same state and arguments, same result. `ArmPolicy` is the shorter way to a policy
    of one's own: it does the book-keeping of arms.

    Parameters
    ----------
    **given
        Values for some of `parameters`; they become attributes, and cannot be changed.

    Raises
    ------
    InvalidArgumentError
        For an unknown parameter or a value that is not accepted.
    """

    name: ClassVar[str]
    """As in ``policy={"name": ...}``; for a class registered by import path that path is used instead."""
    version: ClassVar[int] = 1
    """Of the state; a change of its form takes the next number and a step in `upgrades`."""
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    learns: ClassVar[bool] = True
    """Whether feedback changes its plans."""
    needs_features: ClassVar[bool] = False
    """Whether its plans are of kind "features", and `select` decides."""
    upgrades: ClassVar[Mapping[int, Callable[[State], State]]] = {}
    """Version -> the function that makes a state of the next version of one of this."""

    def __init__(self, **given: Any) -> None:
        values = check_parameters(self.name, self.parameters, given)
        object.__setattr__(self, "_values", values)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self.check()

    def __setattr__(self, name: str, value: object) -> None:
        raise InternalError(f"{type(self).__name__}.{name} is set: a policy keeps nothing but its parameters")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{type(self).__name__}({shown})"

    @property
    def values(self) -> Mapping[str, Any]:
        """The parameters with their values."""
        values: Mapping[str, Any] = self.__dict__["_values"]
        return values

    def check(self) -> None:  # noqa: B027 - most need nothing
        """Refuse parameters that are valid each, and not together; called by the constructor."""

    @property
    def explores(self) -> bool:
        """Whether every linked model is promised a probability above 0, so that logs can be evaluated."""
        return False

    @property
    def order_free(self) -> bool:
        """Whether the plan is promised to be the same in whatever order observations are folded."""
        return False

    @abstractmethod
    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        """Return the state before the first observation.

        Parameters
        ----------
        arms : sequence of str
            "NAME:VERSION" of the current version of each linked model, in link order.
        population : dict, optional
            The application's state: a context that is new starts from it, not from nothing. It is not changed.
        """

    @abstractmethod
    def plan(self, state: State, now_us: int) -> PlanSpec:
        """Return how queries are to be answered until the next plan; the state is not changed."""

    @abstractmethod
    def observe(self, state: State, observation: Observation) -> State:
        """Return the state after an observation.

        The given dict may be changed and returned: nobody looks at the old state again. Arms that the state does not
        know (their model was unlinked meanwhile) are passed over.
        """

    @abstractmethod
    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        """Return the state for other arms: new ones enter as an average one, those that are gone are forgotten."""

    @abstractmethod
    def summary(self, state: State) -> list[ArmSummary]:
        """Return what is believed of each arm, in link order."""

    def select(
        self, parameters: Mapping[str, Any], features: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> Choices:
        """Choose a model for each of the queries that wait; only where `needs_features`.

        Parameters
        ----------
        parameters : mapping
            Those of the plan in force.
        features : ndarray, shape (n, d), float64
        rng : Generator
            The only source of chance.

        Returns
        -------
        arms : ndarray, shape (n,), int64
            Indices into the plan's models.
        propensities : ndarray, shape (n,), float64
            Of the chosen ones.
        """
        raise InvalidArgumentError(f"policy {self.name!r} does not select by features")

    def upgrade(self, state: object) -> State:
        """Return a stored state in its present form.

        Raises
        ------
        StateError
            If it is of another policy, from a later version, from one that is too old, or damaged. The caller starts
            anew from `init`, and says so.
        """
        if not isinstance(state, dict):
            raise StateError(f"the state of policy {self.name!r} is no object but {type(state).__name__}")
        if state.get("policy") != self.name:
            raise StateError(f"this is the state of policy {state.get('policy')!r}, not of {self.name!r}")
        found = state.get("version")
        if type(found) is not int or found > self.version:
            raise StateError(
                f"the state of policy {self.name!r} has version {found!r}; this Clipper reads up to {self.version}",
                hint="it was written by a later one",
            )
        while found < self.version:
            step = self.upgrades.get(found)
            if step is None:
                raise StateError(f"the state of policy {self.name!r} has version {found}, which is no longer read")
            state = {**step(state), "version": found + 1}
            found += 1
        self.check_state(state)
        return state

    def check_state(self, state: State) -> None:
        """Raise `StateError` unless a state of the present version is whole."""
        arms = state.get("arms")
        if not isinstance(arms, list) or not all(isinstance(arm, str) for arm in arms) or len(set(arms)) != len(arms):
            raise StateError(f"the state of policy {self.name!r} is damaged: arms is {arms!r}")
