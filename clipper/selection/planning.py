"""From a policy's state to a plan that can be carried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipper.errors import InvalidArgumentError
from clipper.selection.plan_spec import PlanSpec
from clipper.selection.policy import SelectionPolicy
from clipper.selection.state_cell import PolicyFailedError, StateCell


def plan_of(
    policy: SelectionPolicy, cell: StateCell, arms: Sequence[str], shadows: Sequence[str], now_us: int
) -> PlanSpec:
    """Return the policy's plan for a state, with the application's shadows, and without an id.

    Raises
    ------
    PolicyFailedError
        The policy raised, or plans something that cannot be: what is in force stays.
    """
    try:
        spec = policy.plan(cell.state, now_us)
        if not isinstance(spec, PlanSpec):
            raise TypeError(f"plan() returned {type(spec).__name__}, not a PlanSpec")
        unknown = sorted({*spec.models, *spec.shadows} - {*arms, *shadows})
        if unknown:
            raise InvalidArgumentError(f"the plan names {', '.join(unknown)}, which is not linked")
        looking_on = tuple(one for one in shadows if one not in spec.models and one not in spec.shadows)
        is_as_published = not looking_on and spec.plan_id == 0
        return spec if is_as_published else replace(spec, shadows=spec.shadows + looking_on, plan_id=0)
    except Exception as error:
        raise PolicyFailedError("plan", error) from error


def uniform_plan(arms: Sequence[str], shadows: Sequence[str]) -> PlanSpec | None:
    """Return what is in force where no policy has ever planned; None if nothing is linked."""
    if not arms:
        return None
    looking_on = tuple(one for one in shadows if one not in arms)
    return PlanSpec("arms", tuple(arms), probabilities=(1.0 / len(arms),) * len(arms), shadows=looking_on)


def plan_in_force(
    planned: PlanSpec | None, before: PlanSpec | None, arms: Sequence[str], shadows: Sequence[str]
) -> PlanSpec | None:
    """Return the plan to carry out: what was planned, else the last good one, unless that names what is gone.

    Parameters
    ----------
    planned : PlanSpec, optional
        None: the policy has failed.
    before : PlanSpec, optional
        What was in force until now.
    """
    if not arms:
        return None
    if planned is not None:
        return planned
    if before is not None and {*before.models, *before.shadows} <= {*arms, *shadows}:
        return before
    return uniform_plan(arms, shadows)
