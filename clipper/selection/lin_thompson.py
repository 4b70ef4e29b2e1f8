"""Each model as often as it is probably the best for this very query.

Agrawal and Goyal, "Thompson sampling for contextual bandits with linear payoffs", ICML 2013; the probability is
computed and then drawn from, so that it is known and can be logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from clipper.selection.best_arm import best_of_normal_rows
from clipper.selection.linear_policy import Floats, LinearPolicy
from clipper.selection.parameters import Parameter


class LinThompson(LinearPolicy):
    """Randomised: its logs can be evaluated without a large floor."""

    name = "lin_thompson"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        **LinearPolicy.parameters,
        "exploration": Parameter("number", 0.5, "standard deviation of one reward", 0.0, 100.0),
    }

    def row_probabilities(self, means: Floats, errors: Floats, exploration: float) -> Floats:
        return best_of_normal_rows(means, errors * exploration + 1e-9)
