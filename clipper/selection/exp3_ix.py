"""Exp3 with implicit exploration: a little bias in the estimates, much less variance.

Neu, "Explore no more: improved high-probability regret bounds for non-stochastic bandits", NIPS 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from clipper.selection.arm_policy import CONTEXT_STRENGTH, Known
from clipper.selection.exp3 import ETA, EXP3_FLOOR, Exp3
from clipper.selection.parameters import Parameter
from clipper.selection.policy import State


class Exp3IX(Exp3):
    """Divides a loss by p + gamma instead of p, so no step is longer than eta / gamma."""

    name = "exp3_ix"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "eta": ETA,
        "gamma": Parameter("number", None, "added to propensities; null: half of eta", 0.0, 1.0),
        "share": Parameter("number", 1e-4, "part of each weight given to all after an observation", 0.0, 0.5),
        "floor": EXP3_FLOOR,
        "context_strength": CONTEXT_STRENGTH,
    }
    gamma: float | None

    @property
    def order_free(self) -> bool:
        # A gamma that follows a falling eta depends on when an observation came.
        return super().order_free and (self.gamma is not None or self.eta is not None)

    def estimate(self, state: State, one: Known) -> float:
        gamma = self.eta_at(state) / 2.0 if self.gamma is None else self.gamma
        return one.loss / (one.propensity + gamma)
