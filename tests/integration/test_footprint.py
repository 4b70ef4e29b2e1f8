"""What a row of docs/reliability.md calls left behind: never what its own load needs, always what others leave."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack

import pytest

from bench.reliability.context import Bench
from bench.reliability.instance import FRONTEND
from bench.reliability.leaks import SLACK, check_footprint, settled
from bench.reliability.load import Load
from clipper.bench.procfs import count_sockets

PAUSE_S = 0.3
STRANGERS = SLACK + 10


def test_load_that_needs_more_connections_after_a_pause_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.reliability.leaks.SETTLE_S", 2.0)
    bench = Bench()
    with (
        bench.own() as instance,
        instance.serving(5_000_000, container="noop") as app,
        Load(instance, app, 100, limit_s=5.0) as load,
    ):
        before, connections = settled(bench, instance, beside=[load]), load.connections
        os.kill(instance.pid_of(FRONTEND), signal.SIGSTOP)
        time.sleep(PAUSE_S)
        os.kill(instance.pid_of(FRONTEND), signal.SIGCONT)
        bench.wait_until(lambda: load.connections > connections + SLACK)
        check_footprint(bench, "a pause", before, instance, beside=[load])
        with ExitStack() as left:
            for _ in range(STRANGERS):
                left.enter_context(socket.create_connection(("127.0.0.1", instance.port)))
            check_footprint(bench, "strangers", before, instance, beside=[load])
    found = {check.what: check.holds for check in bench.checks}
    assert found["a pause: left behind"]
    assert not found["strangers: left behind"]


def test_sockets_of_a_process_are_counted_and_those_of_one_that_is_gone_are_none() -> None:
    before = count_sockets(os.getpid())
    with socket.socket(), socket.socket():
        assert count_sockets(os.getpid()) == before + 2
    assert count_sockets(2**22 + 1) == 0
