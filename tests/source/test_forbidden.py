"""Things that no file of ours may hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.support.repository import PACKAGES, files, text_of, tracked_files, without_cython_comments

MAY_PRINT = ("demo", "cli", "__main__")
TEXT_SUFFIXES = {"", ".py", ".pyx", ".pxd", ".pyi", ".hpp", ".cpp", ".md", ".toml", ".cmake", ".txt", ".yaml", ".sh"}

# Open ends belong in an issue, and a path of one developer's machine means nothing on another's.
FORBIDDEN = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|(?<![\w.])/(?:home|root|work|Users)/")


BYTES = Path("tests/fuzz/corpus")  # inputs of fuzzers, not text


@pytest.mark.parametrize(
    "path", [p for p in tracked_files() if p.suffix in TEXT_SUFFIXES and not p.is_relative_to(BYTES)], ids=str
)
def test_file_holds_no_open_end_and_no_private_path(path: Path) -> None:
    lines = enumerate(text_of(path).splitlines(), 1)
    found = [f"{path}:{number}: {line.strip()}" for number, line in lines if FORBIDDEN.search(line)]
    assert not found, "\n".join(found)


def is_print(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


@pytest.mark.parametrize("path", files(".py", under=PACKAGES), ids=str)
def test_package_module_neither_prints_nor_swallows_exceptions(path: Path) -> None:
    wrong: list[str] = []
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.ExceptHandler):
            does_nothing = all(isinstance(statement, ast.Pass) for statement in node.body)
            names = {"Exception", "BaseException"}
            catches_all = node.type is None or (isinstance(node.type, ast.Name) and node.type.id in names)
            if catches_all and (node.type is None or does_nothing):
                wrong.append(f"{path}:{node.lineno}: an exception vanishes here")
        elif is_print(node) and not any(part in MAY_PRINT for part in (*path.parts, path.stem)):
            wrong.append(f"{path}:{node.lineno}: print")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", files(".pyx", under=("clipper",)), ids=str)
def test_compiled_module_neither_prints_nor_swallows_exceptions(path: Path) -> None:
    code = without_cython_comments(text_of(path))
    assert not re.search(r"(?<![\w.])print\s*\(", code), f"{path} prints"
    assert not re.search(r"\bexcept(\s+(Base)?Exception)?\s*:\s*pass\b", code), f"{path}: an exception vanishes"


@pytest.mark.parametrize("path", files(".py", under=PACKAGES), ids=str)
def test_durations_carry_their_unit_in_the_name(path: Path) -> None:
    wrong: list[str] = []
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.arg) and node.arg == "timeout":
            wrong.append(f"{path}:{node.lineno}: parameter named timeout")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "timeout":
            wrong.append(f"{path}:{node.lineno}: field named timeout")
    assert not wrong, "\n".join(wrong)
