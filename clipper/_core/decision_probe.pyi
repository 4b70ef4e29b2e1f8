from collections.abc import Sequence

from clipper._core.decision_log import DecisionLog
from clipper._core.decision_stream import DecisionStream
from clipper._core.plan import Plan

def record(
    log: DecisionLog,
    stream: DecisionStream,
    plan: Plan,
    query_id: int,
    *,
    outputs: Sequence[bytes | None],
    shadows: Sequence[bytes | None] = (),
    first_arm: int = 0,
    propensity: float = 1.0,
    shown: int = 0,
    context: bytes | None = None,
    features: Sequence[float] = (),
    is_answered: bool = True,
    now_us: int,
) -> None:
    """Record a query that has just been answered, as the gather step does.

    Parameters
    ----------
    outputs, shadows : sequence of bytes or None
        What the members and the shadows said; None: nothing yet.
    """
