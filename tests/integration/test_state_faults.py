"""A whole Clipper whose state store fails: queries and reads go on, changes say why not, and all of it mends itself."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.procfs import processes_of
from clipper import Clipper, ServerError, StartError, StateUnavailableError
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig, StateConfig
from clipper.registry.registry import Registry
from clipper.state.open import open_store
from clipper.supervisor.launch import make_run_dir
from tests.support.processes import pid_of, wait_until
from tests.support.redis_server import NEEDS_REDIS, RedisServer

pytestmark = pytest.mark.timeout(120)
PASSWORD = "s3cret-of-redis"
ANSWER_LIMIT_US = 2_000_000  # that of the product: a server that runs keeps it on a busy machine, too
SLO_US = 5_000_000  # the machine may be busy; no test measures time
# A container that serves once the file GATE is there.
GATED = 'while [ ! -e "$CLIPPER_GATE" ]; do sleep 0.01; done; exec "$0" -m model_containers.sum'


@contextlib.contextmanager
def started(state: StateConfig) -> Iterator[tuple[Clipper, Path]]:
    run_dir = make_run_dir()
    config = ClipperConfig(
        run_dir,
        listen=ListenConfig(query_port=0, management_port=0),
        management=ManagementConfig(containers={"gated": ("sh", "-c", GATED, sys.executable)}),
        state=state,
    )
    try:
        with Clipper.start(config=config) as clipper:
            clipper.register_application("served", "doubles", -1, SLO_US)
            clipper.deploy_model("adder", 1, container="sum")
            clipper.link_model_to_app("served", "adder")
            yield clipper, run_dir
        assert processes_of(run_dir) == {}, "processes were left behind"
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), password=PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def on_redis(server: RedisServer) -> Iterator[tuple[Clipper, Path]]:
    with started(StateConfig(server.url("faults"), answer_limit_us=ANSWER_LIMIT_US)) as both:
        yield both


@contextlib.contextmanager
def queries_go_on(clipper: Clipper) -> Iterator[None]:
    """Query all the while; every query is answered by the model."""
    failures: list[object] = []
    counts = [0]
    enough, done = threading.Event(), threading.Event()

    def query() -> None:
        while not done.is_set():
            try:
                answer = clipper.predict("served", [1.0, 2.0])
                failures.extend([answer] if answer.is_default or answer.output != 3.0 else [])
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                failures.append(error)
            counts[0] += 1
            if counts[0] >= 20:
                enough.set()

    thread = threading.Thread(target=query)
    thread.start()
    try:
        yield
        assert enough.wait(30)
    finally:
        done.set()
        thread.join()
    assert not failures, failures[:3]


def applications(clipper: Clipper) -> set[str]:
    return {application["name"] for application in clipper.status()["applications"]}


def models(clipper: Clipper) -> set[str]:
    return {model["name"] for model in clipper.status()["models"]}


def register(clipper: Clipper, name: str) -> None:
    clipper.register_application(name, "doubles", -1, SLO_US)


def works_again(call: Callable[[], Any]) -> None:
    def is_done() -> bool:
        with contextlib.suppress(ServerError):
            call()
            return True
        return False

    wait_until(is_done)


@NEEDS_REDIS
def test_silent_redis_fails_changes_within_its_limit_while_reads_and_queries_go_on(
    on_redis: tuple[Clipper, Path], server: RedisServer
) -> None:
    clipper, _ = on_redis
    with queries_go_on(clipper), ThreadPoolExecutor(1) as pool:
        server.signal(signal.SIGSTOP)
        try:
            registering = pool.submit(register, clipper, "while-silent")
            assert "served" in applications(clipper)
            assert not registering.done(), "the read waited for the change"
            with pytest.raises(StateUnavailableError, match="does not answer within 2000 ms") as caught:
                registering.result()
            assert "nothing was changed" in str(caught.value)
        finally:
            server.signal(signal.SIGCONT)
        register(clipper, "after-silence")
    assert applications(clipper) >= {"served", "after-silence"}
    assert "while-silent" not in applications(clipper)
    register(clipper, "while-silent")  # the name is free: what failed has left nothing


@NEEDS_REDIS
def test_killed_redis_fails_changes_and_leaves_nothing_of_them(
    on_redis: tuple[Clipper, Path], server: RedisServer
) -> None:
    clipper, _ = on_redis
    before = applications(clipper), models(clipper)
    server.kill()
    try:
        with queries_go_on(clipper):
            changes: tuple[Callable[[], object], ...] = (
                lambda: register(clipper, "while-gone"),
                lambda: clipper.deploy_model("while-gone", 1, container="sum"),
                lambda: clipper.set_num_replicas("adder", 2),
                lambda: clipper.delete_application("served"),
                lambda: clipper.unlink_model_from_app("served", "adder"),
            )
            for change in changes:
                with pytest.raises(StateUnavailableError, match="Redis cannot be reached") as caught:
                    change()
                assert PASSWORD not in str(caught.value) and f"127.0.0.1:{server.port}" in str(caught.value)
            assert (applications(clipper), models(clipper)) == before
    finally:
        server.start()
    clipper.deploy_model("while-gone", 1, container="sum")
    clipper.delete_model_version("while-gone", 1)


@NEEDS_REDIS
def test_deployment_whose_redis_is_killed_half_way_is_undone_when_it_is_back(
    on_redis: tuple[Clipper, Path], server: RedisServer, tmp_path: Path
) -> None:
    clipper, _ = on_redis
    gate = tmp_path / "gate"
    with ThreadPoolExecutor(1) as pool:
        options: dict[str, Any] = {"container": "gated", "environment": {"CLIPPER_GATE": str(gate)}}
        deploying = pool.submit(clipper.deploy_model, "half", 1, **options)
        wait_until(lambda: "half" in models(clipper))
        server.kill()
        try:
            gate.touch()
            with pytest.raises(StateUnavailableError, match="Redis cannot be reached"):
                deploying.result()
        finally:
            server.start()
    wait_until(lambda: "half" not in models(clipper))
    wait_until(lambda: not any(replica["model"] == "half" for replica in clipper.status()["replicas"]))
    clipper.deploy_model("half", 2, **options)
    clipper.delete_model_version("half", 2)


@NEEDS_REDIS
def test_management_killed_without_its_redis_is_back_with_everything_when_redis_is(
    on_redis: tuple[Clipper, Path], server: RedisServer
) -> None:
    clipper, run_dir = on_redis
    before = applications(clipper), models(clipper)
    server.kill()
    try:
        with queries_go_on(clipper):
            os.kill(pid_of(run_dir, "clipper.management"), signal.SIGKILL)
            log = run_dir / "logs" / "management.log"
            wait_until(lambda: "Redis cannot be reached" in log.read_text())
    finally:
        server.start()
    works_again(clipper.status)
    assert (applications(clipper), models(clipper)) == before
    register(clipper, "after-all")


@NEEDS_REDIS
def test_password_of_redis_is_in_no_log_and_no_command_line(on_redis: tuple[Clipper, Path]) -> None:
    clipper, run_dir = on_redis
    texts = {path.name: path.read_text(errors="replace") for path in (run_dir / "logs").iterdir()}
    texts |= {str(pid): command for pid, command in processes_of(run_dir).items()}
    assert "redis://127.0.0.1" in texts["management.log"]
    assert [name for name, text in texts.items() if PASSWORD in text] == []
    assert PASSWORD not in repr(clipper.status())


@NEEDS_REDIS
def test_redis_that_is_not_there_fails_the_start_and_says_where_it_should_be(server: RedisServer) -> None:
    server.kill()
    try:
        refused = pytest.raises(StartError, match=f"redis://127.0.0.1:{server.port}.*Redis cannot be reached")
        with refused as caught, started(StateConfig(server.url())):
            pass
    finally:
        server.start()
    assert "start the server" in str(caught.value) and PASSWORD not in str(caught.value)


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clipper, Path, Path]]:
    path = tmp_path_factory.mktemp("state") / "own.sqlite"
    with started(StateConfig(f"sqlite:{path}", lock_limit_us=200_000)) as (clipper, run_dir):
        yield clipper, run_dir, path


def test_full_disk_fails_changes_and_leaves_nothing_of_them(on_sqlite: tuple[Clipper, Path, Path]) -> None:
    clipper, run_dir, path = on_sqlite
    management = pid_of(run_dir, "clipper.management")
    unlimited = resource.prlimit(management, resource.RLIMIT_FSIZE)
    with queries_go_on(clipper):
        # A file may grow no further: the disk's way of saying so, for this process alone.
        resource.prlimit(management, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        changes: tuple[Callable[[], object], ...] = (
            lambda: register(clipper, "refused"),
            lambda: clipper.delete_application("served"),
        )
        for change in changes:
            with pytest.raises(StateUnavailableError, match="nothing was changed") as caught:
                change()
            assert str(path) in str(caught.value) and "disk" in str(caught.value)
        assert applications(clipper) == {"served"}
        resource.prlimit(management, resource.RLIMIT_FSIZE, unlimited)
    register(clipper, "refused")
    assert applications(clipper) == {"served", "refused"}
    registry = Registry(open_store(f"sqlite:{path}", run_dir))
    assert set(registry.state.applications) == {"served", "refused"}
    registry.close()
    clipper.delete_application("refused")


def test_locked_state_fails_changes_within_its_limit(on_sqlite: tuple[Clipper, Path, Path]) -> None:
    clipper, _, path = on_sqlite
    holder = sqlite3.connect(path, isolation_level=None)
    with contextlib.closing(holder), queries_go_on(clipper):
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailableError, match="another process keeps it locked"):
            register(clipper, "locked-out")
        assert applications(clipper) == {"served"}
        holder.execute("ROLLBACK")
        register(clipper, "locked-out")


def test_damaged_state_fails_the_start_and_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"not a database, by far" * 100)
    refused = pytest.raises(StartError, match=r"cannot start; its log ends with:\n.*no SQLite file.*backup")
    with refused as caught, started(StateConfig(f"sqlite:{path}")):
        pass
    assert str(caught.value).count("no SQLite file") == 1
    assert path.read_bytes() == b"not a database, by far" * 100
