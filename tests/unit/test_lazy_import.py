"""`import clipper` is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

import clipper

HEAVY = {"clipper._core", "clipper.management", "clipper.client", "httpx", "rich", "fastapi", "numpy", "zmq"}


def test_importing_clipper_loads_neither_core_nor_http_stack() -> None:
    code = (
        "import sys, clipper\n"
        "loaded = {name.split('.')[0] for name in sys.modules} | {n for n in sys.modules if n.startswith('clipper.')}\n"
        f"sys.exit(sorted(loaded & {HEAVY}) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", clipper.__all__)
def test_public_name_resolves(name: str) -> None:
    assert getattr(clipper, name) is not None
    assert name in dir(clipper)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        clipper.nonsense  # noqa: B018
