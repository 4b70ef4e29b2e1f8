"""Always the same model.

No paper: this is what every deployment does until it learns, and what the others are measured against (Crankshaw et
al., NSDI 2017, figure 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from clipper.selection.arm_policy import ArmPolicy, find_arm
from clipper.selection.parameters import Parameter
from clipper.selection.policy import State


class Static(ArmPolicy):
    """Asks one model; the others are linked, and wait."""

    name = "static"
    learns = False
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "model": Parameter("text", None, "the model that answers; null, or one not linked: the first linked")
    }
    model: str | None

    @property
    def order_free(self) -> bool:
        return True

    def probabilities(self, state: State) -> Sequence[float]:
        chosen = 0 if self.model is None else find_arm(state["arms"], self.model) or 0
        return [1.0 if index == chosen else 0.0 for index in range(len(state["arms"]))]
