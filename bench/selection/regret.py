"""Regret over time beside what theory says of its growth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.document import table
from bench.selection.figures import Figure, figure_of
from bench.selection.play import Pace, play
from bench.selection.worlds import PAPER_ERRORS, World, constrained_adversary_rates, steady_rates, world_of
from clipper.selection import make_policy

Floats = npt.NDArray[np.float64]
HORIZONS = (1_024, 4_096, 16_384)
SEEDS = 8
PACE = Pace(4, 0)
GAP, MODELS = 0.125, len(PAPER_ERRORS)


def _sum_of_inverse_gaps() -> float:
    best = min(PAPER_ERRORS)
    return sum(1.0 / (error - best) for error in PAPER_ERRORS if error > best)


@dataclass(frozen=True)
class Theory:
    """A policy with the parameters of its theorem, and what that says.

    Parameters
    ----------
    exponent_at_rest, exponent_hostile : float or None
        Regret grows at most as T to this power (0: as ln T) in a world at rest, and against a constrained adversary;
        None where nothing is promised.
    bound_at_rest : callable
        Of the horizon; None if there is only a shape.
    """

    document: Mapping[str, Any]
    exponent_at_rest: float
    exponent_hostile: float | None
    says: str
    bound_at_rest: Callable[[int], float]


THEORIES: Sequence[Theory] = (
    Theory(
        {"name": "ucb1"}, 0.0, None, "8 ln T sum 1/gap",
        lambda t: 8 * math.log(t) * _sum_of_inverse_gaps() + (1 + math.pi**2 / 3) * sum(
            error - min(PAPER_ERRORS) for error in PAPER_ERRORS
        ),
    ),
    Theory(
        {"name": "thompson", "discount": 1.0, "sharpness": 1.0, "floor": 0.0}, 0.0, None, "ln T sum 1/gap, nearly",
        lambda t: 2 * math.log(t) * _sum_of_inverse_gaps(),
    ),
    Theory(
        {"name": "tsallis_inf", "floor": 0.0}, 0.0, 0.5, "4 sqrt(KT) + 1; ln T sum 1/gap at rest",
        lambda t: 4 * math.sqrt(MODELS * t) + 1,
    ),
    Theory(
        {"name": "exp3", "eta": None, "floor": 0.0}, 0.5, 0.5, "2 sqrt(KT ln K)",
        lambda t: 2 * math.sqrt(MODELS * t * math.log(MODELS)),
    ),
    Theory(
        {"name": "exp3_ix", "eta": None, "share": 0.0, "floor": 0.0}, 0.5, 0.5, "2 sqrt(2 KT ln K), nearly surely",
        lambda t: 2 * math.sqrt(2 * MODELS * t * math.log(MODELS)),
    ),
    Theory({"name": "hedge", "share": 0.0, "vote_expert": False}, 0.0, 0.5, "ln K / eta + eta T / 8; constant at rest",
           lambda t: math.log(MODELS) / 0.3 + 0.3 * t / 8),
    Theory({"name": "epsilon_greedy", "discount": 1.0}, 1.0, None, "epsilon T mean gap",
           lambda t: 0.05 * t * (float(np.mean(PAPER_ERRORS)) - min(PAPER_ERRORS)) + 60),
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """A policy's regret at each horizon in both worlds."""

    theory: Theory
    at_rest: tuple[Figure, ...]
    hostile: tuple[Figure, ...]


def regret_of(document: Mapping[str, Any], world: World, seed: int) -> Floats:
    """Return the cumulated regret against the best model of the whole run: of what was planned, not what was drawn."""
    played = play(make_policy(document), world, PACE, seed)
    best = int(np.argmin(world.rates.mean(axis=0)))
    regret: Floats = np.cumsum((played.shares * world.rates).sum(axis=1) - world.rates[:, best])
    return regret


def measure(theory: Theory, seeds: int) -> Curve:
    """Play one policy in both worlds."""
    longest = HORIZONS[-1]
    worlds = (steady_rates(PAPER_ERRORS, longest), constrained_adversary_rates(GAP, MODELS, longest))
    figures = []
    for rates in worlds:
        runs = [regret_of(theory.document, world_of(rates, seed), seed) for seed in range(seeds)]
        figures.append(tuple(figure_of([float(run[horizon - 1]) for run in runs]) for horizon in HORIZONS))
    return Curve(theory, *figures)


def exponent(figures: Sequence[Figure]) -> float:
    """Return the power of T with which regret grows between the last two horizons."""
    last, before = max(figures[-1].mean, 1e-9), max(figures[-2].mean, 1e-9)
    return math.log(last / before) / math.log(HORIZONS[-1] / HORIZONS[-2])


def regret_table(curves: Sequence[Curve]) -> str:
    """Write the regrets."""
    heads = ["policy", "theory", *(f"T = {horizon:,}" for horizon in HORIZONS), "grows as", "bound",
             f"hostile, T = {HORIZONS[-1]:,}", "grows as"]  # fmt: skip
    rows = []
    for curve in curves:
        bound = curve.theory.bound_at_rest(HORIZONS[-1])
        rows.append(
            [f"`{curve.theory.document['name']}`", curve.theory.says,
             *(f"{each.mean:.0f} ± {each.half_width:.0f}" for each in curve.at_rest),
             f"T^{exponent(curve.at_rest):.2f}", f"{bound:,.0f}",
             f"{curve.hostile[-1].mean:.0f} ± {curve.hostile[-1].half_width:.0f}", f"T^{exponent(curve.hostile):.2f}"]
        )  # fmt: skip
    return table(heads, rows)


def missed_shapes(curves: Sequence[Curve]) -> list[str]:
    """Say which regret is above its bound, or grows faster than theory allows (with 0.15 to spare)."""
    missed = []
    for curve in curves:
        name, figures = curve.theory.document["name"], curve.at_rest
        for horizon, figure in zip(HORIZONS, figures, strict=True):
            if figure.mean - figure.half_width > curve.theory.bound_at_rest(horizon):
                missed.append(f"{name}: regret {figure.mean:.0f} at T = {horizon} is above its bound")
        # With gaps as small as these, what grows as ln T in the end still grows as up to T^0.4 here: it must be well
        # below sqrt(T), and below its bound.
        allowed = max(curve.theory.exponent_at_rest, 0.3) + 0.15
        if exponent(figures) > allowed:
            missed.append(f"{name}: at rest regret grows as T^{exponent(figures):.2f}, above {allowed:.2f}")
        hostile = curve.theory.exponent_hostile
        if hostile is not None and exponent(curve.hostile) > hostile + 0.15:
            missed.append(f"{name}: regret against an adversary grows as T^{exponent(curve.hostile):.2f}")
    return missed
