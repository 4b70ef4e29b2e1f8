"""Imports go one way; docs/architecture.md draws the picture, ALLOWED is the table."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import files, text_of, without_cython_comments

BASE = {"errors", "types", "config", "backoff", "log_file", "logs", "version"}

# Part of the package -> the parts it may import besides itself. A part that is not listed fails: choose its place.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "types": {"errors"},
    "backoff": set(),
    "version": set(),
    "log_file": set(),
    "logs": {"config", "log_file"},
    "config": {"errors", "types"},
    "_core": {"errors"},
    "metrics": BASE,
    "security": BASE,
    # Load on anybody's server: it needs nothing of ours that serves.
    "bench": BASE | {"metrics"},
    "state": BASE,
    "monitoring": {"errors", "types"},
    "registry": BASE | {"state", "monitoring", "selection"},
    "selection": BASE | {"state"},
    "evaluation": BASE | {"selection"},
    "deploy": BASE | {"state", "security"},
    "supervisor": BASE | {"security"},
    "frontend": BASE | {"_core", "metrics", "security", "selection"},
    "management": BASE
    | {"state", "monitoring", "registry", "security", "selection", "deploy", "supervisor", "metrics"},
    # What runs in the caller's process, and speaks with management over HTTP.
    "deployers": BASE,
    "client": BASE | {"registry", "security", "deploy", "deployers", "supervisor"},
    "__init__": BASE | {"client"},
    "admin": BASE | {"__init__", "client", "deploy", "registry", "supervisor"},
    "cli": BASE
    | {"__init__", "bench", "client", "deploy", "deployers", "evaluation", "metrics", "security", "selection"}
    | {"supervisor"},
    "__main__": {"cli"},
    # Becomes the command line, by exec.
    "image": BASE | {"security"},
    "demo": BASE | {"__init__", "client", "management", "metrics"},
}

# What a container may need: the standard library, numpy and pyzmq; a framework only in the container that serves it.
CONTAINER_LIBRARIES = {"numpy", "zmq"}
# (Those of gpu and image_classifier - cupy, Pillow, ONNX Runtime, PyTorch - are imported when they are first needed.)
CONTAINER_EXTRAS = {"python_function": {"cloudpickle"}, "sklearn": {"sklearn", "joblib", "cloudpickle"}}


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, module) for each absolute import, also those inside functions; `from a import b` yields a.b too."""
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = path.with_suffix("").parts[: -node.level]
                module = ".".join([*base, module]).rstrip(".")
            yield node.lineno, module
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def part_of(module: str) -> str:
    """Name the part of `clipper` that a dotted name belongs to; a public name of the package is `__init__`'s."""
    pieces = module.split(".")
    if len(pieces) == 1:
        return "__init__"
    return pieces[1] if pieces[1] in ALLOWED else "__init__"


def own_part(path: Path) -> str:
    return path.parts[1].removesuffix(".py")


@pytest.mark.parametrize("path", files(".py", under=("clipper",)), ids=str)
def test_module_imports_only_parts_below_its_own(path: Path) -> None:
    part = own_part(path)
    assert part in ALLOWED, f"{path}: give the part {part!r} its place in ALLOWED"
    modules = [(line, name) for line, name in imported_modules(path) if name.split(".")[0] == "clipper"]
    # `from clipper import errors` yields both clipper and clipper.errors: the longer name says what is meant.
    wrong = [
        f"{path}:{line}: {part} imports {name}"
        for line, name in modules
        if not (name == "clipper" and any(other.startswith("clipper.") for at, other in modules if at == line))
        and part_of(name) not in ALLOWED[part] | {part}
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", files(".pyx", ".pxd", under=("clipper",)), ids=str)
def test_compiled_module_imports_only_the_core_and_the_errors(path: Path) -> None:
    code = without_cython_comments(text_of(path))
    named = re.findall(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", code, re.MULTILINE)
    modules = {first or second for first, second in named}
    wrong = [name for name in modules if re.match(r"clipper\b(?!\._core\b|\.errors\b)", name)]
    assert not wrong, f"{path} imports {wrong}: the core imports nothing of clipper but itself and the errors"
    assert "include" not in re.findall(r"^\s*(include)\s+[\"']", code, re.MULTILINE), f"{path}: join modules by cimport"


def test_benchmark_uses_the_core_only_where_it_is_what_is_looked_at() -> None:
    outside = [path for path in files(".py", under=("bench",)) if path.parts[1] not in ("micro", "simulate")]
    uses = [f"{p}: {name}" for p in outside for _, name in imported_modules(p) if name.startswith("clipper._core")]
    assert not uses, "\n".join(uses)


@pytest.mark.parametrize("path", files(".py", under=("model_containers",)), ids=str)
def test_container_package_needs_neither_clipper_nor_anything_compiled_of_ours(path: Path) -> None:
    roots = {name.split(".")[0] for _, name in imported_modules(path)}
    allowed = set(sys.stdlib_module_names) | {"model_containers"} | CONTAINER_LIBRARIES
    for container, libraries in CONTAINER_EXTRAS.items():
        if container in (*path.parts, path.stem):
            allowed |= libraries
    assert roots <= allowed, f"{path} imports {roots - allowed}"


def test_container_package_holds_no_compiled_source() -> None:
    assert files(".pyx", ".pxd", ".hpp", ".cpp", ".c", under=("model_containers",)) == []
