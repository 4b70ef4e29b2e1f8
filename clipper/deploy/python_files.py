"""The files of this machine's Python that go into an image: its standard library, packages, installed distributions."""

from __future__ import annotations

import compileall
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from clipper.errors import InvalidArgumentError, StartError

_LEFT_OUT: Final = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "site-packages", "config"}
)
_LEFT_OUT_SUFFIXES: Final = (
    ".opt-1.pyc", ".opt-2.pyc", ".pyo", ".a", ".pyi", ".h", ".hpp", ".cpp", ".pxd", ".pyx", ".exe", ".md"
)  # fmt: skip


def library_files(library: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of the standard library, each with its path in it."""
    for directory, names, files in os.walk(library):
        names[:] = sorted(name for name in names if name not in _LEFT_OUT and not name.startswith("config-"))
        # With what Python has compiled: in the image nothing can be written, and each start would compile it all again.
        for path in (Path(directory, name) for name in sorted(files) if _is_wanted(name)):
            yield str(path.relative_to(library)), path


def package_files(name: str) -> Iterator[tuple[str, Path]]:
    """Yield the files of a package of ours, each with its path among the packages.

    Raises
    ------
    StartError
        It is not installed.
    """
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise StartError(f"the package {name!r} is not installed beside Clipper")
    package = Path(found.submodule_search_locations[0])
    compileall.compile_dir(package, quiet=2)  # what Python would do at the first import, if that has not been yet
    for path in sorted(package.rglob("*")):
        if path.is_file() and _is_wanted(path.name):
            yield str(path.relative_to(package.parent)), path


def distribution_files(names: Sequence[str]) -> Iterator[tuple[str, list[tuple[str, Path]]]]:
    """Yield each installed distribution and those that it requires, with its files by their paths among the packages.

    Raises
    ------
    InvalidArgumentError
        One is not installed here.
    """
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop(0)
        if (key := re.sub(r"[-_.]+", "-", name).lower()) in seen:
            continue
        seen.add(key)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise InvalidArgumentError(
                f"the distribution {name!r} is not installed here, so it cannot be put into an image",
                hint=f"pip install {name}",
            ) from None
        files: dict[str, Path] = {}
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            is_inside = ".." not in file.parts and "tests" not in file.parts
            if is_inside and _is_wanted(file.name) and path.is_file():
                files[str(file)] = path
                if compiled := _compiled(path):
                    files[str(file.parent / "__pycache__" / compiled.name)] = compiled
        yield f"{distribution.name} {distribution.version}", list(files.items())
        for requirement in distribution.requires or ():
            required, _, marker = requirement.partition(";")
            required = re.split(r"[\s<>=!~\[(]", required.strip(), maxsplit=1)[0]
            if not marker or _is_met(required, marker):
                waiting.append(required)


def _compiled(path: Path) -> Path | None:
    """What Python makes of a module at its first import; None if it is none, or if nothing can be written beside it.

    An installer that does not compile leaves that to the first import, and in the image each start would be the first.
    """
    if path.suffix != ".py" or not compileall.compile_file(path, quiet=2):
        return None
    compiled = Path(importlib.util.cache_from_source(str(path)))
    return compiled if compiled.is_file() else None


def _is_met(name: str, marker: str) -> bool:
    """Whether a requirement of some platforms is one of this: then pip has installed it. Extras are to be named."""
    if "extra" in marker or "pypy" in marker.lower():
        return False
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _is_wanted(name: str) -> bool:
    is_foreign = name.endswith(".pyc") and not name.endswith(f".{sys.implementation.cache_tag}.pyc")
    # The one module of Tk that is no package: it would bring the libraries of a whole window system.
    return not (is_foreign or name.startswith("_tkinter.") or name.endswith(_LEFT_OUT_SUFFIXES))
