"""Selection plans: what a policy decided, in a form that the core can draw from without Python."""

from collections.abc import Sequence
from typing import Literal, final

from clipper._core.model_runtime import ModelRuntime

MAX_MEMBERS: int

@final
class Plan:
    """One arm drawn by probability, or every member combined by a rule. Immutable.

    Parameters
    ----------
    kind : {"arms", "members"}
        Draw one model per query, or ask all of them.
    models : sequence of ModelRuntime
        1 to `MAX_MEMBERS`, in the order in which they were linked; members are distinct.
    probabilities : sequence of float, optional
        Of the arms; they sum to 1. None = uniform.
    rule : {"majority", "mean"}
        How the members' outputs become one.
    waits_for_all : bool
        Whether a query waits for its last member, up to the deadline, even when it can change nothing any more.

    Raises
    ------
    ValueError
        If the parts do not fit together.
    """

    models: tuple[ModelRuntime, ...]
    kind: str
    members_label: bytes

    def __init__(
        self,
        kind: Literal["arms", "members"],
        models: Sequence[ModelRuntime],
        *,
        probabilities: Sequence[float] | None = None,
        rule: str = "majority",
        waits_for_all: bool = False,
    ) -> None: ...
    def draw_arm(self, random: int) -> tuple[int, float]:
        """The arm and its propensity for a uniform random integer in [0, 2**64)."""
