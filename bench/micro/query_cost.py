"""Runs the cases under callgrind and reads what each query cost.

Counted is what happens inside the three functions through which a loop enters the data path: a client connection's
``data_received``, the end of a turn, and a container connection's ``on_readable``. What drives them (the puppet
containers, the requests being made) is not: callgrind collects only between a function's entry and its return
(``--toggle-collect``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.micro.callgrind_profile import OPTIONS, Profile, read_dumps
from bench.micro.data_path_cases import CASES, MARK
from bench.micro.query_parts import instructions_by_part

ROOT = Path(__file__).parents[2]
LIMIT_S = 600
ENTRIES = {"http_protocol": "data_received", "http_server": "_end_turn", "rpc_unix": "on_readable"}


class MeasurementError(Exception):
    """The cases cannot be counted here; the message says why."""


@dataclass(frozen=True)
class QueryCost:
    """What one query of a case cost.

    Parameters
    ----------
    instructions : float
        In user space, with pymalloc, as in service.
    mallocs : float
        Calls of the C library's allocator, with pymalloc, as in service.
    allocations : float
        The same with PYTHONMALLOC=malloc: each Python object is one, but for those from the interpreter's free lists.
    parts : mapping
        Instructions by part of the data path.
    """

    instructions: float
    mallocs: float
    allocations: float
    parts: Mapping[str, float]


def compiled_module(name: str) -> Path:
    """Find a module of the core.

    Raises
    ------
    MeasurementError
        If it was not built into the tree.
    """
    found = sorted((ROOT / "clipper" / "_core").glob(f"{name}.*.so"))
    if not found:
        raise MeasurementError(f"clipper/_core/{name} is not compiled: make build")
    return found[0]


def entry_symbols() -> list[str]:
    """Find the linker's names of the functions in ENTRIES. Exact ones: of several wildcards callgrind heeds the first.

    Raises
    ------
    MeasurementError
        If the core was stripped of its symbols.
    """
    symbols: list[str] = []
    for module, method in ENTRIES.items():
        path = compiled_module(module)
        listed = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout
        matches = find_entry(listed, method)
        if len(matches) != 1:
            raise MeasurementError(
                f"{path.name} has {len(matches)} symbols for {method}, expected one: is it stripped?"
            )
        symbols += matches
    return symbols


def find_entry(symbol_table: str, method: str) -> list[str]:
    """Pick Cython's Python wrapper of `method` out of what ``nm`` printed."""
    return re.findall(rf"^[0-9a-f]+ [tT] (_ZL\d+__pyx_pw_\w*?_\d+{method}P7_object\w*)$", symbol_table, re.MULTILINE)


def measure(names: Sequence[str], dumps: Path | None = None) -> dict[str, QueryCost]:
    """Count what a query of each case costs.

    Parameters
    ----------
    names : sequence of str
        Keys of CASES.
    dumps : Path, optional
        Directory for what callgrind writes, ``service.<n>`` and ``objects.<n>``: for case i, from 0 up, n is 2 i + 2.

    Raises
    ------
    MeasurementError
        If valgrind or the compiled core are missing, or the counted program fails.
    """
    toggles = entry_symbols()
    with tempfile.TemporaryDirectory() as temporary:
        directory = dumps.absolute() if dumps else Path(temporary)
        # Side by side: they share nothing but the processors.
        as_in_service = _start(names, toggles, directory / "service", "pymalloc")
        every_object = _start(names, toggles, directory / "objects", "malloc")
        try:
            _finish(as_in_service)
            _finish(every_object)
        finally:
            for process in (as_in_service, every_object):
                if process.poll() is None:
                    process.kill()
                    process.communicate()
        served = _cases_of(directory / "service", names)
        counted = _cases_of(directory / "objects", names)
    return {name: _cost(name, served[name], counted[name]) for name in names}


def _start(names: Sequence[str], toggles: Sequence[str], base: Path, allocator: str) -> subprocess.Popen[str]:
    command = [
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={base}", *OPTIONS, "--collect-atstart=no",
        f"--dump-before={MARK}", *(f"--toggle-collect={symbol}" for symbol in toggles),
        sys.executable, "-m", "bench.micro.data_path_cases", *names,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONMALLOC": allocator,
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    environment["PYTHONPATH"] = str(ROOT)
    try:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )  # fmt: skip
    except FileNotFoundError as error:
        raise MeasurementError(
            "valgrind is missing; to install it: apt-get install -y --no-install-recommends valgrind"
        ) from error


def _finish(process: subprocess.Popen[str]) -> None:
    try:
        _, errors = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"callgrind was not done within {LIMIT_S} s") from error
    if process.returncode != 0:
        raise MeasurementError(f"the counted program ended with {process.returncode}:\n{errors[-2000:]}")


def _cases_of(base: Path, names: Sequence[str]) -> dict[str, Profile]:
    """Each case is the dump between its two marks; the one before it is its warm-up."""
    profiles = read_dumps(base)
    if len(profiles) != 2 * len(names):
        raise MeasurementError(
            f"callgrind wrote {len(profiles)} dumps, expected {2 * len(names)}: one before and behind each case"
        )
    return dict(zip(names, profiles[1::2], strict=True))


def _cost(name: str, served: Profile, counted: Profile) -> QueryCost:
    queries = CASES[name].queries
    parts = instructions_by_part(served)
    return QueryCost(
        instructions=round(sum(parts.values()) / queries, 1),
        mallocs=round(served.allocations / queries, 3),
        allocations=round(counted.allocations / queries, 3),
        parts={part: round(parts[part] / queries, 1) for part in parts},
    )
