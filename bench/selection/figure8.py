"""The paper's figure 8 in simulation: five models, of which the best fails from query 5,000 to 10,000."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.document import table
from bench.selection.figures import Figure, figure_of
from bench.selection.play import Pace, play
from bench.selection.worlds import World, figure8_rates, world_of
from clipper.selection import make_policy

SEEDS = 10
MORE_SEEDS = f"; `thompson` and `hedge` with their defaults {SEEDS}"
PLAN_QUERIES = 20  # a plan every 20 ms at 1,000 queries/s
DELAY_QUERIES = 200
PHASES = (slice(0, 5_000), slice(5_000, 10_000), slice(10_000, 20_000))
# What the defaults must stay below: (immediate feedback, late feedback).
BARS: Mapping[str, tuple[float, float]] = {"thompson": (0.136, 0.144), "hedge": (0.115, 0.123)}
CORRELATION, COMMON_MISTAKES = 0.5, 0.5

Document = Mapping[str, Any]
SINGLE: Sequence[Document] = (
    {"name": "thompson"},
    {"name": "thompson", "sharpness": 1.0},
    {"name": "thompson", "sharpness": 1.0, "discount": 1.0},
    {"name": "thompson", "belief": "gaussian", "noise": 0.25},
    {"name": "exp3_ix"},
    {"name": "exp3"},
    {"name": "exp3", "share": 1e-4},
    {"name": "tsallis_inf"},
    {"name": "tsallis_inf", "memory": 1000},
    {"name": "ucb1"},
    {"name": "ucb1", "discount": 0.999, "exploration": 0.25},
    {"name": "epsilon_greedy"},
)
ENSEMBLES: Sequence[Document] = ({"name": "hedge"}, {"name": "exp4"}, {"name": "majority"})


@dataclass(frozen=True)
class Row:
    """One policy's errors."""

    document: Document
    phases: tuple[Figure, ...]
    immediate: Figure
    late: Figure
    correlated: Figure


def independent_worlds(seeds: int) -> list[World]:
    """Return the worlds of figure 8 with errors that are independent of each other."""
    return [world_of(figure8_rates(), seed) for seed in range(seeds)]


def correlated_worlds(seeds: int) -> list[World]:
    """Return the same where half of the queries are hard for all, and half of the mistakes the same."""
    return [world_of(figure8_rates(), seed, CORRELATION, COMMON_MISTAKES) for seed in range(seeds)]


def errors_of(document: Document, worlds: Sequence[World], delay_queries: int) -> list[np.ndarray[Any, Any]]:
    """Return the losses of the answers, one array a world."""
    pace = Pace(PLAN_QUERIES, delay_queries)
    return [play(make_policy(document), world, pace, seed).losses for seed, world in enumerate(worlds)]


def is_default(document: Document) -> bool:
    """Whether this is a policy that Clipper offers as a default, with its own defaults."""
    return len(document) == 1 and document["name"] in BARS


def measure(document: Document, seeds: int) -> Row:
    """Play one policy in all worlds."""
    plain = independent_worlds(seeds)
    immediate = errors_of(document, plain, 0)
    return Row(
        document,
        tuple(figure_of([float(run[phase].mean()) for run in immediate]) for phase in PHASES),
        figure_of([float(run.mean()) for run in immediate]),
        figure_of([float(run.mean()) for run in errors_of(document, plain, DELAY_QUERIES)]),
        figure_of([float(run.mean()) for run in errors_of(document, correlated_worlds(seeds), 0)]),
    )


def references(seeds: int) -> list[list[str]]:
    """Return the rows of what no policy knows: the best model in each phase, and the best one for all of it."""
    rates = figure8_rates()
    oracle = rates.min(axis=1)
    static = int(np.argmin(rates.mean(axis=0)))
    correlated = [float(world.losses[:, static].mean()) for world in correlated_worlds(seeds)]
    rows = []
    for name, errors in (("*best model of each phase*", oracle), ("*best static model*", rates[:, static])):
        cells = [f"{errors[phase].mean():.4f}".replace("0.", ".", 1) for phase in PHASES]
        whole = f"{errors.mean():.4f}".replace("0.", ".", 1)
        rows.append(
            [name, *cells, whole, whole, figure_of(correlated).text() if name.endswith("static model*") else ""]
        )
    return rows


def named(document: Document) -> str:
    """Write a policy as `name` with what is not default."""
    more = ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                     for key, value in document.items() if key != "name")  # fmt: skip
    return f"`{document['name']}`" + (f", {more}" if more else "")


def errors_table(rows: Sequence[Row], seeds: int) -> str:
    """Write the table of errors."""
    heads = ["policy", "0-5K", "5K-10K", "10K-20K", "overall", f"late by {DELAY_QUERIES}", "correlated errors"]
    cells = [
        [named(row.document), *(each.text(3).partition(" ")[0] for each in row.phases),
         row.immediate.text(), row.late.text(), row.correlated.text()]
        for row in rows
    ]  # fmt: skip
    return table(heads, [*references(seeds), *cells])


def sensitivity_table(seeds: int) -> str:
    """Write the errors of discounted Thompson around its defaults, immediate / late."""
    worlds = independent_worlds(seeds)
    discounts, rows = (0.998, 0.999, 0.9995), []
    for sharpness, floor in ((1.0, 0.002), (2.0, 0.002), (4.0, 0.002), (8.0, 0.002), (4.0, 0.01)):
        cells = []
        for discount in discounts:
            document = {"name": "thompson", "discount": discount, "sharpness": sharpness, "floor": floor}
            means = [
                np.mean([run.mean() for run in errors_of(document, worlds, delay)]) for delay in (0, DELAY_QUERIES)
            ]
            cells.append(" / ".join(f"{mean:.4f}".replace("0.", ".", 1) for mean in means))
        rows.append([f"sharpness {sharpness:g}, floor {floor:g}", *cells])
    return table(["`thompson`", *(f"discount {discount:g}" for discount in discounts)], rows)


def hedge_table(seeds: int) -> str:
    """Write the errors of Hedge around its defaults, immediate / late."""
    worlds, shares, rows = independent_worlds(seeds), (0.0, 1e-4, 1e-3, 1e-2), []
    for eta in (0.1, 0.3, 1.0):
        cells = []
        for share in shares:
            document = {"name": "hedge", "eta": eta, "share": share}
            means = [
                np.mean([run.mean() for run in errors_of(document, worlds, delay)]) for delay in (0, DELAY_QUERIES)
            ]
            cells.append(" / ".join(f"{mean:.4f}".replace("0.", ".", 1) for mean in means))
        rows.append([f"eta {eta:g}", *cells])
    return table(["`hedge`", *(f"share {share:g}" for share in shares)], rows)


def missed_bars(rows: Sequence[Row]) -> list[str]:
    """Say which default is above its bar."""
    missed = []
    for row in rows:
        if is_default(row.document):
            bars = BARS[row.document["name"]]
            for what, figure, bar in zip(("immediate", "late"), (row.immediate, row.late), bars, strict=True):
                if figure.mean > bar:
                    missed.append(f"{row.document['name']}, {what} feedback: {figure.mean:.4f} is above {bar}")
            if row.correlated.mean > 0.168:
                missed.append(f"{row.document['name']}, correlated errors: {row.correlated.mean:.4f} is above .168")
    return missed
