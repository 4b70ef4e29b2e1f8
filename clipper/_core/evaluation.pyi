from collections.abc import Callable
from typing import final

from clipper._core.application import Application
from clipper._core.query_follower import QueryFollower
from clipper._core.query_processor import QueryProcessor

@final
class Evaluation(QueryFollower):
    """What every arm of an application said to one input; made by `evaluate` only.

    Attributes
    ----------
    context : str or None
        That the body names.
    arms : bytes
        JSON array of the arms whose output is known, as observations have it.
    cached, evaluated : int
        Outputs that were in the prediction cache; outputs that models gave now.
    missing : list of bytes
        JSON strings without quotes: the arms that gave no output in time.
    """

    @property
    def context(self) -> str | None: ...
    @property
    def arms(self) -> bytes: ...
    @property
    def cached(self) -> int: ...
    @property
    def evaluated(self) -> int: ...
    @property
    def missing(self) -> list[bytes]: ...

def evaluate(
    processor: QueryProcessor,
    application: Application,
    body: bytes,
    limit_us: int,
    now_us: int,
    done: Callable[[Evaluation], None],
) -> None:
    """Ask every arm of an application for the input that a body holds; on the loop's thread.

    Parameters
    ----------
    body : bytes
        JSON with ``input``, and perhaps ``context``.
    limit_us : int
        What has not come by then is missing.
    done : callable (Evaluation) -> None
        Called once, perhaps before this returns. What it raises is logged.

    Raises
    ------
    BodyError
        The input is refused.
    """
