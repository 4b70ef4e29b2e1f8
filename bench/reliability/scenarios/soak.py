"""The soak: everything that happens to a Clipper in its life, again and again, under constant load."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.reliability.client import Outcome
from bench.reliability.context import Bench
from bench.reliability.instance import FRONTEND, MANAGEMENT, SUPERVISOR, Instance
from bench.reliability.leaks import settled
from bench.reliability.load import Load, check_answers
from bench.reliability.scenario import row
from clipper.bench.procfs import rss_bytes

SLO_US = 100_000
BASE_US, PER_ITEM_US, BATCH = 10_000, 500, 16
GROWTH_LIMIT_BYTES = 8 << 20
SAMPLE_INTERVAL_S = 0.5


@row(
    "soak",
    scenario="20 minutes at 70% with a deploy, a roll back and a kill every minute",
    claim="flat memory and file descriptors; all invariants hold (on the debug build: scripts/debug-test)",
    order=200,
)
def soak(bench: Bench) -> None:
    """The new version answers as the old one does, so that every answer can be judged."""
    rounds, round_s = bench.pick(2, 20), bench.pick(4.0, 60.0)
    one_serves_per_s = BATCH / (BASE_US + PER_ITEM_US * BATCH) * 1e6
    options = {"batch_size": BATCH}
    with bench.own() as instance:
        with (
            instance.serving(SLO_US, 2, model=options, base_us=BASE_US, per_item_us=PER_ITEM_US) as app,
            _watched(bench, instance) as watch,
            Load(instance, app, 0.7 * 2 * one_serves_per_s) as load,
        ):
            for number in range(rounds):
                started_s = time.monotonic()
                _live(bench, instance, app, number + 2)
                time.sleep(max(0.0, started_s + round_s - time.monotonic()))
        is_whole = [instance.pid_of(module) for module in (FRONTEND, MANAGEMENT, SUPERVISOR)] == watch.pids
    account = load.account
    check_answers(bench, account)
    # While one of the two is gone the other one cannot serve 140% of what it can.
    missed = account.count(Outcome.DEFAULT) + account.count(Outcome.REFUSED)
    bench.check(
        "defaults", f"{missed / account.requests:.1%}, {rounds} kills", missed < 0.1 * account.requests, is_timed=True
    )
    bench.check("frontend, management, supervisor", "ran through" if is_whole else "were restarted", is_whole)
    for name, samples in watch.descriptors.items():
        first, last = samples[0], samples[-1]
        bench.check(f"descriptors of {name}", f"{first} at first, {last} at last", last <= first + 8)
    for name, samples in watch.resident_bytes.items():
        grown_bytes = _growth(samples)
        seen = f"{max(samples) / 1e6:.0f} MB at most, grew by {grown_bytes / 1e6:.1f} MB"
        bench.check(f"memory of {name}", seen, grown_bytes < bench.pick(4, 1) * GROWTH_LIMIT_BYTES)


def _live(bench: Bench, instance: Instance, app: str, version: int) -> None:
    """Deploy a version, roll it back, delete it, and kill a replica of the old one."""
    environment = {"CLIPPER_SIMULATED_BASE_US": str(BASE_US), "CLIPPER_SIMULATED_PER_ITEM_US": str(PER_ITEM_US)}
    instance.clipper.deploy_model(
        app, version, None, "doubles", 2, container="simulated", environment=environment, batch_size=BATCH
    )
    time.sleep(bench.pick(0.2, 10.0))
    instance.clipper.rollback(app)
    instance.clipper.delete_model_version(app, version)
    os.kill(min(instance.replicas(app)), signal.SIGKILL)
    bench.wait_until(lambda: len(instance.replicas(app)) == 2, what="the second replica")


def _growth(samples: list[int]) -> int:
    """Return by how much the last fifth stands above the second fifth; the first is warm-up."""
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    return sum(late) // len(late) - sum(early) // max(1, len(early))


class _Watch:
    """Samples memory and descriptors of the three processes of an instance."""

    def __init__(self, instance: Instance) -> None:
        modules = (FRONTEND, MANAGEMENT, SUPERVISOR)
        self.pids = [instance.pid_of(module) for module in modules]
        self._names = [module.rpartition(".")[2] for module in modules]
        self.resident_bytes: dict[str, list[int]] = {name: [] for name in self._names}
        self.descriptors: dict[str, list[int]] = {name: [] for name in self._names}
        self._ended = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def end(self) -> None:
        self._ended.set()
        self.thread.join()

    def sample(self) -> None:
        """Look once."""
        for name, pid in zip(self._names, self.pids, strict=True):
            with contextlib.suppress(OSError):
                self.descriptors[name].append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
                self.resident_bytes[name].append(rss_bytes(pid))

    def _run(self) -> None:
        while True:
            self.sample()
            if self._ended.wait(SAMPLE_INTERVAL_S):
                return


@contextlib.contextmanager
def _watched(bench: Bench, instance: Instance) -> Iterator[_Watch]:
    watch = _Watch(instance)
    watch.thread.start()
    try:
        yield watch
    finally:
        watch.end()
        settled(bench, instance)  # the last connections of the load may still be on their way out
        watch.sample()
