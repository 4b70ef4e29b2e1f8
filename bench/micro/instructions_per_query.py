"""The guard of the data path's cost: instructions and allocations per query, counted, beside the record.

::

    python -m bench.micro.instructions_per_query             # count, print, compare; exit code 1 if something grew
    python -m bench.micro.instructions_per_query --record    # and write the record and docs/performance.md's table anew

Counts do not depend on how busy the machine is, so CI can hold them where it cannot hold times. They do depend on
compiler and libraries: where those are not the record's, the comparison is printed and nothing fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.document import write_into
from bench.micro.data_path_cases import CASES
from bench.micro.query_cost import ROOT, MeasurementError, QueryCost, compiled_module, measure
from bench.micro.query_parts import NAMES
from bench.micro.toolchain import differences, toolchain

RECORD = Path(__file__).with_name("instructions_per_query.json")
DOCUMENT = ROOT / "docs" / "performance.md"
WRITTEN_BY = "bench/micro/instructions_per_query.py --record"

TOLERANCE_RATIO = 0.05
"""How much the instructions may grow: many times what two runs differ by, and less than a hop's worth of work."""
ALLOCATION_TOLERANCE = 0.25
"""How many allocations a query may gain: one object in every query is too many, one in every batch is not."""


@dataclass(frozen=True)
class Record:
    """What was counted, and with what.

    Parameters
    ----------
    tolerance_ratio, allocation_tolerance : float
        Growth beyond these fails the guard.
    """

    toolchain: dict[str, str]
    tolerance_ratio: float
    allocation_tolerance: float
    cases: dict[str, QueryCost]

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        cases = {name: QueryCost(**cost) for name, cost in fields.pop("cases").items()}
        return cls(**fields, cases=cases)

    def to_json(self) -> str:
        """Write it for a reader of diffs, too."""
        return json.dumps(asdict(self), indent=1) + "\n"


@dataclass(frozen=True)
class Comparison:
    """One figure of one case beside the record's."""

    case: str
    figure: str
    recorded: float
    counted: float
    allowed: float

    @property
    def has_grown(self) -> bool:
        return self.counted > self.allowed

    @property
    def has_shrunk(self) -> bool:
        """Has it shrunk by as much as it may grow? Then the record holds too little and should be written anew."""
        return self.counted < self.recorded - (self.allowed - self.recorded)

    def __str__(self) -> str:
        change = self.counted / self.recorded - 1 if self.recorded else 0.0
        verdict = "  GREW" if self.has_grown else "  less: record it" if self.has_shrunk else ""
        return (
            f"{self.case:14} {self.figure:13} {self.recorded:11,.1f} -> {self.counted:11,.1f}  {change:+7.2%}{verdict}"
        )


def compare(record: Record, counted: Mapping[str, QueryCost]) -> list[Comparison]:
    """Put what was counted beside the record; cases that the record lacks are left out."""
    comparisons: list[Comparison] = []
    for name, cost in counted.items():
        recorded = record.cases.get(name)
        if recorded is None:
            continue
        growth = 1 + record.tolerance_ratio
        comparisons.append(
            Comparison(name, "instructions", recorded.instructions, cost.instructions, recorded.instructions * growth)
        )
        for figure in ("allocations", "mallocs"):
            before: float = getattr(recorded, figure)
            comparisons.append(
                Comparison(name, figure, before, getattr(cost, figure), before + record.allocation_tolerance)
            )
    return comparisons


def render_table(cases: Mapping[str, QueryCost]) -> str:
    """Write a Markdown table: a row for each part of the data path, a column for each case."""
    header = "| instructions per query | " + " | ".join(name.replace("_", " ") for name in cases) + " |"
    lines = [header, "|---|" + "--:|" * len(cases)]
    for part in NAMES:
        figures = [cost.parts.get(part, 0.0) for cost in cases.values()]
        if any(round(figure) for figure in figures):
            lines.append(f"| {part} | " + " | ".join(f"{figure:,.0f}" for figure in figures) + " |")
    lines.append("| **all** | " + " | ".join(f"**{cost.instructions:,.0f}**" for cost in cases.values()) + " |")
    lines.append("| calls of malloc | " + " | ".join(f"{cost.mallocs:.1f}" for cost in cases.values()) + " |")
    lines.append(
        "| allocations, Python objects included | "
        + " | ".join(f"{cost.allocations:.1f}" for cost in cases.values())
        + " |"
    )
    return "\n".join(lines)


def render_section(record: Record) -> str:
    """Write what stands between the marks of the document."""
    cases = "\n".join(f"* **{name.replace('_', ' ')}**: {CASES[name].title}" for name in record.cases)
    made_by = "; ".join(f"{name} {value}" for name, value in record.toolchain.items())
    return f"{cases}\n\n{render_table(record.cases)}\n\nCounted with: {made_by}.\n"


def write_record(record: Record) -> None:
    """Write the record and the document's table."""
    RECORD.write_text(record.to_json())
    write_into(DOCUMENT, WRITTEN_BY, render_section(record))


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print, compare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.micro.instructions_per_query", description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write the record and the document's table anew")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="count only these")
    parser.add_argument(
        "--dumps", type=Path, metavar="DIRECTORY", help="keep callgrind's dumps there, for callgrind_annotate"
    )
    options = parser.parse_args(arguments)
    try:
        if options.dumps:
            options.dumps.mkdir(parents=True)
        counted = measure(options.cases, options.dumps)
    except MeasurementError as error:
        print(error, file=sys.stderr)
        return 2
    print(render_table(counted))
    here = toolchain(compiled_module("query_processor"))
    if options.record:
        cases = {**(Record.from_json(RECORD.read_text()).cases if RECORD.exists() else {}), **counted}
        write_record(
            Record(here, TOLERANCE_RATIO, ALLOCATION_TOLERANCE, {name: cases[name] for name in CASES if name in cases})
        )
        return 0
    return judge(Record.from_json(RECORD.read_text()), counted, here)


def judge(record: Record, counted: Mapping[str, QueryCost], here: dict[str, str]) -> int:
    """Print the comparison; returns 1 if something grew that may be compared."""
    comparisons = compare(record, counted)
    print("", *comparisons, sep="\n")
    different = differences(record.toolchain, here)
    if different:
        print("\nThe record was made with another toolchain, so growth fails nothing here:", *different, sep="\n  ")
        return 0
    if any(comparison.has_grown for comparison in comparisons):
        print(
            f"\nMore than +{record.tolerance_ratio:.0%} instructions or +{record.allocation_tolerance:g} allocations."
            "\ndocs/performance.md says how to find what did it. If it is worth that, --record it and say why."
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
