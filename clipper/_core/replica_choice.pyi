"""Which replica should have the next batch? The one that is predicted to be done first, idle or not."""

from typing import final

@final
class ReplicaChoice:
    """Of the dispatcher alone.

    Parameters
    ----------
    ahead_ratio : float
        A second batch is sent ahead to a replica whose RPC takes more than this share of its batches' time; 1 = never.
    """

    ahead_ratio: float

    def __init__(self, ahead_ratio: float) -> None: ...
