"""Rows about the state store: it is locked, its disk is full, it is damaged, it is gone."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.reliability.client import Outcome
from bench.reliability.context import Bench
from bench.reliability.instance import DEFAULT, MANAGEMENT, Instance
from bench.reliability.load import Load, check_answers
from bench.reliability.redis_server import INSTALL, RedisServer
from bench.reliability.scenario import row
from clipper import ClipperError
from clipper.config import StateConfig

SLO_US = 1_000_000
RATE_PER_S = 200
CLAIM = "clear error, serving goes on from the last snapshot"


@contextlib.contextmanager
def _served(bench: Bench, instance: Instance) -> Iterator[None]:
    """Serve under load for the length of a block, and check that nobody noticed anything."""
    with instance.serving(SLO_US, base_us=2000) as app, Load(instance, app, RATE_PER_S) as load:
        time.sleep(bench.pick(0.3, 5.0))
        yield
        time.sleep(bench.pick(0.3, 5.0))
    check_answers(bench, load.account)
    missed = load.account.requests - load.account.count(Outcome.ANSWERED)
    bench.check("without a prediction", missed, missed == 0)


def _check_refused(bench: Bench, instance: Instance, *words: str) -> None:
    """A change fails, says why, and changes nothing."""
    before = {one["name"] for one in instance.clipper.status()["applications"]}
    said = _failure(lambda: instance.clipper.register_application("refused", "doubles", DEFAULT, SLO_US))
    is_clear = said is not None and all(word in said for word in words)
    bench.check("a change says", repr(_shortened(said, instance)), is_clear)
    after = {one["name"] for one in instance.clipper.status()["applications"]}
    bench.check("it changed", "nothing" if before == after else "something", before == after)


def _check_mended(bench: Bench, instance: Instance) -> None:
    """Afterwards the same change is made."""

    def is_made() -> bool:
        return _failure(lambda: instance.clipper.register_application("made", "doubles", DEFAULT, SLO_US)) is None

    took_s = bench.wait_until(is_made, what="the change")
    bench.check("it is made again after", f"{took_s:.1f} s", True)
    instance.clipper.delete_application("made")


def _failure(change: Callable[[], object]) -> str | None:
    try:
        change()
    except ClipperError as error:
        return str(error)
    return None


def _shortened(said: str | None, instance: Instance) -> str:
    return (said or "nothing").replace(str(instance.run_dir), "RUN_DIR").splitlines()[0]


@row("state-locked", scenario="state store locked by another process", claim=CLAIM, order=90)
def state_locked(bench: Bench) -> None:
    """A writer that does not let go for longer than the limit."""
    with bench.own(state=StateConfig(lock_limit_us=200_000)) as instance, _served(bench, instance):
        with contextlib.closing(sqlite3.connect(_file(instance), isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            _check_refused(bench, instance, "another process keeps it locked")
            holder.execute("ROLLBACK")
        _check_mended(bench, instance)


@row("state-full", scenario="the state store's disk is full", claim=CLAIM, order=91)
def state_full(bench: Bench) -> None:
    """No file of management's may grow further, which is a full disk for this process alone."""
    with bench.own() as instance, _served(bench, instance):
        management = instance.pid_of(MANAGEMENT)
        unlimited = resource.prlimit(management, resource.RLIMIT_FSIZE)
        resource.prlimit(management, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        _check_refused(bench, instance, "nothing was changed", "disk")
        resource.prlimit(management, resource.RLIMIT_FSIZE, unlimited)
        _check_mended(bench, instance)


@row("state-corrupt", scenario="the state store's file is overwritten with garbage", claim=CLAIM, order=92)
def state_corrupt(bench: Bench) -> None:
    """Under the running management, and then under one that starts."""
    with bench.own() as instance, _served(bench, instance):
        file = _file(instance)
        saved = file.read_bytes()
        _overwrite(file, b"no database, by far" * (len(saved) // 19 + 1))
        _check_refused(bench, instance, str(file), "overwritten")
        os.kill(instance.pid_of(MANAGEMENT), signal.SIGKILL)
        words = "no SQLite file"
        bench.wait_until(lambda: words in instance.log("management"), what="management's complaint")
        bench.check("a management that starts says", repr(words), True)
        _overwrite(file, saved)
        _check_mended(bench, instance)


@row(
    "redis-gone",
    scenario="Redis, as the state store, is killed and comes back",
    claim=CLAIM,
    order=93,
    needs=("redis-server", INSTALL),
)
def redis_gone(bench: Bench) -> None:
    """What was set is there again when it is back."""
    with tempfile.TemporaryDirectory(prefix="clipper-redis-") as directory, RedisServer(Path(directory)) as redis:
        state = StateConfig(redis.url(), answer_limit_us=600_000)
        with bench.own(state=state) as instance, _served(bench, instance):
            redis.kill()
            _check_refused(bench, instance, "Redis cannot be reached")
            redis.start()
            _check_mended(bench, instance)


def _overwrite(file: Path, data: bytes) -> None:
    """Write over it without another file in its place, as a program does that takes it for its own."""
    with file.open("r+b") as opened:
        opened.write(data)


def _file(instance: Instance) -> Path:
    return instance.run_dir / "state.sqlite"
