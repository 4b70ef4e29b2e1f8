"""Tables of the documents that repeat what stands in code: limits, error codes, metrics."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from clipper.config import keys
from tests.support import document_tables
from tests.support.repository import files, text_of

HTTP_API, CONFIGURATION = Path("docs/http-api.md"), Path("docs/configuration.md")
MARKED = r"<!-- {kind}: ([\w.]+) -->\n(.*?)<!-- end -->"
PARSED_BODY = Path("clipper/_core/parsed_body.hpp")


def marked(path: Path, kind: str) -> dict[str, str]:
    """Return the tables between markers of one kind, by name."""
    return dict(re.findall(MARKED.format(kind=kind), text_of(path), re.DOTALL))


def limits_of_code(name: str) -> Mapping[str, object]:
    """Return the fields of an options class with their defaults."""
    if name == "BodyLimits":
        constants = dict(
            re.findall(r"constexpr uint64_t (k\w+) = (\d+);", text_of(Path("clipper/_core/json_scan.hpp")))
        )
        body = text_of(PARSED_BODY).split("struct BodyLimits {")[1].split("};")[0]
        found = re.findall(r"uint64_t (\w+) = ([^;]+);", body)
        return {limit: number_of(constants.get(value, value)) for limit, value in found}
    module, _, kind = name.rpartition(".")
    options = getattr(importlib.import_module(module), kind)
    return {field.name: field.default for field in fields(options)}


def number_of(text: str) -> int:
    """Return the value of a C++ constant as the core writes them: 4096, uint64_t{16} << 20."""
    shifted = re.fullmatch(r"uint64_t\{(\d+)\} << (\d+)", text)
    return int(shifted[1]) << int(shifted[2]) if shifted else int(text)


def written(name: str, value: object) -> str:
    """Return a default as documents write it."""
    if not isinstance(value, int):
        return f"`{value}`"
    units = ((1, " us"), (1_000, " ms"), (1_000_000, " s")) if name.endswith("_us") else ((1, ""),)
    if name.endswith("_bytes"):
        units = ((1, ""), (1 << 10, " KiB"), (1 << 20, " MiB"))
    size, unit = max((size, unit) for size, unit in units if value % size == 0)
    return f"{value // size:,}{unit}"


def test_limits_of_a_document_are_the_fields_and_defaults_of_the_code() -> None:
    tables = marked(HTTP_API, "limits")
    assert tables
    for name, table in tables.items():
        code = limits_of_code(name)
        assert MISSING not in code.values()
        told = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
        assert told == {limit: written(limit, value) for limit, value in code.items()}, name


def codes_of_code(*patterns: str, of: str) -> set[str]:
    sources = "\n".join(
        re.sub(r"//.*", "", text_of(path)) for path in files(".pyx", ".hpp") if re.fullmatch(of, str(path))
    )
    return {code for pattern in patterns for code in re.findall(pattern, sources)}


def codes_of_feedback() -> set[str]:
    """Return what an update path refuses with beside its body."""
    return set(re.findall(r'\d{3}, "(\w+)", cause', text_of(Path("clipper/frontend/feedback.py"))))


CORE = r"clipper/_core/"
BODY_FILES = CORE + r"(predict_body|body_\w+|input_reader|base64|json_string|json_scan)\.hpp"
CODES = {
    "http": codes_of_code(
        r'refus\w*\(\s*\d+, b?"(\w+)"', r'respond_error\([\w.]+, \d+, b"(\w+)"',
        of=CORE + r"(http_\w+\.pyx|request_head\.hpp)",
    ),
    "body": codes_of_code(
        r'refuse\w*\(\s*(?:out, )?(?:[^";]*? \? )?"(\w+)"', r'\? "wrong_type" : "(\w+)"', r'k\w+ = "(\w+)";',
        r'error_code = "(\w+)"', of=BODY_FILES,
    ),
    "query": codes_of_code(r'\{50\d, "(\w+)"', r'400, b"(\w+)"', of=CORE + r"(reply\.hpp|query_processor\.pyx)"),
    "update": codes_of_code(r'refuse\w*\(\s*"(\w+)"', of=CORE + r"update_body\.hpp"),
    "feedback": codes_of_feedback(),
}  # fmt: skip
# Answered where code contradicts itself: 500 of the protocol's table, whoever finds it.
BUGS = {"body": {"internal_error"}, "update": {"wrong_type", "out_of_range", "duplicate_key"}}


@pytest.mark.parametrize("part", CODES)
def test_error_codes_of_the_document_are_those_of_the_code(part: str) -> None:
    table = marked(HTTP_API, "codes")[part]
    rows = table.split("---|\n")[1]
    told = set(re.findall(r"^\|(?: \d{3} \|)? `(\w+)` \|", rows, re.MULTILINE))
    assert told == CODES[part] - BUGS.get(part, set())


@pytest.mark.parametrize("path", document_tables.DOCUMENTS, ids=lambda path: path.name)
def test_tables_of_metrics_and_options_are_as_the_code_renders_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert document_tables.with_tables(text) == text, "run: python -m tests.support.document_tables"


def test_every_option_stands_in_a_table() -> None:
    told = set(re.findall(r"^\| `((?:\w+\.)?\w+)` \|", text_of(CONFIGURATION), re.MULTILINE))
    assert set(keys()) <= told
