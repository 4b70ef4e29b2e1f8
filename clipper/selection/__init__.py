"""Which models answer: policies, what they plan, and what they learn from (paper section 5).

Pure Python over plain state: nothing here knows a loop, a socket or a store. `clipper.management` folds observations
and publishes plans, the core carries them out.
"""

from clipper.selection.arm_policy import ArmPolicy, Known
from clipper.selection.losses import make_loss
from clipper.selection.observation import ABSENT, ArmOutcome, Loss, Observation
from clipper.selection.parameters import Parameter
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import ArmSummary, SelectionPolicy, State
from clipper.selection.registry import POLICIES, make_policy

__all__ = [
    "ABSENT",
    "POLICIES",
    "ArmOutcome",
    "ArmPolicy",
    "ArmSummary",
    "Known",
    "Loss",
    "Observation",
    "Parameter",
    "PlanSpec",
    "SelectionPolicy",
    "State",
    "make_loss",
    "make_policy",
]
