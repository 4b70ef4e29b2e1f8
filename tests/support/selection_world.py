"""Observations for tests of policies, and policies that break one rule each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clipper.selection import ArmOutcome, Observation

ARMS = ("a:1", "b:1", "c:1")


def judged(
    losses: Mapping[str, float],
    propensity: float = 1.0,
    *,
    features: Sequence[float] | npt.NDArray[np.float64] | None = None,
    outputs: Mapping[str, object] | None = None,
    shown: str | None = None,
    kind: str = "arms",
) -> Observation:
    """Return an observation of arms with these losses; without ``shown`` all of them were."""
    outcomes = tuple(
        ArmOutcome(arm, propensity, shown is None or arm == shown, (outputs or {}).get(arm, "an output"))
        for arm in losses
    )
    row = None if features is None else np.asarray(features, dtype=np.float64)
    return Observation(1, 1_000_000, None, 1, kind, outcomes, label="a label", features=row, losses=dict(losses))
