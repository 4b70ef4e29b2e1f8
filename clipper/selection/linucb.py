"""The model with the highest upper confidence bound for this very query.

Li, Chu, Langford and Schapire, "A contextual-bandit approach to personalized news article recommendation", WWW 2010,
algorithm 1 (a separate regression for each arm).
"""

from __future__ import annotations

import numpy as np

from clipper.selection.linear_policy import Floats, LinearPolicy


class LinUcb(LinearPolicy):
    """Optimistic; of several arms with the same bound the first linked."""

    name = "linucb"

    def row_probabilities(self, means: Floats, errors: Floats, exploration: float) -> Floats:
        best = np.argmax(means + exploration * errors, axis=1)
        shares: Floats = np.zeros_like(means)
        shares[np.arange(len(best)), best] = 1.0
        return shares
