"""A disk that is full or does not take writes: a typed error, nothing half done, and on it goes when it does again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clipper.state.sqlite import SqliteStore
from tests.support.repository import ROOT
from tests.support.restraints import needs_own_mounts, obeying_permissions, on_small_disk

REPORT = """
import json, pathlib, resource, sys
from clipper.errors import ClipperError
from clipper.state.sqlite import SqliteStore

directory = pathlib.Path(sys.argv[1])

def report(error, **more):
    print(json.dumps({"type": type(error).__name__, "status": error.http_status, "text": str(error), **more}))

def report_after(store, revision, error, is_whole):
    store.close()
    reopened = SqliteStore(directory / "state.sqlite")
    report(error, is_whole=is_whole, goes_on=reopened.load().revision == revision)

def commit_until_refused(store):
    revision = store.load().revision
    try:
        while True:
            revision = store.commit(revision, {f"model/{revision}": {"text": "x" * 5000}, "newest": {"at": revision}})
    except ClipperError as error:
        state = store.load()
        whole = {f"model/{number}" for number in range(revision)} | {"newest"}
        is_whole = state.revision == revision and set(state.documents) == whole
        return error, is_whole and state.documents["newest"] == {"at": revision - 1}
"""

FULL = """
(directory / "filler").write_bytes(bytes(200_000))
store = SqliteStore(directory / "state.sqlite")
error, is_whole = commit_until_refused(store)
again, is_still_whole = commit_until_refused(store)
(directory / "filler").unlink()
after = store.commit(store.load().revision, {"newest": {"text": "x" * 10_000}})
report_after(store, after, error, is_whole and is_still_whole)
"""

LIMITED = """
store = SqliteStore(directory / "state.sqlite")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
error, is_whole = commit_until_refused(store)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
after = store.commit(store.load().revision, {"newest": {"text": "x" * 10_000}})
report_after(store, after, error, is_whole)
"""

OPEN = """
try:
    SqliteStore(directory / "state.sqlite")
except ClipperError as error:
    report(error)
"""

FULL_AT_OPEN = (
    """
import contextlib
with contextlib.suppress(OSError), (directory / "filler").open("wb", buffering=0) as filler:
    while True:
        filler.write(bytes(4096))
"""
    + OPEN
)


def script(code: str, directory: Path) -> list[str]:
    return [sys.executable, "-c", REPORT + code, str(directory)]


def run(argv: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@needs_own_mounts
def test_full_disk_refuses_whole_commits_and_takes_them_again_when_there_is_space(tmp_path: Path) -> None:
    found = run(on_small_disk(script(FULL, tmp_path), str(tmp_path), 600_000))
    assert (found["type"], found["status"]) == ("StateUnavailableError", 503)
    assert "its disk is full" in found["text"] and "nothing was changed" in found["text"]
    assert "free some space" in found["text"] and str(tmp_path) in found["text"]
    assert found["is_whole"] and found["goes_on"]


def test_disk_that_takes_no_more_refuses_whole_commits_and_takes_them_again(tmp_path: Path) -> None:
    found = run(script(LIMITED, tmp_path))
    assert (found["type"], found["status"]) == ("StateUnavailableError", 503)
    assert "its disk does not take it" in found["text"]
    assert found["is_whole"] and found["goes_on"]


@needs_own_mounts
def test_state_on_a_full_disk_is_not_opened_and_says_why(tmp_path: Path) -> None:
    found = run(on_small_disk(script(FULL_AT_OPEN, tmp_path), str(tmp_path), 20_000))
    assert found["type"] == "StartError"
    assert "disk" in found["text"], found


@pytest.mark.parametrize("read_only", ["state.sqlite", "."])
def test_state_that_is_read_only_or_in_a_read_only_directory_is_refused(tmp_path: Path, read_only: str) -> None:
    SqliteStore(tmp_path / "state.sqlite").close()
    target = tmp_path / read_only
    target.chmod(0o555 if target.is_dir() else 0o400)
    try:
        found = run(obeying_permissions(script(OPEN, tmp_path)))
    finally:
        target.chmod(0o755)
    assert found["type"] == "StartError"
    assert "writable for the user that runs Clipper" in found["text"] and "state.sqlite" in found["text"]
