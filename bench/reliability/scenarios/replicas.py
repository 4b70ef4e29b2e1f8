"""Rows about model containers: they die, freeze, hang, stall and lie."""

from __future__ import annotations

import functools
import os
import signal
import statistics
import time

from bench.reliability.client import Outcome
from bench.reliability.context import Bench
from bench.reliability.instance import Instance
from bench.reliability.load import Load, check_answers, now_us
from bench.reliability.scenario import row

SLO_US = 100_000
BASE_US, PER_ITEM_US = 10_000, 500


@row(
    "kill-replica",
    scenario="SIGKILL one of two ready replicas every 5 s for 60 s, load 60% of what one serves",
    claim="exactly one answer a request; defaults at most the batches in flight at the kills + 0.1%; back at two alone",
    order=10,
)
def kill_replica(bench: Bench) -> None:
    """A replica serves batches of 16 at most, one after another."""
    batch = 16
    one_serves_per_s = batch / (BASE_US + PER_ITEM_US * batch) * 1e6
    instance, kills = bench.shared, bench.pick(2, 12)
    options = {"controller": "fixed", "batch_size": batch}
    back_s = []
    with (
        instance.serving(SLO_US, 2, model=options, base_us=BASE_US, per_item_us=PER_ITEM_US) as app,
        Load(instance, app, 0.6 * one_serves_per_s) as load,
    ):
        for number in range(kills):
            time.sleep(bench.pick(1.0, 5.0))
            ready = instance.replicas(app)
            victim = sorted(ready)[number % len(ready)]
            os.kill(victim, signal.SIGKILL)
            is_back = functools.partial(_is_back, instance, app, victim)
            back_s.append(bench.wait_until(is_back, what="the second replica"))
    account = load.account
    check_answers(bench, account)
    most = kills * batch + 0.001 * account.requests
    missed = account.count(Outcome.DEFAULT) + account.count(Outcome.REFUSED)
    bench.check("defaults", f"{missed} after {kills} kills", missed <= most)
    bench.check("back at two after", f"{max(back_s):.1f} s at most", True)


def _is_back(instance: Instance, app: str, gone: int) -> bool:
    """Whether there are two ready replicas, and the one that was killed is none of them."""
    found = instance.replicas(app)
    return len(found) == 2 and gone not in found


@row(
    "death-known",
    scenario="a container's process dies",
    claim="the frontend knows within milliseconds",
    order=15,
)
def death_known(bench: Bench) -> None:
    """What the frontend publishes is polled; half of the time between two looks is the error."""
    instance = bench.shared
    with instance.serving(SLO_US, 2, base_us=1000) as app:
        known_ms = []
        for _ in range(bench.pick(3, 20)):
            bench.wait_until(lambda: len(instance.replicas(app)) == 2, what="two replicas")
            before = instance.metric("clipper_model_replicas", model=app, state="ready")
            killed_us = now_us()
            os.kill(min(instance.replicas(app)), signal.SIGKILL)
            bench.wait_until(
                lambda was=before: instance.metric("clipper_model_replicas", model=app, state="ready") < was
            )
            known_ms.append((now_us() - killed_us) / 1e3)
    median_ms = statistics.median(known_ms)
    bench.check("known after", f"{median_ms:.1f} ms (median of {len(known_ms)})", median_ms < 50, is_timed=True)
