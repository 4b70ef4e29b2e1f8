"""What an earlier life of a run directory has left running ends, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clipper.supervisor.orphans import MARK_FILE_NAME, MARK_VARIABLE, end_orphans, read_mark

SLEEP = "import signal; print('up', flush=True); signal.pause()"
LIMIT_US = 10_000_000


def test_mark_is_made_once_and_stays(tmp_path: Path) -> None:
    mark = read_mark(tmp_path)
    assert read_mark(tmp_path) == mark
    assert len(mark) == 32
    (tmp_path / MARK_FILE_NAME).write_text(mark[:7])
    assert len(read_mark(tmp_path)) == 32
    assert (tmp_path / MARK_FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_process_with_the_mark_ends_with_what_it_has_spawned_and_others_live(tmp_path: Path) -> None:
    mark = read_mark(tmp_path)
    spawner = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).wait()"
    marked = {**os.environ, MARK_VARIABLE: mark}
    other = {**os.environ, MARK_VARIABLE: mark[::-1] + "0"}
    with (
        subprocess.Popen([sys.executable, "-c", spawner], env=marked, stdout=subprocess.PIPE) as orphan,
        subprocess.Popen([sys.executable, "-c", SLEEP], env=other, stdout=subprocess.PIPE) as neighbour,
    ):
        assert orphan.stdout is not None
        assert neighbour.stdout is not None
        assert orphan.stdout.readline() == neighbour.stdout.readline() == b"up\n"
        killed = end_orphans(mark, LIMIT_US)
        assert orphan.pid in killed
        assert orphan.wait(10) == -9
        assert orphan.stdout.read() == b"", "its child is gone, too, or it would hold the pipe"
        assert neighbour.poll() is None
        neighbour.kill()
    assert end_orphans(mark, LIMIT_US) == []


def test_process_that_starts_clipper_is_spared_although_it_carries_the_mark(tmp_path: Path) -> None:
    mark = read_mark(tmp_path)
    code = f"from clipper.supervisor.orphans import end_orphans; print(end_orphans({mark!r}, 1_000_000))"
    # A shell in between, so that there is more than one ancestor.
    command = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"]
    done = subprocess.run(command, env={**os.environ, MARK_VARIABLE: mark}, capture_output=True, check=True)
    assert done.stdout == b"[]\n", done.stderr
