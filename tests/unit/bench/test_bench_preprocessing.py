"""The benchmark of preprocessing: it checks what it times, and its page says only what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.preprocessing import measure, subjects
from bench.preprocessing.device_record import load as load_record
from bench.preprocessing.device_record import render as render_record
from bench.preprocessing.report import render
from bench.preprocessing.run_record import Run, load, save
from tests.support.gpu_tables import RECORDS

CASE = measure.CASES[0]


@pytest.fixture(scope="module")
def run() -> Run:
    return measure.measure(["ours, numpy", "Pillow", "ours, cupy"], [CASE.name], is_quick=True, commit="0123456789")


def test_quick_run_measures_what_is_there_and_says_what_is_missing(run: Run) -> None:
    assert {"ours, numpy", "Pillow"} <= {cell.subject for cell in run.cells}
    assert not run.failures and run.cells[0].furthest_difference == 0.0
    assert bool(run.device) != ("ours, cupy" in run.missing)


def test_run_survives_its_file_and_the_page_shows_all_of_it(run: Run, tmp_path: Path) -> None:
    save(run, tmp_path / "run.json")
    again = load(tmp_path / "run.json")
    assert again == run
    page = render(again)
    assert f"| {CASE.name} |" in page and "commit 01234567" in page and "**Wrong" not in page
    (tmp_path / "run.json").write_text('{"schema": 0}')
    with pytest.raises(ValueError, match="has schema 0; this version reads 1"):
        load(tmp_path / "run.json")


def test_subject_that_computes_something_else_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(subjects.Ours):
        name = "wrong"

        def prepare(self, images: Sequence[Any]) -> Any:
            return np.zeros_like(super().prepare(images))

    monkeypatch.setattr(measure, "SUBJECTS", (subjects.Ours(), Wrong()))
    found = measure.measure(None, [CASE.name], is_quick=True)
    assert len(found.failures) == 1 and found.failures[0].startswith("wrong on arrays of 256 x 256: off by")
    assert "**Wrong:**" in render(found)


def test_records_of_the_device_are_rendered_with_device_and_commit() -> None:
    record = load_record(RECORDS / "device-tests-h100.json")
    page = render_record(record)
    assert record.device in page and record.machine.commit[:8] in page
    assert all(claim.sentence in page for claim in record.claims)
