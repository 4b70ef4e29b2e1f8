"""What an application asked for, in the form that the data path reads."""

from collections.abc import Sequence
from typing import Any, final

from clipper._core.context_plans import ContextPlans
from clipper._core.decision_stream import DecisionStream
from clipper._core.plan import Plan

@final
class ApplicationStats:
    """Figures of one application; they outlive the snapshots that it appears in."""

    name: str
    bad_requests: int

    def __init__(self, name: str) -> None: ...
    def figures(self) -> dict[str, Any]:
        """Every counter and histogram of this application, as plain values."""

    def take_suppressed(self, now_us: int) -> dict[str, int]:
        """How many misses went unlogged, by reason, of seconds that are over; they are told once."""

@final
class Application:
    """One application of a routing snapshot. Only its plans change between two snapshots.

    Parameters
    ----------
    slo_us : int
        Answers are due this long after a query's arrival.
    default_output : bytes
        JSON text that stands for a missing answer.
    plan : Plan or None
        Which models a query asks; None = no model is linked.
    version_plans : dict of str to Plan, or None
        Plans for queries that name a version; None = several models are linked, so that a version is ambiguous.
    max_slo_us : int
        Ceiling of a query's own ``slo_us``; 0 = slo_us.
    on_miss : {"default", "error"}
        Whether a query that no model answered gets the default output or an HTTP error.
    cache_ttl_us : int
        How long a cached output may be served; 0 = until it is evicted.
    learns : bool
        Whether what its queries were told is kept for feedback.
    contexts : ContextPlans, optional
        The plans of queries that name a context. Handed on from one snapshot's object to the next one's.
    decisions : DecisionStream, optional
        What is wanted of its decisions; outlives snapshots. Without it nothing is remembered.
    arms_plan : Plan, optional
        Asks every model that an answer could come from: for feedback by input.
    feedback_deadline_us : int
        How long feedback by input waits for their outputs.
    """

    name: str
    slo_us: int
    max_slo_us: int
    default_output: bytes
    plan: Plan | None
    version_plans: dict[str, Plan] | None
    linked_models: tuple[str, ...]
    stats: ApplicationStats
    learns: bool
    contexts: ContextPlans | None
    decisions: DecisionStream | None
    arms_plan: Plan | None
    feedback_deadline_us: int

    def __init__(
        self,
        name: str,
        *,
        input_type: str,
        slo_us: int,
        default_output: bytes,
        stats: ApplicationStats,
        plan: Plan | None = None,
        version_plans: dict[str, Plan] | None = None,
        linked_models: tuple[str, ...] = (),
        dtype: str | None = None,
        shape: Sequence[int] | None = None,
        max_slo_us: int = 0,
        on_miss: str = "default",
        use_cache: bool = True,
        cache_ttl_us: int = 0,
        max_items: int = 4096,
        learns: bool = False,
        contexts: ContextPlans | None = None,
        decisions: DecisionStream | None = None,
        arms_plan: Plan | None = None,
        feedback_deadline_us: int = 1_000_000,
    ) -> None: ...
    def set_plan(self, plan: Plan) -> None:
        """From the next query on this is the plan; those that are on their way keep theirs."""

    def set_context_plan(self, context: str, plan: Plan | None) -> None:
        """Set the plan of the queries that name a context; None: they have the application's again.

        Raises
        ------
        ValueError
            The application has no plans by context.
        """
