"""The top level holds what it is known to hold: what a program left behind there was tracked more than once."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.support.repository import ROOT

_DIRECTORIES: Final = {
    *(".ci", "bench", "clipper", "cmake", "compose", "docs", "examples", "model_containers", "scripts", "tests")
}
_FILES: Final = {
    *(".dockerignore", ".gitattributes", ".gitignore", ".pre-commit-config.yaml"),
    *("CHANGELOG.md", "CMakeLists.txt", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md"),
    *("pyproject.toml", "setup.py"),
}


def test_nothing_else_is_tracked_at_the_top_level() -> None:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    tracked = [Path(name) for name in listed.splitlines()]
    assert {path.parts[0] for path in tracked if len(path.parts) > 1} == _DIRECTORIES
    assert {path.name for path in tracked if len(path.parts) == 1} == _FILES
