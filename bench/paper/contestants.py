"""Who takes part in Figure 8, and what each must reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

# The bars that selection is held to: mean cumulative error over ten seeds.
SINGLE, SINGLE_DELAYED = 0.136, 0.144
ENSEMBLE, ENSEMBLE_DELAYED = 0.115, 0.123
BEST_STATIC: Final = 0.168
DELAY: Final = 200  # queries
SEEDS, FEW_SEEDS = 10, 3


@dataclass(frozen=True)
class Contestant:
    """A policy on one of the two sets of models.

    Parameters
    ----------
    delay : int
        The label of a query is told this many queries after its answer; 0: before the next query.
    limit : float or None
        Its mean error may be at most this; None for what is there to compare with.
    learning : dict or None
        Of the application; one whose policy does not learn takes feedback only if it has this.
    seeds : int
        How often it goes through the script; fewer for what has no bar.
    """

    name: str
    title: str
    policy: dict[str, Any]
    is_ensemble: bool
    is_correlated: bool = False
    delay: int = 0
    limit: float | None = None
    learning: dict[str, Any] | None = None
    seeds: int = SEEDS


THOMPSON: Final = {"name": "thompson"}
HEDGE: Final = {"name": "hedge"}
MAJORITY: Final = {"name": "majority"}
UNTAUGHT: Final = "all models: `majority`, which does not learn"
EXP3: Final = {"name": "exp3"}
EXP4: Final = {"name": "exp4"}

CONTESTANTS: Final = (
    Contestant("single", "one model: `thompson`", THOMPSON, False, limit=SINGLE),
    Contestant("ensemble", "all models: `hedge`", HEDGE, True, limit=ENSEMBLE),
    Contestant("single-late", "one model: `thompson`", THOMPSON, False, delay=DELAY, limit=SINGLE_DELAYED),
    Contestant("ensemble-late", "all models: `hedge`", HEDGE, True, delay=DELAY, limit=ENSEMBLE_DELAYED),
    Contestant("exp3", "one model: the paper's `exp3`", EXP3, False, seeds=FEW_SEEDS),
    Contestant("exp3-late", "one model: the paper's `exp3`", EXP3, False, delay=DELAY, seeds=FEW_SEEDS),
    Contestant("exp4", "all models: the paper's `exp4`", EXP4, True, seeds=FEW_SEEDS),
    Contestant("majority", UNTAUGHT, MAJORITY, True, learning={}, seeds=FEW_SEEDS),
    Contestant("single-correlated", "one model: `thompson`", THOMPSON, False, True, limit=BEST_STATIC, seeds=FEW_SEEDS),
    Contestant("ensemble-correlated", "all models: `hedge`", HEDGE, True, True, limit=BEST_STATIC, seeds=FEW_SEEDS),
    Contestant("majority-correlated", UNTAUGHT, MAJORITY, True, True, learning={}, seeds=FEW_SEEDS),
)
