"""docs/gpu.md shows what was recorded, and what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from bench.preprocessing import device_record
from model_containers.gpu import pieces, sources, steps
from tests.support.gpu_tables import DOCUMENT, RECORDS, TABLE, tables, with_tables
from tests.support.repository import ROOT


def test_tables_of_the_gpu_document_are_as_recorded_and_as_the_code_has_them() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python -m tests.support.gpu_tables"
    assert {match.group(2) for match in TABLE.finditer(text)} == set(tables())


def test_every_claim_of_the_recorded_device_run_held_and_is_still_a_test() -> None:
    found = device_record.load(RECORDS / "device-tests-h100.json")
    assert found.device and all(claim.passed == claim.cases > 0 for claim in found.claims)
    sources_of_tests = "".join(path.read_text() for path in (ROOT / "tests" / "device").glob("test_*.py"))
    names = set(re.findall(r"^def (test_\w+)", sources_of_tests, re.MULTILINE))
    assert names == {claim.name for claim in found.claims}, "record again: python -m bench.preprocessing.device_record"


def test_limits_of_the_gpu_document_are_those_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    decode = sources.DecodeImage()
    for claim in (
        f"{decode.max_pixels:,} pixels",
        f"{decode.max_bytes >> 20} MiB",
        f"{steps.MAX_RESIZED_PIXELS:,} pixels",
        f"after {pieces.RETRY_AFTER_PIECES} good pieces",
        ", ".join(sources.FORMATS),
    ):
        assert claim in text, claim
    for name in steps.STEPS.values():
        assert f"`{name.__name__}" in text
    assert Path(ROOT / "examples" / "image_classification" / "serve.py").is_file()
