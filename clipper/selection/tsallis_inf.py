"""Online mirror descent with Tsallis entropy of power 1/2: good in worlds at rest and in hostile ones, unasked.

Zimmert and Seldin, "Tsallis-INF: an optimal algorithm for stochastic and adversarial bandits", JMLR 22(28), 2021, with
the reduced-variance estimates of its section 3 and eta = 4 / sqrt(t).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known
from clipper.selection.exp3 import EXP3_FLOOR
from clipper.selection.exponential_weights import bound, from_zero
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.policy import State

_MOST_STEPS: Final = 64
_CLOSE_ENOUGH: Final = 1e-12


class TsallisInf(ArmPolicy):
    """Has nothing to tune; its learning rate falls, so in a world that changes it needs a ``memory``."""

    name = "tsallis_inf"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "memory": Parameter(
            "integer", None, "observations after which older ones are forgotten; null: never", 1, 10**12
        ),
        "floor": EXP3_FLOOR,
        "context_strength": CONTEXT_STRENGTH,
    }
    per_arm: ClassVar[Mapping[str, float]] = {"loss_sum": 0.0}
    memory: int | None
    floor: float
    context_strength: float

    def eta_at(self, state: State) -> float:
        """Return the learning rate, 4 / sqrt(t); with a memory t stays at it."""
        rounds = max(1, state["observations"])
        return 4.0 / math.sqrt(rounds if self.memory is None else min(rounds, self.memory))

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        sums, eta = state["loss_sum"], self.eta_at(state)
        if self.memory is not None:
            sums[:] = [each * (1.0 - 1.0 / self.memory) for each in sums]
        # Half the loss range is taken as known of every arm that is likely enough, the rest is importance-weighted.
        guesses = [0.5 if weight >= eta * eta else 0.0 for weight in tsallis_weights(sums, eta)]
        sums[:] = [each + guess for each, guess in zip(sums, guesses, strict=True)]
        for place, loss, propensity in known:
            sums[place] += (loss - guesses[place]) / propensity
        from_zero(sums)

    def probabilities(self, state: State) -> Sequence[float]:
        return tsallis_weights(state["loss_sum"], self.eta_at(state))

    def weaken(self, state: State) -> None:
        if state["arms"]:
            from_zero(state["loss_sum"])
            bound(state["loss_sum"], self.context_strength)


def tsallis_weights(sums: Sequence[float], eta: float) -> list[float]:
    """Return the weights 4 / (eta * (sum - x))**2 whose x makes them add up to 1; Newton's method of the paper.

    The total rises with x and is convex below the least sum, so from a start right of the root every step stays right
    of it.
    """
    least = min(sums)
    gaps = [each - least for each in sums]
    x = -2.0 / eta  # here the best arm alone has weight 1, so the total is at least 1 and x only falls
    for _ in range(_MOST_STEPS):
        roots = [2.0 / (eta * (gap - x)) for gap in gaps]
        excess = math.fsum(root * root for root in roots) - 1.0
        if excess <= _CLOSE_ENOUGH:
            break
        x -= excess / (eta * math.fsum(root * root * root for root in roots))
    weights = [root * root for root in roots]
    total = math.fsum(weights)
    return [weight / total for weight in weights]
