"""The fuzzers' corpus on the modules as built, and the fuzzers themselves for some seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.http_target import run_one

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
RUN_S = 8


@pytest.mark.parametrize("file", sorted((CORPUS / "http").iterdir()), ids=lambda file: file.name)
def test_stream_of_the_corpus_keeps_the_promises_of_the_http_server(file: Path) -> None:
    run_one(file.read_bytes())


def test_every_fuzzer_has_a_corpus() -> None:
    names = {source.name.removesuffix("_fuzz.cpp") for source in (ROOT / "tests" / "fuzz").glob("*_fuzz.cpp")}
    assert names == {directory.name for directory in CORPUS.iterdir() if any(directory.iterdir())}


@pytest.mark.optional("clang++-19", "apt-get install -y --no-install-recommends clang-19 libclang-rt-19-dev")
@pytest.mark.timeout(600)
def test_fuzzers_find_nothing_in_a_short_run() -> None:
    command = ["scripts/fuzz", "--seconds", str(RUN_S)]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("no finding") >= 5
