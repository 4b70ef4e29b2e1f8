"""Exponential weights on importance-weighted losses; the single-model policy of the paper.

Auer, Cesa-Bianchi, Freund and Schapire, "The nonstochastic multiarmed bandit problem", SIAM J. Comput. 32(1), 2002:
Exp3, and Exp3.S with ``share`` above 0. Used for one model at a time in Crankshaw et al., NSDI 2017, section 5.1, with
a constant eta and without mixing in exploration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from clipper.selection.arm_policy import CONTEXT_STRENGTH, ArmPolicy, Known
from clipper.selection.exponential_weights import bound, from_zero, share, weights_of
from clipper.selection.observation import Observation
from clipper.selection.parameters import Parameter
from clipper.selection.policy import State

ETA = Parameter(
    "number",
    0.05,
    "learning rate; null: it falls with time as theory wants for a world at rest",
    1e-6,
    10,
    may_be_none=True,
)
SHARE = Parameter("number", 0.0, "part of each weight given to all after an observation; above 0 it forgets", 0.0, 0.5)
EXP3_FLOOR = Parameter("number", 0.001, "least probability of each model; 1 / models where that is less", 0.0, 1.0)


class Exp3(ArmPolicy):
    """Assumes nothing about losses, and pays for it with variance: rarely drawn models have large steps."""

    name = "exp3"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "eta": ETA,
        "share": SHARE,
        "floor": EXP3_FLOOR,
        "context_strength": CONTEXT_STRENGTH,
    }
    per_arm: ClassVar[Mapping[str, float]] = {"loss_sum": 0.0}
    eta: float | None
    share: float
    floor: float
    context_strength: float

    @property
    def order_free(self) -> bool:
        return self.share == 0.0

    def eta_at(self, state: State) -> float:
        """Return the learning rate: the parameter, or sqrt(2 ln K / (K t)) after t observations of K arms."""
        if self.eta is not None:
            return self.eta
        count = max(2, len(state["arms"]))
        return math.sqrt(2.0 * math.log(count) / (count * max(1, state["observations"])))

    def estimate(self, state: State, one: Known) -> float:
        """Return the unbiased estimate of a loss that was seen with a probability."""
        return one.loss / one.propensity

    def learn(self, state: State, known: Sequence[Known], observation: Observation) -> None:
        sums = state["loss_sum"]
        for one in known:
            sums[one.place] += self.estimate(state, one)
        if self.share > 0.0:
            share(sums, self.eta_at(state), self.share)
        from_zero(sums)

    def probabilities(self, state: State) -> Sequence[float]:
        return weights_of(state["loss_sum"], self.eta_at(state))

    def weaken(self, state: State) -> None:
        if state["arms"]:
            bound(state["loss_sum"], self.context_strength)
            from_zero(state["loss_sum"])

    def newcomer(self, field: str, staying: Sequence[float]) -> float:
        # The sum of losses whose weight is the average of the others' weights, not the average of their sums.
        eta = self.eta or 1.0
        least = min(staying)
        mean = math.fsum(math.exp(-min(700.0, eta * (each - least))) for each in staying) / len(staying)
        return least - math.log(mean) / eta
