"""The guard of single operations: instructions and allocations of parse, cache, queue and codec, beside the record.

::

    python -m bench.micro.instructions_per_operation           # compile, count, compare; exit code 1 if something grew
    python -m bench.micro.instructions_per_operation --record  # and write record and docs/performance.md's table anew

What `instructions_per_query` sees as a share of a query is here alone, from the same headers, in a program without
Python: it is counted within seconds, and says which part it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.document import table, write_into
from bench.micro.callgrind_profile import OPTIONS, Profile, read_dumps
from bench.micro.instructions_per_query import DOCUMENT, TOLERANCE_RATIO, Comparison
from bench.micro.query_cost import ROOT, MeasurementError
from bench.micro.toolchain import differences, toolchain

RECORD: Final = Path(__file__).with_name("instructions_per_operation.json")
SOURCE: Final = Path(__file__).with_name("operations.cpp")
WRITTEN_BY: Final = "bench/micro/instructions_per_operation.py --record"
FLAGS: Final = ("-std=c++17", "-O2", "-DNDEBUG")
LIMIT_S: Final = 300
MALLOC_TOLERANCE: Final = 0.1
"""How many allocations an operation may gain: one in each is too many, a vector that grows once is not."""
TITLES: Final[Mapping[str, str]] = {
    "encode_predict": "lay out a batch of 32 inputs for its container",
    "encode_predict_ragged": "the same, of strings: with offsets",
    "decode_integer": "an output of a batch of 32: one int64",
    "decode_double": "one float64, with its shortest digits",
    "decode_vector_of_10": "ten float32",
    "decode_json": "a JSON object of 31 bytes, checked",
    "parse_4_doubles": "a body of 4 doubles",
    "parse_784_doubles": "a body of 784 doubles",
    "cache_hit": "hash of 32 bytes, and a hit",
    "cache_miss": "hash, miss, put, and one eviction",
    "queue_task": "a task's whole way through the queue, 32 a batch",
}


@dataclass(frozen=True)
class OperationCost:
    """What one operation costs: instructions in user space, and calls of the C library's allocator."""

    instructions: float
    mallocs: float


@dataclass(frozen=True)
class Record:
    """What was counted, and with what."""

    toolchain: dict[str, str]
    operations: dict[str, OperationCost]

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        return cls(fields["toolchain"], {name: OperationCost(**cost) for name, cost in fields["operations"].items()})

    def to_json(self) -> str:
        """Write it for a reader of diffs, too."""
        return json.dumps(asdict(self), indent=1) + "\n"


def measure() -> Record:
    """Compile the operations, count them, and say with what.

    Raises
    ------
    MeasurementError
        If there is no compiler or no valgrind, or one of them fails.
    """
    with tempfile.TemporaryDirectory(prefix="clipper-operations-") as directory:
        program, dumps = Path(directory) / "operations", Path(directory) / "dump"
        _run([_found("g++", "g++"), *FLAGS, f"-I{ROOT / 'clipper' / '_core'}", "-o", str(program), str(SOURCE)])
        printed = _run(
            [
                _found("valgrind", "valgrind"), "--tool=callgrind", f"--callgrind-out-file={dumps}", *OPTIONS,
                "--dump-before=getsid", str(program),
            ]
        )  # fmt: skip
        made_by = {name: value for name, value in toolchain(program).items() if name not in ("python", "httptools")}
        return Record(made_by, costs(printed, read_dumps(dumps)))


def costs(printed: str, profiles: Sequence[Profile]) -> dict[str, OperationCost]:
    """Join the program's lines "name operations" with the dumps: each second one lies between an operation's marks.

    Raises
    ------
    MeasurementError
        If they do not fit together.
    """
    counts = [(name, int(count)) for name, count in (line.split() for line in printed.splitlines())]
    if len(profiles) != 2 * len(counts):
        raise MeasurementError(f"callgrind wrote {len(profiles)} dumps for {len(counts)} operations, expected two each")
    found = {}
    for (name, count), profile in zip(counts, profiles[1::2], strict=True):
        instructions = round(sum(profile.instructions.values()) / count, 1)
        found[name] = OperationCost(instructions, round(profile.allocations / count, 3))
    return found


def _found(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        install = f"apt-get install -y --no-install-recommends {package}"
        raise MeasurementError(f"{program} is missing; to install it: {install}")
    return path


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{command[0]} was not done within {LIMIT_S} s") from error
    if done.returncode != 0:
        raise MeasurementError(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def compare(recorded: Mapping[str, OperationCost], counted: Mapping[str, OperationCost]) -> list[Comparison]:
    """Put what was counted beside the record; operations that the record lacks are left out."""
    found = []
    for name, cost in counted.items():
        known = recorded.get(name)
        if known is not None:
            most = known.instructions * (1 + TOLERANCE_RATIO)
            found.append(Comparison(name, "instructions", known.instructions, cost.instructions, most))
            found.append(Comparison(name, "mallocs", known.mallocs, cost.mallocs, known.mallocs + MALLOC_TOLERANCE))
    return found


def render_table(operations: Mapping[str, OperationCost]) -> str:
    """Write a Markdown table, a row for each operation."""
    rows = [
        [f"{name.replace('_', ' ')}: {TITLES[name]}", f"{cost.instructions:,.0f}", f"{cost.mallocs:.1f}"]
        for name, cost in operations.items()
    ]
    return table(["operation", "instructions", "calls of malloc"], rows)


def render_section(record: Record) -> str:
    """Write what stands between the marks of the document."""
    made_by = "; ".join(f"{name} {value}" for name, value in record.toolchain.items())
    return f"{render_table(record.operations)}\n\nCounted with: {made_by}; {' '.join(FLAGS)}."


def judge(record: Record, counted: Record) -> int:
    """Print the comparison; returns 1 if something grew that may be compared."""
    comparisons = compare(record.operations, counted.operations)
    print("", *comparisons, sep="\n")
    different = differences(record.toolchain, counted.toolchain)
    if different:
        print("\nThe record was made with another toolchain, so growth fails nothing here:", *different, sep="\n  ")
        return 0
    if any(comparison.has_grown for comparison in comparisons):
        print(
            f"\nMore than +{TOLERANCE_RATIO:.0%} instructions or +{MALLOC_TOLERANCE:g} allocations of an operation."
            "\nIf it is worth that, --record it and say why."
        )
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, print, compare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.micro.instructions_per_operation", description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write the record and the document's table anew")
    options = parser.parse_args(arguments)
    try:
        counted = measure()
    except MeasurementError as error:
        print(error, file=sys.stderr)
        return 2
    print(render_table(counted.operations))
    if options.record:
        RECORD.write_text(counted.to_json(), encoding="utf-8")
        write_into(DOCUMENT, WRITTEN_BY, render_section(counted))
        return 0
    return judge(Record.from_json(RECORD.read_text(encoding="utf-8")), counted)


if __name__ == "__main__":
    sys.exit(main())
