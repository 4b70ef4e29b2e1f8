from typing import final

MAX_UNFILED: int

@final
class DecisionStream:
    """What one application wants to have of its decisions; it outlives the snapshots that the application appears in.

    Parameters
    ----------
    name : str
        Of the application.
    ttl_us : int
        How long a decision waits for feedback.
    is_filed : bool
        Whether `DecisionLog.take_lines` gives every decision.
    sample_size : int
        Decisions in the uniform sample that `DecisionLog.take_sample` gives; 0 = none.
    policy : bytes
        JSON: the name of the policy in force.
    """

    name: str
    uid: int
    ttl_us: int
    policy: bytes
    is_filed: bool
    sample_size: int
    recorded: int

    def __init__(
        self, name: str, *, ttl_us: int, is_filed: bool = False, sample_size: int = 0, policy: bytes = b"null"
    ) -> None: ...
