"""Rows about Clipper's own processes: frontend, management and supervisor end, in order or not."""

from __future__ import annotations

import functools
import os
import re
import signal
import time

from bench.procfs import is_in_container, processes_of
from bench.reliability.client import Outcome
from bench.reliability.containers import DOCKER, KINDS
from bench.reliability.context import Bench
from bench.reliability.instance import FRONTEND, MANAGEMENT, SUPERVISOR, Instance, wait_ends
from bench.reliability.load import Account, Load, check_answers, now_us
from bench.reliability.scenario import row
from clipper import ClipperError

SLO_US = 100_000
BASE_US = 10_000
RATE_PER_S = 300
AMPLE = {"batch_size": 1024}
LOGGED_WITHIN_S = 5.0  # from the end of a process to the line that says so
SETTLE_US = 20_000  # what was sent so long before a signal has arrived


@row(
    "frontend-stop",
    scenario="frontend SIGTERM under load, as Clipper is stopped",
    claim="in-flight queries answered, exit 0 in the drain time, containers stopped",
    order=70,
    kinds=KINDS,
)
def frontend_stop(bench: Bench) -> None:
    """Batches take 300 ms, so that there are always queries in flight, and hold all that comes meanwhile."""
    drain_limit_s = 10.0
    with bench.own() as instance, instance.serving(2_000_000, 2, model=AMPLE, base_us=300_000) as app:
        pids = processes_of(instance.run_dir)
        with Load(instance, app, RATE_PER_S, limit_s=2.0) as load:
            time.sleep(bench.pick(1.5, 5))
            frontend, stopped_us = instance.pid_of(FRONTEND), now_us()
            os.kill(instance.pid_of(SUPERVISOR), signal.SIGTERM)
            ended = not wait_ends([frontend], drain_limit_s + 5)
            took_s = (now_us() - stopped_us) / 1e6
            left = wait_ends(pids, drain_limit_s + 5)
        code = _exit_code(instance, frontend)
        containers = instance.containers.left()
    _check_in_flight(bench, load.account, stopped_us)
    holds = ended and code == "0" and took_s < drain_limit_s
    bench.check("the frontend ended", f"with code {code} after {took_s:.1f} s", holds)
    bench.check("processes left", len(left), not left)
    if bench.daemon is not None:
        bench.check("containers left", len(containers), not containers)


@row(
    "frontend-restart",
    scenario="SIGTERM of the frontend alone, under load",
    claim="in-flight queries answered, exit 0 in the drain time, containers stopped; all of it comes back by itself",
    order=71,
    kinds=KINDS,
)
def frontend_restart(bench: Bench) -> None:
    """What connects meanwhile waits in the listening socket, which the supervisor holds."""
    instance, drain_limit_s = bench.shared, 10.0
    with instance.serving(2_000_000, 2, model=AMPLE, base_us=100_000) as app:
        containers = set(instance.replicas(app))
        with Load(instance, app, RATE_PER_S, limit_s=2.0) as load:
            time.sleep(bench.pick(1.0, 5))
            old = instance.pid_of(FRONTEND)
            stopped_us = now_us()
            os.kill(old, signal.SIGTERM)
            left = wait_ends([old], drain_limit_s)
            code = _exit_code(instance, old)
            left += wait_ends(containers, drain_limit_s)
            bench.wait_until(lambda: _serves(instance, app), what="the frontend's return")
            back_s = bench.wait_until(lambda: len(instance.replicas(app)) == 2, what="both replicas")
    account = load.account
    _check_in_flight(bench, account, stopped_us)
    bench.check("the frontend ended", f"with code {code}", code == "0")
    bench.check("it and its containers", "still there" if left else "gone", not left)
    bench.check("answers again after", f"{_gap_s(account, stopped_us):.2f} s; all is back {back_s:.2f} s later", True)


def _exit_code(instance: Instance, frontend: int) -> str:
    """Return what the supervisor has written down; "unknown" if nothing."""
    end_s = time.monotonic() + LOGGED_WITHIN_S
    while time.monotonic() < end_s:
        found = re.findall(rf"frontend-0, pid {frontend}, ended with code (-?\d+)", instance.log("supervisor"))
        if found:
            return str(found[0])
        time.sleep(0.01)
    return "unknown"


def _check_in_flight(bench: Bench, account: Account, stopped_us: int) -> None:
    """Whoever had been heard is answered; who sends into a socket that is being closed learns it by its end."""
    before = account.between(0, stopped_us - SETTLE_US)
    in_flight = int((before.done_us > stopped_us).sum())
    check_answers(bench, before)
    bench.check("in flight at the signal", in_flight, in_flight > 0)
    missed = before.count(Outcome.DEFAULT) + before.count(Outcome.REFUSED)
    bench.check("of all these without a prediction", missed, missed == 0)
    bench.check("wrong answers afterwards", account.count(Outcome.WRONG), account.count(Outcome.WRONG) == 0)


@row(
    "frontend-kill",
    scenario="frontend SIGKILL",
    claim="restarted by the supervisor on the same listening socket; containers reconnect; answers again in under 1 s; "
    "state intact",
    order=72,
    kinds=KINDS,
)
def frontend_kill(bench: Bench) -> None:
    """Queries that come while nobody listens wait in the socket."""
    instance = bench.shared
    gaps_s, lost = [], 0
    with instance.serving(SLO_US, 2, base_us=BASE_US) as app:
        containers, before = set(instance.replicas(app)), _state(instance)
        for _ in range(bench.pick(2, 10)):
            with Load(instance, app, RATE_PER_S) as load:
                time.sleep(0.5)
                old = instance.pid_of(FRONTEND)
                killed_us = now_us()
                os.kill(old, signal.SIGKILL)
                is_back = functools.partial(_serves, instance, app, old)
                bench.wait_until(is_back, what="the frontend's return")
                time.sleep(0.5)
            account = load.account
            gaps_s.append(_gap_s(account, killed_us))
            lost += account.count(Outcome.WRONG) + account.count(Outcome.EXTRA) + account.count(Outcome.UNANSWERED)
            time.sleep(bench.pick(0.0, 10.0))
        same = set(instance.replicas(app)) == containers
        is_intact = _state(instance) == before
    bench.check("answers again after", f"{max(gaps_s):.2f} s at most", max(gaps_s) < 1.0, is_timed=True)
    bench.check("wrong, doubled or missing answers", lost, lost == 0)
    bench.check("containers that run on", "all" if same else "not all", same)
    bench.check("applications, models, links", "as before" if is_intact else "changed", is_intact)


@row(
    "management-kill",
    scenario="management SIGKILL, and at once a replica's",
    claim="serving goes on untouched; reconciles when back",
    order=80,
    kinds=KINDS,
)
def management_kill(bench: Bench) -> None:
    """With management gone nobody replaces the replica; its own death costs nobody anything."""
    instance = bench.shared
    with instance.serving(5_000_000, 2, base_us=BASE_US) as app, Load(instance, app, RATE_PER_S, limit_s=5) as load:
        time.sleep(1)
        victim, old = min(instance.replicas(app)), instance.pid_of(MANAGEMENT)
        os.kill(old, signal.SIGKILL)
        instance.containers.kill(victim)

        def is_back() -> bool:
            try:
                found = instance.replicas(app)
            except ClipperError:
                return False
            return len(found) == 2 and victim not in found

        back_s = bench.wait_until(is_back, what="the second replica")
        time.sleep(bench.pick(0.5, 5))
    account = load.account
    check_answers(bench, account)
    missed = account.count(Outcome.DEFAULT) + account.count(Outcome.REFUSED)
    bench.check("without a prediction", missed, missed == 0)
    bench.check("management back, and the replica replaced, after", f"{back_s:.1f} s", True)


@row(
    "supervisor-kill",
    scenario="supervisor SIGKILL",
    claim="every process gone within 2 s",
    order=81,
)
def supervisor_kill(bench: Bench) -> None:
    """The kernel ends its children."""
    slowest_s, left_over = 0.0, 0
    for _ in range(bench.pick(1, 5)):
        with bench.own() as instance, instance.serving(SLO_US, 3, base_us=BASE_US):
            pids = processes_of(instance.run_dir)
            killed_us = now_us()
            os.kill(instance.pid_of(SUPERVISOR), signal.SIGKILL)
            left = wait_ends(pids, 5)
            slowest_s = max(slowest_s, (now_us() - killed_us) / 1e6)
            left_over += len(left)
    bench.check("processes left of", f"{left_over} of {len(pids)}", left_over == 0)
    bench.check("the last one gone after", f"{slowest_s:.2f} s", slowest_s < 2, is_timed=True)


@row(
    "supervisor-kill-docker",
    scenario="supervisor SIGKILL; then another start in its run directory",
    claim="every process of Clipper gone within 2 s; the containers run on, and are removed by the next "
    "start, which serves what was set",
    order=82,
    kinds=(DOCKER,),
)
def supervisor_kill_docker(bench: Bench) -> None:
    """Containers are the daemon's children, not the supervisor's."""
    slowest_s, left_over, kept, back_s = 0.0, 0, 0, []
    rounds, replicas = bench.pick(1, 5), 3
    for _ in range(rounds):
        with bench.own() as instance, instance.serving(SLO_US, replicas, base_us=BASE_US) as app:
            before = instance.containers.left()
            all_pids = set(processes_of(instance.run_dir))
            inside = set(filter(is_in_container, all_pids))
            pids = all_pids - inside
            killed_us = now_us()
            os.kill(instance.pid_of(SUPERVISOR), signal.SIGKILL)
            left_over += len(wait_ends(pids, 5))
            slowest_s = max(slowest_s, (now_us() - killed_us) / 1e6)
            kept += len(before) == replicas and inside <= processes_of(instance.run_dir).keys()
            began_us = now_us()
            instance.start_again()
            bench.wait_until(functools.partial(_serves, instance, app), what="the next start's answers")
            bench.wait_until(lambda: len(instance.replicas(app)) == replicas, what="all replicas")
            back_s.append((now_us() - began_us) / 1e6)
            both = before.keys() & instance.containers.left().keys()
    bench.check("processes left of", f"{left_over} of {len(pids)}", left_over == 0)
    bench.check("the last one gone after", f"{slowest_s:.2f} s", slowest_s < 2, is_timed=True)
    bench.check("containers that run on", f"all, in {kept} of {rounds} kills", kept == rounds)
    bench.check("of these left after the next start", len(both), not both)
    bench.check("all of it serves again after", f"{max(back_s):.1f} s at most", True)


def _serves(instance: Instance, app: str, gone: int = 0) -> bool:
    """Whether another frontend than the one that is gone gives predictions."""
    try:
        return instance.pid_of(FRONTEND) != gone and not instance.clipper.predict(app, [1.0]).is_default
    except (ClipperError, LookupError):
        return False


def _gap_s(account: Account, since_us: int) -> float:
    """Return the time until the first prediction for a query that came after ``since_us``."""
    after = account.between(since_us, since_us + 2**60)
    answered = after.done_us[after.outcome == Outcome.ANSWERED]
    return float(answered.min() - since_us) / 1e6 if len(answered) else float("inf")


def _state(instance: Instance) -> object:
    """Return what a user has set, as management has it."""
    found = instance.clipper.status()
    models = [
        (model["name"], [(version["version"], version["replicas"]) for version in model["versions"]])
        for model in found["models"]
    ]
    return found["applications"], models
