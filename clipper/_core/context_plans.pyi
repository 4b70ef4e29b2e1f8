"""The plans of single contexts (a user, a session), in a bounded table."""

from typing import final

from clipper._core.model_runtime import ModelRuntime
from clipper._core.plan import Plan

DEFAULT_MAX_CONTEXTS: int

@final
class ContextPlans:
    """Plan by context. Who has not asked for the longest time makes room for a new one; what it had, the learner knows.

    Parameters
    ----------
    max_contexts : int
        More are not kept; 0 = none is.
    """

    max_contexts: int

    def __new__(cls, max_contexts: int = ...) -> ContextPlans: ...
    def put(self, context: str, plan: Plan | None) -> None:
        """Set the plan of a context; None forgets it."""

    def get(self, context: str) -> Plan | None:
        """The plan of a context, which counts as asked for."""

    def keep_only(self, arms: set[ModelRuntime], shadows: set[ModelRuntime]) -> int:
        """Forget the plans with another model than these, or another shadow than those; return how many."""

    def resize(self, max_contexts: int) -> None:
        """Change the bound; what is too much goes at once."""

    def __len__(self) -> int: ...
    @property
    def evictions(self) -> int:
        """Plans that had to make room."""
