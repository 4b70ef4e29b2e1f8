"""The last lines of ``.ci/run``: every test that there is has run in one part of the suite."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.support.repository import ROOT

COLLECTED = (
    "tests/a/test_a.py::test_one[x::y]\ntests/a/test_a.py::test_two\ntests/b/test_b.py::test_three\n\n3 tests collected"
)
NONE = {"passed": 0, "failed": 0, "error": 0, "skipped": 0, "xfailed": 0, "xpassed": 0, "left_out": []}


def close(directory: Path, *reports: dict[str, object], without: str = "") -> subprocess.CompletedProcess[str]:
    (directory / "collected").write_text(COLLECTED)
    names = []
    for index, report in enumerate(reports):
        names.append(str(directory / f"report-{index}.json"))
        Path(names[-1]).write_text(json.dumps({**NONE, **report}))
    options = ["--since", str(int(time.time())), "--collected", str(directory / "collected"), "--without", without]
    command = [sys.executable, str(ROOT / "scripts" / "closing_lines.py"), *options, *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_parts_that_ran_every_test_end_with_their_sum(tmp_path: Path) -> None:
    done = close(tmp_path, {"passed": 2}, {"skipped": 1, "left_out": ["1 test(s): no CUDA device"]})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Left out:\n  1 test(s): no CUDA device\n=== 2 passed, 1 skipped in ")


def test_file_in_no_part_fails_the_run_and_one_that_is_named_does_not(tmp_path: Path) -> None:
    done = close(tmp_path, {"passed": 2})
    assert done.returncode == 1
    assert "2 tests ran and 3 were collected" in done.stderr
    assert close(tmp_path, {"passed": 2}, without="tests/b/test_b.py").returncode == 0


def test_file_in_two_parts_fails_the_run(tmp_path: Path) -> None:
    assert close(tmp_path, {"passed": 3}, {"passed": 1}).returncode == 1
