"""Failures that no assertion sees: errors logged by an event loop, and processes that outlive the session.

(Exceptions in ``__del__``, in ``noexcept`` functions and in threads are made errors by pyproject.toml's
``filterwarnings``.)
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

_SESSION_VARIABLE = "CLIPPER_TEST_SESSION"
_GRACE_S = 3.0
_HELPERS = ("multiprocessing.resource_tracker", "loky.backend.resource_tracker", "multiprocessing.forkserver")
"""Helper processes of Python and joblib that live exactly as long as this process and end by themselves."""


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def no_unhandled_loop_exception(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which an event loop reported an exception that nobody handled.

    asyncio and uvloop both report through the logger "asyncio". A test that provokes one on purpose carries the mark
    ``loop_errors_expected``.
    """
    collector = _Collector()
    logger = logging.getLogger("asyncio")
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
    if collector.messages and request.node.get_closest_marker("loop_errors_expected") is None:
        pytest.fail("the event loop reported:\n" + "\n".join(collector.messages), pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    """Mark this session in the environment that every child inherits, so that orphans are found, too."""
    config.addinivalue_line("markers", "loop_errors_expected: the test provokes an unhandled event loop exception")
    os.environ[_SESSION_VARIABLE] = uuid.uuid4().hex


def pytest_unconfigure() -> None:
    """Take the mark back."""
    os.environ.pop(_SESSION_VARIABLE, None)


def leftover_processes(session_id: str) -> dict[int, str]:
    """Return pid -> command line of every live process, orphans included, that this session started."""
    found: dict[int, str] = {}
    needle = f"{_SESSION_VARIABLE}={session_id}".encode()
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            if needle not in (directory / "environ").read_bytes().split(b"\0"):
                continue
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            state = (directory / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # it ended while we looked, or it is not ours to look at
        if state != "Z" and not any(helper in command for helper in _HELPERS):
            found[int(directory.name)] = command
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session if a process that a test started is still running."""
    session_id = os.environ.get(_SESSION_VARIABLE, "")
    deadline = time.monotonic() + _GRACE_S
    while (left := leftover_processes(session_id)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if not left:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.section("processes left behind", red=True)
        for pid, command in left.items():
            reporter.write_line(f"{pid}: {command}")
    session.exitstatus = pytest.ExitCode.TESTS_FAILED
