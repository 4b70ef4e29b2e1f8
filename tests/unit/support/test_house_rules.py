"""The rules of the test suite, on suites made to break them."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.repository import ROOT

PLUGINS = ("-p", "tests.support.left_out", "-p", "tests.support.leaks", "-p", "no:cacheprovider")


@pytest.fixture
def run_suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory in which pytest runs in a process of its own, with our plugins."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess(*PLUGINS, *arguments, timeout=50)


OPTIONAL = """
import pytest

@pytest.mark.optional("no-such-program", "apt-get install -y no-such-program")
def test_that_needs_it(): pass

def test_that_does_not(): pass
"""


def test_missing_optional_part_is_listed_with_the_line_that_installs_it(run_suite: pytest.Pytester) -> None:
    result = run(run_suite, OPTIONAL, "--report-to=report.json")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0
    line = "1 test(s): no-such-program is missing*apt-get install -y no-such-program"
    result.stdout.fnmatch_lines(["*left out*", line])
    report = json.loads((run_suite.path / "report.json").read_text())
    assert (report["passed"], report["skipped"], len(report["left_out"])) == (1, 1, 1)


def test_missing_optional_part_fails_where_nothing_may_be_left_out(run_suite: pytest.Pytester) -> None:
    assert run(run_suite, OPTIONAL, "--fail-on-left-out").ret == 1


def test_missing_parts_are_written_as_install_lines_without_running(run_suite: pytest.Pytester) -> None:
    result = run(run_suite, OPTIONAL, "--collect-only", "--missing-parts-to=parts.txt")
    assert result.ret == 0
    assert (run_suite.path / "parts.txt").read_text() == "apt-get install -y no-such-program\n"


def test_missing_right_is_listed_and_never_fails(run_suite: pytest.Pytester) -> None:
    source = """
    import pytest
    @pytest.mark.needs_kernel_rights("magic", "false")
    def test_magic(): pass
    """
    result = run(run_suite, source, "--fail-on-left-out")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["1 test(s): not allowed here: magic*"])


def test_plain_skip_fails_where_nothing_may_be_left_out(run_suite: pytest.Pytester) -> None:
    source = """
    import pytest
    def test_lazy(): pytest.skip("not today")
    """
    result = run(run_suite, source, "--fail-on-left-out")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*test_lazy: *not today*"])


def test_unhandled_loop_exception_fails_the_test_during_which_it_came(run_suite: pytest.Pytester) -> None:
    source = """
    import asyncio
    def fail(): raise RuntimeError("nobody catches this")
    def test_callback():
        async def main():
            asyncio.get_running_loop().call_soon(fail)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        asyncio.run(main())
    """
    result = run(run_suite, source)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the event loop reported*"])


def test_process_left_behind_fails_the_session_even_as_an_orphan(run_suite: pytest.Pytester) -> None:
    source = """
    import subprocess
    def test_orphan():
        subprocess.run(["sh", "-c", "sleep 20 >/dev/null 2>&1 & echo $! > orphan.pid"], check=True)
    """
    result = run(run_suite, source)
    os.kill(int((run_suite.path / "orphan.pid").read_text()), 9)
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*processes left behind*", "*sleep 20*"])
