"""The command line as a user runs it: processes of their own, in a directory of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.repository import ROOT

CLIPPER = (sys.executable, "-m", "clipper")
# In front of a command that is to end at Ctrl-C: nohup and `&` leave these signals ignored, in the tests and from there
# in all that they start.
IN_TERMINAL = ("env", "--default-signal=HUP,INT")
RUN_LIMIT_S = 60


def clipper_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a user who has nothing but this home; free ports, and no option of the tester's.

    Nor PYTHONUNBUFFERED, which users do not set, and which hides that a command leaves its words in a buffer.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CLIPPER_") and name != "PYTHONUNBUFFERED"
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "CLIPPER_LISTEN__QUERY_PORT": "0",
        "CLIPPER_LISTEN__MANAGEMENT_PORT": "0",
        **variables,
    }


def run_clipper(
    home: Path, *arguments: str, stdin: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*CLIPPER, *arguments],
        cwd=home,
        env=clipper_environment(home, **variables),
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """Give a home whose path is short enough for Unix sockets; what still runs in it is stopped at the end."""
    home = Path(tempfile.mkdtemp(prefix="cli-", dir="/tmp"))
    try:
        yield home
    finally:
        run_clipper(home, "stop", "--force")
        shutil.rmtree(home, ignore_errors=True)
