"""Selection plans: what a policy decided, in a form that the core can draw from without Python."""

from collections.abc import Callable, Sequence
from typing import Literal, final

from clipper._core.model_runtime import ModelRuntime

MAX_MEMBERS: int
MAX_FEATURES: int
"""Values that a query may have to be selected by."""
MAX_THRESHOLD: float
"""Above every confidence: the next stage is asked in any case."""

_Select = Callable[[bytes, int], tuple[Sequence[int], Sequence[float]]]
"""(rows, count) -> (arms, propensities): `rows` holds `count` rows of equally many doubles, one a query; an arm is an
index into the plan's models, its propensity the probability above 0 with which it was chosen."""

def context_word(context: str) -> int:
    """What a sticky plan draws a context's arm with, in place of a random number; see `clipper.selection.sticky`."""

@final
class Plan:
    """Which models a query asks, and how one answer is made of their outputs. Immutable.

    Parameters
    ----------
    kind : {"arms", "members", "cascade", "features"}
        Draw one model per query; ask all of them; ask one after the other until one is sure enough; or let a function
        choose one by the query's own numbers.
    models : sequence of ModelRuntime
        1 to `MAX_MEMBERS`, in the order in which they were linked; of a cascade the cheapest first. Members and stages
        are distinct.
    probabilities : sequence of float, optional
        Of the arms; they sum to 1. None = uniform.
    rule : {"majority", "mean", "weighted"}
        How the members' outputs become one.
    weights : sequence of float, optional
        Of the members, finite, not all 0: for ``weighted``, which needs them, and for ``mean``.
    thresholds : sequence of float
        Of a cascade, one for each stage but the last: the confidence below which the next stage is asked.
    observe_all_ratio : float
        Share of queries whose members are all evaluated although the answer does not wait for them.
    min_confidence : float
        An answer with less confidence is replaced by the default output.
    shadows : sequence of ModelRuntime
        Models that see the queries and never answer.
    waits_for_all : bool
        Whether a query waits for its last member, up to the deadline, even when it can change nothing any more.
    plan_id : int
        Grows with every plan that is made for an application; 0 = none was: it follows from the configuration.
    select : callable (bytes, int) -> (sequence of int, sequence of float)
        Of features.
    sticky : bool
        Of arms: queries with equal contexts draw the same arm; those without one draw afresh.

    Raises
    ------
    ValueError
        If the parts do not fit together.
    """

    plan_id: int
    kind: str
    models: tuple[ModelRuntime, ...]
    shadows: tuple[ModelRuntime, ...]
    members_label: bytes
    select: _Select | None
    observe_all_ratio: float
    is_sticky: bool

    def __init__(
        self,
        kind: Literal["arms", "members", "cascade", "features"],
        models: Sequence[ModelRuntime],
        *,
        probabilities: Sequence[float] | None = None,
        rule: str = "majority",
        weights: Sequence[float] | None = None,
        thresholds: Sequence[float] | None = None,
        observe_all_ratio: float = 1.0,
        min_confidence: float = 0.0,
        shadows: Sequence[ModelRuntime] = (),
        waits_for_all: bool = False,
        plan_id: int = 0,
        select: _Select | None = None,
        sticky: bool = False,
    ) -> None: ...
    @property
    def min_confidence(self) -> float:
        """Outputs with less confidence are not given."""

    def draw_arm(self, random: int) -> tuple[int, float]:
        """The arm and its propensity for a uniform random integer in [0, 2**64)."""
