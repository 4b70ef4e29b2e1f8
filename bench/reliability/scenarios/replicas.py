"""Rows about model containers: they die, freeze, hang, stall and lie."""

from __future__ import annotations

import functools
import re
import statistics
import time
from datetime import UTC, datetime

from bench.reliability.client import Outcome
from bench.reliability.containers import KINDS
from bench.reliability.context import Bench
from bench.reliability.instance import COMMANDED, Instance
from bench.reliability.load import Load, check_answers, now_us
from bench.reliability.scenario import row

SLO_US = 100_000
BASE_US, PER_ITEM_US = 10_000, 500


@row(
    "kill-replica",
    scenario="SIGKILL one of two ready replicas every 5 s for 60 s, load 60% of what one serves",
    claim="exactly one answer a request; defaults at most the batches in flight at the kills + 0.1%; back at two alone",
    order=10,
    kinds=KINDS,
)
def kill_replica(bench: Bench) -> None:
    """A replica serves batches of 16 at most, one after another."""
    batch = 16
    one_serves_per_s = batch / (BASE_US + PER_ITEM_US * batch) * 1e6
    instance, kills = bench.shared, bench.pick(2, 12)
    options = {"batch_size": batch}
    back_s = []
    with (
        instance.serving(SLO_US, 2, model=options, base_us=BASE_US, per_item_us=PER_ITEM_US) as app,
        Load(instance, app, 0.6 * one_serves_per_s) as load,
    ):
        for number in range(kills):
            time.sleep(bench.pick(1.0, 5.0))
            ready = instance.replicas(app)
            victim = sorted(ready)[number % len(ready)]
            instance.containers.kill(victim)
            is_back = functools.partial(_is_back, instance, app, victim)
            back_s.append(bench.wait_until(is_back, what="the second replica"))
    account = load.account
    check_answers(bench, account)
    most = kills * batch + 0.001 * account.requests
    missed = account.count(Outcome.DEFAULT) + account.count(Outcome.REFUSED)
    bench.check("defaults", f"{missed} after {kills} kills", missed <= most, is_timed=True)
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
    kinds=KINDS,
)
def death_known(bench: Bench) -> None:
    """From the kill to the line in the frontend's log that says so."""
    instance = bench.shared
    known_ms = []
    with instance.serving(SLO_US, 2, base_us=1000) as app:
        for _ in range(bench.pick(3, 20)):
            bench.wait_until(lambda: len(instance.replicas(app)) == 2, what="two replicas")
            time.sleep(bench.pick(0.0, 2.5))  # who dies soon after its start, again and again, is left alone
            victim, replica_id = min(instance.replicas(app).items())
            killed_at = datetime.now(UTC)
            instance.containers.kill(victim)
            closed_after = functools.partial(_closed_after, instance, replica_id, killed_at)
            bench.wait_until(lambda: bool(closed_after()), what="its end in the log")  # noqa: B023 - called at once
            known_ms.append(((closed_after() or killed_at) - killed_at).total_seconds() * 1e3)
    median_ms = statistics.median(known_ms)
    bench.check("known after", f"{median_ms:.1f} ms (median of {len(known_ms)})", median_ms < 20, is_timed=True)


def _closed_after(instance: Instance, replica_id: str, since: datetime) -> datetime | None:
    """Return when the frontend wrote down that a session of the replica ended; None if it has not yet."""
    found = re.findall(rf"^(\S+) INFO frontend-0 .*replica {replica_id} is closed", instance.log("frontend-0"), re.M)
    later = [when for when in map(datetime.fromisoformat, found) if when >= since]
    return later[0] if later else None


@row(
    "freeze-replica",
    scenario="SIGSTOP a replica under load, SIGCONT when it is suspected",
    in_docker="`docker pause` a replica under load, `docker unpause` when it is suspected",
    claim="suspect in under 1 s; its sibling carries on; going on, it brings no stale or mixed-up answers",
    order=20,
    kinds=KINDS,
)
def freeze_replica(bench: Bench) -> None:
    """The second time nobody continues it: it is replaced."""
    instance = bench.shared
    suspect_ms = []
    with instance.serving(SLO_US, 2, base_us=BASE_US) as app, Load(instance, app, 200) as load:
        for _ in range(bench.pick(1, 10)):
            bench.wait_until(lambda: instance.count(app) == 2, what="two replicas")
            time.sleep(bench.pick(0.5, 2.0))  # each has answered, so that no first batch excuses it
            victim = min(instance.replicas(app))
            suspect_ms.append(_freeze(bench, instance, app, victim))
            time.sleep(0.5)
            instance.containers.thaw(victim)
            bench.wait_until(lambda: instance.count(app) == 2, what="the suspect's recovery")
            time.sleep(0.5)
        victim = min(instance.replicas(app))
        suspect_ms.append(_freeze(bench, instance, app, victim))
        suspected_us = now_us()
        is_back = functools.partial(_is_back, instance, app, victim)
        back_s = bench.wait_until(is_back, what="the replacement")
    account = load.account
    check_answers(bench, account)
    bench.check("suspect after", f"{max(suspect_ms):.0f} ms at most", max(suspect_ms) < 1000, is_timed=True)
    after = account.between(suspected_us + 100_000, load.ended_us)
    missed = after.count(Outcome.DEFAULT)
    bench.check("defaults once it is suspected", missed, missed == 0, is_timed=True)
    bench.check("replaced after", f"{back_s:.1f} s", True)


def _freeze(bench: Bench, instance: Instance, app: str, victim: int) -> float:
    stopped_us = now_us()
    instance.containers.freeze(victim)
    bench.wait_until(lambda: instance.count(app, "suspect") == 1, what="the suspicion")
    return (now_us() - stopped_us) / 1e3


@row(
    "stuck-batch",
    scenario="a batch of one of two replicas hangs for good; the container's heartbeats go on; objective 5 s",
    claim="suspect in under 1 s; the sibling answers its queries; the replica is replaced",
    order=25,
    kinds=KINDS,
)
def stuck_batch(bench: Bench) -> None:
    """The model hangs in the container's main thread, which is asleep."""
    instance, slo_us = bench.shared, 5_000_000
    with (
        instance.serving(slo_us, 2, container=COMMANDED, base_us=BASE_US) as app,
        Load(instance, app, 200, limit_s=slo_us / 1e6) as load,
    ):
        time.sleep(1)
        before = set(instance.replicas(app))
        ordered_us = now_us()
        instance.command(app, "hang")
        bench.wait_until(lambda: instance.count(app, "suspect") == 1, what="the suspicion")
        suspect_ms = (now_us() - ordered_us) / 1e3
        bench.wait_until(lambda: instance.count(app) == 2, what="the replacement")
        bench.wait_until(lambda: not before <= set(instance.replicas(app, ("ready", "suspect", "stopping"))))
    account = load.account
    check_answers(bench, account)
    bench.check("suspect after", f"{suspect_ms:.0f} ms", suspect_ms < 1000, is_timed=True)
    bench.check("defaults", account.count(Outcome.DEFAULT), account.count(Outcome.DEFAULT) == 0)
    slowest_ms = float(account.latencies_us.max()) / 1e3
    bench.check("the queries that it held were answered after", f"{slowest_ms:.0f} ms", slowest_ms < slo_us / 1e3)


@row(
    "straggler",
    scenario="one of three replicas sleeps 10 x SLO once every 5 s, load 50% of two replicas",
    claim="only that batch defaults, fewer if hedged; p99 of all other queries within 10% of the same load without "
    "the stall (medians of five interleaved runs)",
    order=30,
    kinds=KINDS,
)
def straggler(bench: Bench) -> None:
    """Runs with and without stalls take turns; a query counts as of the stalled batch if it got the default."""
    instance, slo_us, batch = bench.shared, SLO_US, 16
    rate_per_s = 0.5 * 2 * batch / (BASE_US + PER_ITEM_US * batch) * 1e6
    p99_us: dict[bool, list[float]] = {True: [], False: []}
    missed = stalls = unaccounted = requests = 0
    options = {"batch_size": batch}
    with instance.serving(
        slo_us, 3, container=COMMANDED, model=options, base_us=BASE_US, per_item_us=PER_ITEM_US
    ) as app:
        for run in range(bench.pick(2, 10)):
            is_stalled = run % 2 == 1
            with Load(instance, app, rate_per_s) as load:
                for _ in range(bench.pick(1, 4)):
                    time.sleep(bench.pick(1.5, 2.5))
                    if is_stalled:
                        instance.command(app, f"sleep {10 * slo_us}")
                        stalls += 1
                    time.sleep(bench.pick(1.5, 2.5))
            bench.wait_until(lambda: instance.count(app) == 3, what="the straggler's recovery")
            account = load.account
            p99_us[is_stalled].append(account.percentile_us(99))
            missed += (account.count(Outcome.DEFAULT) + account.count(Outcome.REFUSED)) if is_stalled else 0
            unaccounted += account.unaccounted
            requests += account.requests
    bench.check("requests", f"{requests:,}", requests > 0)
    bench.check("without exactly one right answer or default", unaccounted, unaccounted == 0)
    bench.check("defaults", f"{missed} in {stalls} stalls", missed <= stalls * batch, is_timed=True)
    without_us, with_us = statistics.median(p99_us[False]), statistics.median(p99_us[True])
    seen = f"{with_us / 1e3:.1f} ms beside {without_us / 1e3:.1f} ms"
    bench.check("p99 of the answered", seen, with_us <= 1.1 * without_us, is_timed=True)


@row(
    "raise",
    scenario="a model raises on 1% of batches",
    claim="only those queries default; others untouched",
    order=40,
    kinds=KINDS,
)
def raises(bench: Bench) -> None:
    """See `_faulty_model`."""
    _faulty_model(bench, "raise")


@row(
    "wrong-count",
    scenario="a model returns one output too few on 1% of batches",
    claim="only those queries default; others untouched",
    order=41,
    kinds=KINDS,
)
def wrong_count(bench: Bench) -> None:
    """See `_faulty_model`."""
    _faulty_model(bench, "wrong_count")


def _faulty_model(bench: Bench, fault: str) -> None:
    """The frontend counts the queries whose evaluation failed: so many got the default, and no other."""
    instance = bench.shared
    every = bench.pick(20, 100)
    slo_us = 5_000_000  # no query misses its deadline beside those that fail
    with instance.serving(slo_us, 2, base_us=2000, fault=fault, fault_every=every) as app:
        with Load(instance, app, 400, limit_s=slo_us / 1e6) as load:
            time.sleep(bench.pick(2, 30))
        failed = instance.metric("clipper_model_failures_total", model=app)
    account = load.account
    check_answers(bench, account)
    missed = account.count(Outcome.DEFAULT)
    seen = f"{missed} of {account.requests:,}; queries in failed batches: {failed:.0f}"
    bench.check("defaults", seen, 0 < missed == failed)


@row(
    "quarantine",
    scenario="a container that fails each of its starts",
    claim="quarantined after five in a row, with its last log lines in what `clipper status` shows; not started after "
    "that until somebody asks for it",
    order=45,
    kinds=KINDS,
)
def quarantine(bench: Bench) -> None:
    """It starts well, then its files break, and its one replica dies."""
    instance, words = bench.shared, "broken on command"
    with instance.serving(SLO_US, container=COMMANDED) as app:
        instance.break_starts(app)
        before = instance.management_metric("clipper_reconcile_actions_total", action="start")
        instance.containers.kill(min(instance.replicas(app)))
        took_s = bench.wait_until(lambda: bool(instance.version(app)["is_quarantined"]), what="the quarantine")
        starts = instance.management_metric("clipper_reconcile_actions_total", action="start") - before
        time.sleep(bench.pick(1.0, 15.0))
        starts_later = instance.management_metric("clipper_reconcile_actions_total", action="start") - before
        shown = instance.status_text()
        instance.break_starts(app, is_broken=False)
        instance.clipper.set_num_replicas(app, 1)
        is_back = instance.count(app) == 1
    bench.check("quarantined after", f"{took_s:.1f} s, {starts:.0f} starts", starts <= 5)
    bench.check("starts after that", f"{starts_later - starts:.0f}", starts_later == starts)
    bench.check("`clipper status`", "says so, and why" if words in shown else shown, words in shown and app in shown)
    bench.check("asked for again", "ready" if is_back else "not ready", is_back)
