"""Children under a real loop: output always drained and rotated, exits reported with everything on disk."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from clipper.config import LogConfig
from clipper.log_file import START_MARK, rotated_path
from clipper.supervisor.child import Child
from clipper.supervisor.children import ChildTable
from clipper.supervisor.event_loop import EventLoop
from tests.support.processes import watch_deaths


class Nursery:
    """A loop that ends when its one child has."""

    def __init__(self, log_config: LogConfig | None = None) -> None:
        self.loop = EventLoop()
        self.table = ChildTable(self.loop, log_config or LogConfig())
        self.codes: list[int] = []

    def spawn(self, code: str, log_path: Path) -> Child:
        return self.table.spawn("child", [sys.executable, "-c", code], os.environ, log_path, self._on_exit)

    def run(self) -> int:
        self.loop.call_later(20_000_000, self.loop.stop)  # the bound of the test
        self.loop.run()
        assert len(self.codes) == 1, "the child did not end in time"
        return self.codes[0]

    def _on_exit(self, child: Child, code: int) -> None:
        self.codes.append(code)
        self.loop.stop()


def test_child_that_writes_ten_megabytes_to_stderr_is_not_blocked_and_its_log_rotates(tmp_path: Path) -> None:
    log_config = LogConfig(max_bytes=1_000_000, keep_count=2)
    nursery = Nursery(log_config)
    nursery.spawn("import sys\nfor _ in range(10_000): sys.stderr.write('x' * 1_023 + '\\n')", tmp_path / "x.log")
    assert nursery.run() == 0
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == 3 and max(sizes) <= log_config.max_bytes
    assert log_config.max_bytes - 1_024 <= rotated_path(tmp_path / "x.log", 1).stat().st_size


def test_last_words_of_a_child_are_in_the_log_when_its_exit_is_reported(tmp_path: Path) -> None:
    nursery = Nursery()
    nursery.spawn("import sys\nprint('last words')\nsys.exit(7)", tmp_path / "x.log")
    assert nursery.run() == 7
    first, *rest = (tmp_path / "x.log").read_text().splitlines()
    assert first.startswith(START_MARK)
    assert rest == ["last words"]


def test_child_that_ignores_sigterm_is_killed_at_the_limit(tmp_path: Path) -> None:
    nursery = Nursery()
    ready_path = tmp_path / "ready"
    os.mkfifo(ready_path)
    child = nursery.spawn(
        f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen({str(ready_path)!r}, 'w').close()\n"
        "while True: signal.pause()",
        tmp_path / "x.log",
    )
    ready_path.open().close()  # returns when the child has opened it
    nursery.table.stop(child, limit_us=50_000)
    assert nursery.run() == -signal.SIGKILL
    assert not nursery.table.is_alive(child)
    nursery.table.stop(child, limit_us=0)


def test_what_a_child_has_spawned_ends_with_it(tmp_path: Path) -> None:
    nursery = Nursery()
    pid_path = tmp_path / "pid"
    nursery.spawn(
        "import subprocess, sys\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        f"open({str(pid_path)!r}, 'w').write(str(grandchild.pid))",
        tmp_path / "x.log",
    )
    assert nursery.run() == 0
    with watch_deaths([int(pid_path.read_text())]) as survivors:
        assert survivors(10) == []


def test_child_that_closes_its_output_is_still_watched(tmp_path: Path) -> None:
    nursery = Nursery()
    nursery.spawn("import os, time\nos.close(1); os.close(2)\ntime.sleep(0.05)\nos._exit(5)", tmp_path / "x.log")
    assert nursery.run() == 5
