"""From when on a replica is taken for broken: times in, verdicts out."""

from typing import final

DEFAULT_LOOK_INTERVAL_US: int
DEFAULT_SILENCE_LIMIT_US: int
DEFAULT_OVERDUE_FLOOR_US: int
DEFAULT_FIRST_BATCH_LIMIT_US: int
GONE_SILENCE_US: int
OVERDUE_RATIO: int
SLOWEST_RATIO: int

@final
class RpcLiveness:
    """Judges replicas by how long they have been silent, and how long they hold a batch.

    Time during which this very process did not run counts for nobody: a look that comes late is no evidence.

    Parameters
    ----------
    look_interval_us : int
        Time between two calls of :meth:`begin_look`; what is longer, this process was absent.
    silence_limit_us : int
        An idle replica that is silent for longer is suspected; a busy one has the limit of its batch, if that is more.
    overdue_floor_us, first_batch_limit_us : int
        The least limit of a batch, and that of a replica that has answered none yet, since it may compile its model.

    Raises
    ------
    InvalidArgumentError
        A limit is 0.
    """

    look_interval_us: int
    silence_limit_us: int
    overdue_floor_us: int
    first_batch_limit_us: int

    def __init__(
        self,
        *,
        look_interval_us: int = ...,
        silence_limit_us: int = ...,
        overdue_floor_us: int = ...,
        first_batch_limit_us: int = ...,
    ) -> None: ...
    def begin_look(self, now_us: int) -> None:
        """Note that the replicas are being looked at."""

    def elapsed(self, since_us: int, now_us: int) -> int:
        """Return the time between two moments, less this process's own absences."""

    def batch_limit(self, predicted_us: int, has_answered: bool, slowest_us: int = 0) -> int:
        """Return how long a batch may be out.

        Parameters
        ----------
        has_answered : bool
            Whether the replica has answered any batch.
        slowest_us : int
            The longest of its batches that was overdue and came all the same.
        """
