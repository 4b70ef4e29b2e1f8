from typing import Literal, Self, final

from clipper._core.decision_stream import DecisionStream
from clipper._core.prediction_cache import PredictionCacheHandle

@final
class DecisionLog:
    """What was decided lately, by query id: which models were asked, with which probability, and what they said.

    The query path records; feedback joins (Crankshaw 2017 §5 calls it the feedback of an application).

    Parameters
    ----------
    budget_bytes : int
        Of all records and the outputs that they hold, over all applications; 0 = nothing is recorded.
    cache : PredictionCacheHandle
        Where an output is looked for that had not come when its query was answered.
    random_seed : int
        Of the samples.
    """

    budget_bytes: int
    wall_offset_us: int

    def __new__(cls, budget_bytes: int, cache: PredictionCacheHandle, *, random_seed: int = 1) -> Self: ...
    def is_awaited(self, stream: DecisionStream, query_id: int, now_us: int) -> bool:
        """Tell whether a model that was asked for the answer, shadows aside, is still evaluating the input.

        False for a query that is not known, or that feedback was given for.
        """

    def join(
        self, stream: DecisionStream, query_id: int, digest: int, said: bytes, now_us: int, at_us: int
    ) -> tuple[Literal["joined", "duplicate", "contradictory", "unknown"], bytes, bytes]:
        """Join feedback with the decision that it is about, once.

        Parameters
        ----------
        digest : int
            Of what is said, 64 bits and not 0: tells the same feedback from another.
        said : bytes
            What is said, as a member of a JSON object: ``"label":3`` or ``"reward":0.5``.
        at_us : int
            Wall clock.

        Returns
        -------
        outcome, observation, late : tuple
            `observation` is one line of JSON without its end, `late` a JSON object with the outputs, by arm, that had
            not come when the query was answered; both are empty unless `outcome` is "joined".
        """

    def take_lines(self, stream: DecisionStream, most: int, now_us: int) -> tuple[bytes, int]:
        """Give the next decisions, `most` at most, as lines for a file, and how many were lost before them."""

    def take_sample(self, stream: DecisionStream, now_us: int) -> list[list[tuple[bytes, bytes]]]:
        """Give a uniform sample of the decisions since the last call: of each the outputs, as (arm, JSON).

        An arm is a JSON string without its quotes.
        """

    def expire(self, now_us: int, most: int) -> None:
        """Free the oldest decisions that nobody waits for any more, `most` at most."""

    def figures(self) -> dict[str, int]:
        """``records`` and ``bytes`` now; ``evictions`` and ``refusals`` so far."""

    def broken_invariant(self) -> str | None:
        """What is wrong within, or None; walks everything: for tests."""
