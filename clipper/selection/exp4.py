"""The ensemble policy of the paper: a weighted average whose weights fall exponentially with each model's own loss.

Auer et al., SIAM J. Comput. 32(1), 2002, section 7; Crankshaw et al., NSDI 2017, section 5.2. Every model's loss is
known there, so it is Hedge: the original's code divided by a probability although nothing was drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from clipper.selection.arm_policy import CONTEXT_STRENGTH
from clipper.selection.ensemble import ANSWER_WHEN_DECIDED, MIN_CONFIDENCE, OBSERVE_ALL_RATIO
from clipper.selection.exp3 import SHARE
from clipper.selection.hedge import RULE, Hedge
from clipper.selection.parameters import Parameter


class Exp4(Hedge):
    """`Hedge` as in the paper: a smaller eta, and nothing is shared, so a model that has failed for long is lost."""

    name = "exp4"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "eta": Parameter("number", 0.1, "learning rate: a loss of 1 multiplies a weight by exp(-eta)", 1e-6, 10.0),
        "share": SHARE,
        "rule": RULE,
        "answer_when_decided": ANSWER_WHEN_DECIDED,
        "observe_all_ratio": OBSERVE_ALL_RATIO,
        "min_confidence": MIN_CONFIDENCE,
        "context_strength": CONTEXT_STRENGTH,
    }
