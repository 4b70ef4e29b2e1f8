"""What a SIGKILL leaves of a store: every commit that was acknowledged, and of none a part."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipper.state.open import open_store
from tests.support.redis_server import NEEDS_REDIS, RedisServer

LOOP = Path(__file__).parents[1] / "support" / "commit_loop.py"
KILLS = 3


@contextlib.contextmanager
def committing(url: str, run_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the loop until the block is left, at the latest."""
    loop = subprocess.Popen(
        [sys.executable, str(LOOP), url, str(run_dir)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield loop
    finally:
        loop.kill()
        loop.communicate()


def read_revisions(loop: subprocess.Popen[bytes], count: int) -> int:
    """Return the last of ``count`` revisions that the loop says are acknowledged."""
    assert loop.stdout is not None and loop.stderr is not None
    lines = [loop.stdout.readline() for _ in range(count)]
    assert lines[-1], loop.stderr.read().decode()
    return int(lines[-1])


def check_whole(url: str, run_dir: Path, acknowledged: int) -> None:
    """The state is that of one commit, and of no earlier one than the last that was acknowledged."""
    store = open_store(url, run_dir)
    try:
        state = store.load()
    finally:
        store.close()
    assert state.revision >= acknowledged
    assert set(state.documents) == {"left", "right", f"only/{state.revision}"}
    assert {state.documents[side]["revision"] for side in ("left", "right")} == {state.revision}


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("redis", marks=NEEDS_REDIS)])
def test_writer_killed_while_it_commits_leaves_whole_commits_only(backend: str, tmp_path: Path) -> None:
    moments = random.Random(backend)
    with contextlib.ExitStack() as stack:
        url = "" if backend == "sqlite" else stack.enter_context(RedisServer(tmp_path)).url()
        for _ in range(KILLS):
            with committing(url, tmp_path) as loop:
                acknowledged = read_revisions(loop, moments.randrange(1, 60))
            check_whole(url, tmp_path, acknowledged)


@NEEDS_REDIS
def test_redis_server_killed_while_it_commits_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    moments = random.Random("server")
    with RedisServer(tmp_path) as server:
        for _ in range(KILLS):
            with committing(server.url(), tmp_path) as loop:
                acknowledged = read_revisions(loop, moments.randrange(1, 60))
                server.kill()
                _, errors = loop.communicate(timeout=30)
            assert b"Redis cannot be reached" in errors
            server.start()
            check_whole(server.url(), tmp_path, acknowledged)
