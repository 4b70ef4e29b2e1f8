#!/usr/bin/env python3
"""Check that the installed package is whole: every compiled module imports, stubs and containers came along."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import clipper
import model_containers


def missing_files(package: Path, containers: Path, modules: list[str]) -> list[Path]:
    """List what an installation should hold and does not."""
    needed = [package / "py.typed", containers / "py.typed", *(package / "_core" / f"{name}.pyi" for name in modules)]
    return [path for path in needed if not path.is_file()]


def main(tree: Path) -> str:
    """Return what is wrong with the installation beside `tree`, its sources; "" when it is whole."""
    package, containers = Path(clipper.__file__).parent, Path(model_containers.__file__).parent
    if tree in package.parents:
        return f"{package} is the working tree, not an installation"
    modules = sorted(path.stem for path in (tree / "clipper" / "_core").glob("*.pyx"))
    for name in modules:
        importlib.import_module(f"clipper._core.{name}")
    client = package / "bench" / "load_client"
    if not os.access(client, os.X_OK):
        return f"{client} is not there, or no program"
    if missing := missing_files(package, containers, modules):
        return f"not installed: {', '.join(map(str, missing))}"
    print(f"installed in {package}: {len(modules)} compiled modules import, stubs and containers are there")
    return ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) or 0)
