"""The bar of ``clipper build-image``: moved by the steps of a build, not by the lines of one."""

from __future__ import annotations

import pytest

from clipper.cli.build_image import _by_steps
from clipper.cli.progress import progress


def test_bar_follows_the_steps_and_shows_the_lines_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("building mine:1", "steps") as show:
        say = _by_steps(show)
        for line in ("the context", "Step 1/3 : FROM base:1", "Step 3/3 : COPY a b", "Using cache"):
            say(line)
    assert capsys.readouterr().err.splitlines() == [
        "building mine:1: the context",
        "building mine:1: FROM base:1 (0 of 3 steps)",
        "building mine:1: COPY a b (2 of 3 steps)",
        "building mine:1: Using cache (2 of 3 steps)",
    ]
