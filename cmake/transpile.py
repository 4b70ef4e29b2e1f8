#!/usr/bin/env python3
"""Translate Cython modules to C++: those of which something is newer than their translation, and no other.

Usage: ``transpile.py --into DIR --root DIR MODULE.pyx...``

Half of the time that Cython takes for a module of ours goes into starting: its scanner's tables, its built-in types.
So a few processes translate many modules each. What a translation was made from stands beside it, in a ``.dep`` file.
Several build trees may share one directory of translations: it is locked while we write.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.metadata
import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from Cython.Compiler import Main

# No class of the core is pickled: without the methods for that, a third of the code of a small module goes.
OPTIONS = ("--cplus", "--directive", "auto_pickle=False", "--depfile")


def translation_of(module: Path, into: Path) -> Path:
    """Return where the C++ of a module lies."""
    return into / f"{module.stem}.cxx"


def is_current(module: Path, translation: Path) -> bool:
    """Whether a translation is newer than everything that it was made from."""
    try:
        made_ns = translation.stat().st_mtime_ns
        named = translation.with_suffix(".cxx.dep").read_text().partition(": ")[2].replace("\\\n", " ").split()
        return bool(named) and all(Path(name).stat().st_mtime_ns < made_ns for name in {*named, str(module), __file__})
    except OSError:
        return False


def translate(task: tuple[Path, Path]) -> bool:
    """Translate one module; what Cython has to say about it goes to stderr."""
    module, translation = task
    run_cython: Any = Main.main  # of a library without types
    sys.argv = ["cython", *OPTIONS, "-I.", str(module), "--output-file", str(translation)]
    try:
        run_cython(command_line=1)
    except SystemExit as end:
        if end.code:
            translation.unlink(missing_ok=True)
            return False
    return True


def forget_other_versions(into: Path) -> None:
    """Make what another version of Cython translated out of date."""
    stamp, version = into / "cython-version", importlib.metadata.version("cython")
    if not stamp.exists() or stamp.read_text() != version:
        for description in into.glob("*.cxx.dep"):
            description.unlink()
        stamp.write_text(version)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other build trees out of a directory."""
    with (directory / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def process_count(tasks: int) -> int:
    """Return how many processes to use: as many as the build may, or as there are processors."""
    allowed = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "")
    return min(tasks, int(allowed) if allowed.isdigit() else len(os.sched_getaffinity(0))) or 1


def main() -> int:
    """Translate what is out of date; return 1 if a module has errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True, help="directory of the translations")
    parser.add_argument("--root", type=Path, required=True, help="directory in which the package lies")
    parser.add_argument("modules", type=Path, nargs="+", help="relative to the root")
    options = parser.parse_args()
    into = options.into.absolute()
    into.mkdir(parents=True, exist_ok=True)
    os.chdir(options.root)  # so that what is generated, and the tracebacks it prints, do not depend on where it lies
    with locked(into):
        forget_other_versions(into)
        pairs = [(module, translation_of(module, into)) for module in options.modules]
        tasks = [pair for pair in pairs if not is_current(*pair)]
        if not tasks:
            return 0
        with multiprocessing.get_context("fork").Pool(process_count(len(tasks))) as pool:
            return 0 if all(pool.imap_unordered(translate, tasks, chunksize=1)) else 1


if __name__ == "__main__":
    sys.exit(main())
