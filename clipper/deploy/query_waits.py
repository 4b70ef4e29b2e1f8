"""How long queries of a model may still wait: what a replica needs to answer the last of them before it leaves."""

from __future__ import annotations

from collections.abc import Mapping


class QueryWaits:
    """The longest objectives of models, by name, with those that hold no more but that queries may still wait under.

    Parameters
    ----------
    grace_us : int
        How long a worker may still take queries in by what it was told before.
    """

    def __init__(self, grace_us: int) -> None:
        self._grace_us = grace_us
        self._present: dict[str, int] = {}
        self._past: dict[str, tuple[int, int]] = {}  # objective, until when somebody may wait under it

    def tell(self, longest_slo_us: Mapping[str, int], now_us: int) -> None:
        """Replace the objectives; a model that is not among them is linked to no application."""
        self._past = {model: past for model, past in self._past.items() if past[1] > now_us}
        for model, slo_us in self._present.items():
            if longest_slo_us.get(model, 0) < slo_us:
                past_slo_us, until_us = self._past.get(model, (0, 0))
                over_us = now_us + self._grace_us + slo_us
                self._past[model] = (max(slo_us, past_slo_us), max(over_us, until_us))
        self._present = dict(longest_slo_us)

    def longest_us(self, model: str, now_us: int) -> int:
        """Return how long a query of this model may wait from now on; 0 if there can be none."""
        past_slo_us, until_us = self._past.get(model, (0, 0))
        return max(self._present.get(model, 0), past_slo_us if now_us < until_us else 0)
