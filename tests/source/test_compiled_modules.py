"""Each compiled module has its stub, is in the one list of sources, and states the error contract of its functions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.repository import ROOT, files, text_of, without_cython_comments

CORE = files(".pyx", under=("clipper",))
DECLARATIONS = files(".pyx", ".pxd", under=("clipper",))
PYTHON_TYPES = {"object", "tuple", "list", "dict", "set", "frozenset", "bytes", "bytearray", "str", "type"}


def listed_modules() -> list[str]:
    found = re.search(r"set\(CLIPPER_CORE_MODULES\s+([^)]*)\)", text_of(Path("CMakeLists.txt")))
    assert found, "CMakeLists.txt has no CLIPPER_CORE_MODULES"
    return re.sub(r"#[^\n]*", "", found.group(1)).split()


def test_list_of_core_modules_names_every_source_once() -> None:
    listed = listed_modules()
    assert sorted(listed) == sorted(path.stem for path in CORE)


@pytest.mark.parametrize("path", CORE, ids=str)
def test_compiled_module_has_a_stub_and_is_documented(path: Path) -> None:
    stub = ROOT / path.with_suffix(".pyi")
    assert stub.is_file(), f"{path} has no {stub.name}"
    described = [stub.read_text().startswith('"""'), re.match(r'(?:#[^\n]*\n)*"""', text_of(path)) is not None]
    assert any(described), f"neither {path.name} nor {stub.name} says what the module is"


def extension_classes() -> set[str]:
    declared = "\n".join(text_of(path) for path in DECLARATIONS)
    return set(re.findall(r"cdef\s+class\s+(\w+)", declared))


def declared_functions(code: str) -> list[tuple[int, str]]:
    """Find (line, declaration) of every C-level function, joined over lines, outside `cdef extern` blocks."""
    lines = code.split("\n")
    found: list[tuple[int, str]] = []
    extern_indent: int | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        indent = len(line) - len(line.lstrip())
        if extern_indent is not None and line.strip() and indent <= extern_indent:
            extern_indent = None
        if re.match(r"\s*cdef\s+extern\b", line):
            extern_indent = indent
        start = number
        head = re.match(r"\s*(?:cdef|cpdef)\s+(?!class\b|extern\b|struct\b|enum\b|union\b|packed\b|cppclass\b)", line)
        if head and extern_indent is None and re.match(r"[^=(]*\w\s*\(", line[head.end() :]):
            declaration = line
            while declaration.count("(") > declaration.count(")") and number + 1 < len(lines):
                number += 1
                declaration += " " + lines[number].strip()
            found.append((start + 1, declaration.strip()))
        number += 1
    return found


def returns_python_object(declaration: str, classes: set[str]) -> bool:
    """A function that returns an object signals failure by NULL, in C as in Cython: nothing needs to be stated."""
    head = declaration[: declaration.index("(")].split()
    words = [word for word in head[1:-1] if word not in {"inline", "public", "api", "final"}]
    return not words or words[0].split("[")[0] in PYTHON_TYPES | classes


def states_contract(declaration: str) -> bool:
    """Whether a clause stands behind the closing parenthesis of the arguments (callbacks among them have their own)."""
    depth = 0
    for position, character in enumerate(declaration):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth == 0:
            return re.search(r"\b(noexcept|except)\b", declaration[position:]) is not None
    return False


@pytest.mark.parametrize("path", DECLARATIONS, ids=str)
def test_c_level_function_states_its_error_contract(path: Path) -> None:
    classes = extension_classes()
    silent = [
        f"{path}:{line}: {declaration}"
        for line, declaration in declared_functions(without_cython_comments(text_of(path)))
        if not returns_python_object(declaration, classes) and not states_contract(declaration)
    ]
    assert not silent, "state noexcept, except -1, except NULL or except *:\n" + "\n".join(silent)


@pytest.mark.parametrize(
    ("declaration", "is_stated"),
    [
        ("cdef int f(self, uint32_t slot) noexcept", True),
        ("cdef inline int f(void (*callback)(int) noexcept) except -1 nogil:", True),
        ("cdef int f(void (*callback)(int) noexcept):", False),
        ("cdef uint64_t depth(self)", False),
        ("cdef tuple export(const CHistogram* source)", True),
        ("cdef object f(self):", True),
        ("cdef Output* g(self) except NULL:", True),
    ],
)
def test_contract_rule_itself_tells_stated_from_silent(declaration: str, is_stated: bool) -> None:
    [(_, found)] = declared_functions(declaration)
    assert (returns_python_object(found, set()) or states_contract(found)) == is_stated
