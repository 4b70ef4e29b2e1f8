"""A policy that keeps some numbers for each arm: all book-keeping, and two methods to fill in.

A policy of one's own derives from `ArmPolicy`, declares its numbers in ``per_arm``, and writes `ArmPolicy.learn` and
`ArmPolicy.probabilities`; docs/policies.md has one of twenty lines.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from clipper.errors import InvalidArgumentError, StateError
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import ArmSummary, SelectionPolicy, State

# What summaries show is an average over about 1 / (1 - this) observations of an arm, whatever the policy forgets.
SUMMARY_DISCOUNT: Final = 0.999
_Z95: Final = 1.959964
_OF_SUMMARY: Final[Mapping[str, float]] = {"pulls": 0, "weight": 0.0, "reward": 0.0}

FLOOR: Final = Parameter("number", 0.01, "least probability of each model; 1 / models where that is less", 0.0, 1.0)
CONTEXT_STRENGTH: Final = Parameter(
    "number", 5.0, "observations that the population's record counts for in a new context", 0.0, 1e6
)


class Known(NamedTuple):
    """What an observation says of one arm."""

    place: int
    """Into the state's "arms"."""
    loss: float
    """In [0, 1]."""
    propensity: float
    """In (0, 1]: how probable it was that this becomes known."""


class ArmPolicy(SelectionPolicy):
    """Base of policies whose state is a list of numbers per field, one number an arm."""

    per_arm: ClassVar[Mapping[str, float]] = {}
    """Field of the state -> its value for an arm of which nothing is known."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        taken = sorted(set(cls.per_arm) & {*_OF_SUMMARY, "policy", "version", "arms", "observations"})
        if taken:
            raise InvalidArgumentError(f"per_arm of {cls.__name__} has {taken}, which the book-keeping uses itself")

    @abstractmethod
    def probabilities(self, state: State) -> Sequence[float]:
        """Return a number from 0 for each arm, not all 0; `plan` scales them and mixes in the parameter "floor"."""

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        """Change the state by the arms whose losses are known; there is at least one."""

    def init(self, arms: Sequence[str], *, population: State | None = None) -> State:
        state = self._empty(arms)
        if population is not None:
            for field in self.per_arm:
                self._carry_over(population, state, field)
            self.weaken(state)
        return state

    def weaken(self, state: State) -> None:
        """Make what a new context takes over from the population count for less than its own observations."""

    def _empty(self, arms: Sequence[str]) -> State:
        if len(set(arms)) != len(arms):
            raise InvalidArgumentError(f"arms {list(arms)!r} are not all different")
        state: State = {"policy": self.name, "version": self.version, "arms": list(arms), "observations": 0}
        for field, value in {**_OF_SUMMARY, **self.per_arm}.items():
            state[field] = [value] * len(arms)
        return state

    def plan(self, state: State, now_us: int) -> PlanSpec:
        return PlanSpec("arms", self._arms(state), probabilities=self.shares(state))

    def shares(self, state: State) -> tuple[float, ...]:
        """Return the probability of each arm, with the floor in it; their sum is 1."""
        return with_floor(self.probabilities(state), self.values.get("floor", 0.0))

    def _arms(self, state: State) -> tuple[str, ...]:
        if not state["arms"]:
            raise InvalidArgumentError(f"policy {self.name!r} has nothing to choose from: no model is linked")
        return tuple(state["arms"])

    @property
    def explores(self) -> bool:
        return bool(self.values.get("floor", 0.0) > 0.0)

    def observe(self, state: State, observation: Observation) -> State:
        arms, losses = state["arms"], observation.losses
        known = []
        for outcome in observation.arms:
            loss = losses.get(outcome.arm)
            if loss is not None and outcome.arm in arms:
                index = arms.index(outcome.arm)
                known.append(Known(index, loss, outcome.propensity))
                state["pulls"][index] += 1
                state["weight"][index] = state["weight"][index] * SUMMARY_DISCOUNT + 1.0
                state["reward"][index] = state["reward"][index] * SUMMARY_DISCOUNT + 1.0 - loss
        if known:
            state["observations"] += 1
            self.learn(state, known, observation)
        return state

    def change_arms(self, state: State, arms: Sequence[str]) -> State:
        changed = {**state, **self._empty(arms), "observations": state["observations"]}
        for field in (*_OF_SUMMARY, *self.per_arm):
            self._carry_over(state, changed, field)
        return changed

    def _carry_over(self, old: State, new: State, field: str) -> None:
        """Fill a field of the new state from the old one, arm by arm; a new arm gets what `newcomer` says."""
        known = dict(zip(old["arms"], old[field], strict=True))
        staying = [known[arm] for arm in new["arms"] if arm in known]
        for index, arm in enumerate(new["arms"]):
            if arm in known:
                new[field][index] = known[arm]
            elif staying and field in self.per_arm:
                new[field][index] = self.newcomer(field, staying)

    def newcomer(self, field: str, staying: Sequence[float]) -> float:
        """Return the value of a field for a new arm, from those of the arms that stay: their average."""
        return math.fsum(staying) / len(staying)

    def summary(self, state: State) -> list[ArmSummary]:
        if not state["arms"]:
            return []
        rows = zip(state["arms"], self.shares(state), state["pulls"], state["weight"], state["reward"], strict=True)
        return [summary_of(arm, share, pulls, weight, reward) for arm, share, pulls, weight, reward in rows]

    def check_state(self, state: State) -> None:
        super().check_state(state)
        if type(state.get("observations")) is not int:
            raise StateError(f"the state of policy {self.name!r} is damaged: observations is no integer")
        for field in (*_OF_SUMMARY, *self.per_arm):
            values = state.get(field)
            if not isinstance(values, list) or len(values) != len(state["arms"]) or not all(map(_is_finite, values)):
                raise StateError(
                    f"the state of policy {self.name!r} is damaged: {field} is not one finite number for each arm"
                )


def with_floor(weights: Sequence[float], floor: float) -> tuple[float, ...]:
    """Return weights as probabilities, each at least ``floor`` (or uniform, where so many floors exceed 1).

    Raises
    ------
    InvalidArgumentError
        If a weight is negative or not finite, or if all are 0.
    """
    count = len(weights)
    total = math.fsum(weights) if all(weight >= 0.0 for weight in weights) else -1.0
    if not 0.0 < total < math.inf:
        raise InvalidArgumentError(f"probabilities {list(weights)!r}; expected finite numbers from 0, not all 0")
    floor = min(floor, 1.0 / count)
    rest = 1.0 - floor * count
    shares = [floor + rest * (weight / total) for weight in weights]
    whole = math.fsum(shares)
    return tuple(share / whole for share in shares)


def summary_of(arm: str, share: float, pulls: int, weight: float, reward: float) -> ArmSummary:
    """Return an arm's summary from its discounted sums, with the 95% interval of Wilson (1927)."""
    if weight <= 0.0:
        return ArmSummary(arm, share, pulls, None, None, None)
    mean = min(1.0, max(0.0, reward / weight))
    spread = _Z95 * _Z95 / weight
    middle = (mean + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (mean * (1 - mean) + spread / 4)) / (1 + spread)
    return ArmSummary(arm, share, pulls, mean, max(0.0, min(mean, middle - half)), min(1.0, max(mean, middle + half)))


def find_arm(arms: Sequence[str], model: str) -> int | None:
    """Return the index of the arm that a parameter names by "NAME" or "NAME:VERSION"; None if it is not linked."""
    for index, arm in enumerate(arms):
        if arm == model or arm.partition(":")[0] == model:
            return index
    return None


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
