"""What is said of single queries: those that were missed, a few a second, and those that asked to be traced."""

from typing import final

DEFAULT_MISSES_PER_SECOND: int
DEFAULT_TRACES_PER_SECOND: int
MAX_CAUSE_CHARACTERS: int

@final
class QueryLog:
    """The log of one worker's queries; writes to the loggers ``clipper.query`` and ``clipper.trace``.

    A query that is answered in time and did not ask to be traced never comes here.
    """

    misses_per_second: int
    traces_per_second: int

    @property
    def traced_queries(self) -> int:
        """Traced queries that are not answered yet."""
