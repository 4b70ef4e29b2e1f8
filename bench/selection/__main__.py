"""Play the selection policies in simulated worlds: ``python -m bench.selection``.

Prints the tables; with --write they go into docs/policies.md. The exit code is 1 if a default stays above its bar in
the replica of figure 8, a regret grows faster than theory allows, or a cascade misses its target.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from bench.document import DOCUMENTS, write_into
from bench.selection import by_features, figure8, regret
from bench.selection.cost import cost_table
from bench.selection.parameter_tables import parameter_table

NAME = "python -m bench.selection --write"
POLICIES_DOCUMENT = DOCUMENTS / "policies.md"


def _figure8(seeds: int) -> tuple[str, list[str]]:
    rows = []
    for document in (*figure8.SINGLE, *figure8.ENSEMBLES):
        rows.append(figure8.measure(document, figure8.SEEDS if figure8.is_default(document) else seeds))
        print(f"{figure8.named(document)}: {rows[-1].immediate.text()}", file=sys.stderr, flush=True)
    return figure8.errors_table(rows, seeds), figure8.missed_bars(rows)


def _regret(seeds: int) -> tuple[str, list[str]]:
    curves = [regret.measure(theory, seeds) for theory in regret.THEORIES]
    return regret.regret_table(curves), regret.missed_shapes(curves)


# Part -> (seeds, what makes its table and says what is missed).
PARTS: dict[str, tuple[int, Callable[[int], tuple[str, list[str]]]]] = {
    "figure8": (figure8.SEEDS, _figure8),
    "thompson": (5, lambda seeds: (figure8.sensitivity_table(seeds), [])),
    "hedge": (5, lambda seeds: (figure8.hedge_table(seeds), [])),
    "regret": (regret.SEEDS, _regret),
    "linear": (by_features.SEEDS, by_features.linear_table),
    "cascade": (by_features.SEEDS, by_features.cascade_table),
    "cost": (1, lambda _: (cost_table(), [])),
    "parameters": (1, lambda _: (parameter_table(), [])),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.selection", description=__doc__)
    parser.add_argument("--seeds", type=int, default=figure8.SEEDS, help="at most so many; defaults in figure 8: all")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART",
                        help=", ".join(PARTS))  # fmt: skip
    parser.add_argument("--write", action="store_true", help="write the tables into docs/policies.md")
    given = parser.parse_args(arguments)
    all_missed = []
    for part in given.parts:
        most, make = PARTS[part]
        seeds = min(most, given.seeds)
        began = time.perf_counter()
        content, missed = make(seeds)
        if most > 1:
            content = f"{content}\n\n{seeds} seeds{figure8.MORE_SEEDS if part == 'figure8' and seeds < most else ''}."
        print(content, "\n", flush=True)
        print(f"{part}: done after {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        if given.write:
            write_into(POLICIES_DOCUMENT, f"{NAME}: {part}", content)
        all_missed += missed
    for line in all_missed:
        print(line, file=sys.stderr)
    return 1 if all_missed else 0


if __name__ == "__main__":
    sys.exit(main())
