"""The repository's own files, for the tests that read them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("clipper", "model_containers")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that is or would be committed, relative to the root."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(sorted({Path(name) for name in listed if (ROOT / name).is_file()}))


def files(*suffixes: str, under: tuple[str, ...] = ()) -> list[Path]:
    """Files with one of the suffixes; `under` keeps those below one of these top-level directories."""
    return [path for path in tracked_files() if path.suffix in suffixes and (not under or path.parts[0] in under)]


def text_of(path: Path) -> str:
    """The text of a file that was named relative to the root."""
    return (ROOT / path).read_text(encoding="utf-8")


def without_cython_comments(text: str) -> str:
    """Blank comments and docstrings of Cython source, so that a rule reads code only; line numbers stay."""

    def blank(match: re.Match[str]) -> str:
        found = match.group()
        return "\n" * found.count("\n") if found.startswith(('"""', "'''", "#")) else found

    pattern = r'"""(?:[^\\]|\\.)*?"""|\'\'\'(?:[^\\]|\\.)*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|#[^\n]*'
    return re.sub(pattern, blank, text, flags=re.DOTALL)
