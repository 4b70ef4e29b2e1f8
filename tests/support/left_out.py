"""Which tests were left out, why, and the one line that would bring them back.

Marks
-----
``optional(part, install_line)``
    The test needs `part`, a program on the PATH or an importable module. Where it is missing the test is left out,
    and the summary shows `install_line`. ``.ci/run`` installs these lines first, so there it is never left out.
``needs_gpu``, ``needs_docker``, ``needs_kernel_rights(what, probe)``
    Hardware or rights that no package can bring: `probe` is a shell command that succeeds where `what` is allowed.

A test skipped in any other way is listed, too; with ``--fail-on-left-out`` everything that is not of the second
kind fails the session.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

_PROBE_LIMIT_S = 15
_COUNTED = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")

_missing_parts: dict[str, str] = {}
"""part -> install line, of what was found missing."""
_optional: Counter[str] = Counter()
_unavoidable: Counter[str] = Counter()
_explained: set[str] = set()
"""Node ids of the tests that a mark of ours left out."""
_other: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of ``.ci/run``."""
    group = parser.getgroup("left out")
    group.addoption("--fail-on-left-out", action="store_true", help="fail if a test was left out that need not be")
    group.addoption("--report-to", metavar="FILE", help="write counts and what was left out as JSON")
    group.addoption("--missing-parts-to", metavar="FILE", help="write the install lines of missing optional parts")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    for mark in (
        "optional(part, install_line): needs a program or module that is not always installed",
        "needs_gpu: needs a CUDA device",
        "needs_docker: needs a Docker daemon that answers",
        "needs_kernel_rights(what, probe): needs a right; probe is a shell command that succeeds where it is given",
    ):
        config.addinivalue_line("markers", mark)


def part_is_present(part: str) -> bool:
    """Whether `part` is a program on the PATH or an importable module."""
    return shutil.which(part) is not None or (part.isidentifier() and importlib.util.find_spec(part) is not None)


@cache
def _succeeds(command: str) -> bool:
    try:
        done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=_PROBE_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _missing_rights(item: pytest.Item) -> str:
    """Say what hardware or right the test needs and does not have; "" when nothing is missing."""
    if item.get_closest_marker("needs_gpu") and not Path("/dev/nvidiactl").exists():
        return "no CUDA device"
    if item.get_closest_marker("needs_docker") and not _succeeds("docker info"):
        return "no Docker daemon answers"
    for mark in item.iter_markers("needs_kernel_rights"):
        what, probe = mark.args
        if not _succeeds(probe):
            return f"not allowed here: {what}"
    return ""


def _missing_part(item: pytest.Item) -> str:
    """Name the optional part that the test needs and that is missing; "" when nothing is."""
    for mark in item.iter_markers("optional"):
        part, install_line = mark.args
        if not part_is_present(part):
            _missing_parts[part] = install_line
            return str(part)
    return ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave the test out if what its marks ask for is not there."""
    if reason := _missing_rights(item):
        _unavoidable[reason] += 1
        _explained.add(item.nodeid)
        pytest.skip(reason)
    if part := _missing_part(item):
        _optional[part] += 1
        _explained.add(item.nodeid)
        pytest.skip(f"{part} is missing: {_missing_parts[part]}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Note the skips that no mark of ours made."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and call.excinfo and item.nodeid not in _explained:
        _other.append(f"{item.nodeid}: {call.excinfo.value}")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note whole modules that skipped themselves."""
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _other.append(f"{report.nodeid}: {reason}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the install lines that the collected tests would need."""
    path = session.config.getoption("--missing-parts-to")
    if path:
        for item in session.items:
            _missing_part(item)
        Path(path).write_text("".join(f"{line}\n" for line in dict.fromkeys(_missing_parts.values())))


def left_out_lines() -> list[str]:
    """Describe everything that was left out, one line each."""
    lines = [f"{count} test(s): {reason} (no package can bring it)" for reason, count in sorted(_unavoidable.items())]
    for part, count in sorted(_optional.items()):
        lines.append(f"{count} test(s): {part} is missing; to install it:  {_missing_parts[part]}")
    return lines + [f"1 test(s): {line}" for line in _other]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the session if something was left out that need not be, where that was asked for."""
    if session.config.getoption("--fail-on-left-out") and (_optional or _other) and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Close with what was left out, and write the report."""
    lines = left_out_lines()
    if lines:
        terminalreporter.section("left out")
        for line in lines:
            terminalreporter.write_line(line)
    path = config.getoption("--report-to")
    if path:
        counts = {name: len(terminalreporter.stats.get(name, [])) for name in _COUNTED}
        Path(path).write_text(json.dumps({**counts, "left_out": lines}, indent=1))
