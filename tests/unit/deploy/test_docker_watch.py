"""Output of a container is copied once, whole and in order, however often the copying begins anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from clipper.config import LogConfig
from clipper.deploy.docker_daemon import ContainerState, Daemon, DaemonGoneError
from clipper.deploy.docker_watch import ContainerWatch, open_log
from clipper.deploy.manager import ReplicaExit
from clipper.types import ReplicaId

ID = ReplicaId("model:1:0")
SECOND_NS = 1_000_000_000
START_S = 1_795_380_960  # 2026-11-22T20:56:00Z


class Container:
    """Has printed lines at moments; a stream of them breaks off after ``breaks`` of them."""

    def __init__(self, moments_ns: list[int], breaks: list[int], is_precise: bool) -> None:
        self.attrs = {"Created": stamped(START_S * SECOND_NS + 900_000_000, True)}
        self._lines = [(moment, f"line {number}\n".encode()) for number, moment in enumerate(moments_ns)]
        self._breaks = breaks
        self._is_precise = is_precise
        self.broke = False

    def logs(self, *, since: int | None, **_: Any) -> Iterator[bytes]:
        sent = [(moment, line) for moment, line in self._lines if moment >= (since or 0) * SECOND_NS]
        self.broke = bool(self._breaks)
        for moment, line in sent[: self._breaks.pop(0)] if self._breaks else sent:
            yield f"{stamped(moment, self._is_precise)} ".encode() + line


def stamped(time_ns: int, is_precise: bool) -> str:
    seconds, rest = divmod(time_ns - START_S * SECOND_NS, SECOND_NS)
    return f"2026-11-22T20:56:{seconds:02}" + (f".{rest:09}Z" if is_precise else "Z")


class FakeDaemon:
    """Says that the container has ended when all was sent."""

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        yield

    def state(self, container: Container) -> ContainerState:
        if container.broke:
            raise DaemonGoneError("the daemon is being restarted")
        return ContainerState(False, 0, 0, False, "")

    def remove(self, container: Container) -> None:
        pass


def follow(container: Container, path: Path, *, is_new: bool) -> list[ReplicaExit]:
    """Follow it to its end, or until a stream has broken off: as management that ends then."""
    heard: list[ReplicaExit] = []
    log = open_log(path, LogConfig())
    daemon = cast(Daemon, FakeDaemon())
    watch = ContainerWatch(daemon, cast(Any, container), ID, 7, log, LogConfig(), heard.append, is_new=is_new)
    watch.start()
    while not container.broke and not heard:
        watch.join(0.001)
    watch.close()
    watch.join(10)
    return heard


MOMENTS = st.lists(st.integers(900_000_000, 4 * SECOND_NS), max_size=30).map(sorted)


@given(offsets_ns=MOMENTS, breaks=st.lists(st.integers(0, 30), max_size=3), is_precise=st.booleans())
def test_output_is_copied_once_in_order_across_broken_streams_whether_stamps_are_whole_seconds_or_not(
    tmp_path_factory: Any, offsets_ns: list[int], breaks: list[int], is_precise: bool
) -> None:
    path = tmp_path_factory.mktemp("logs") / "replica.log"
    container = Container([START_S * SECOND_NS + offset for offset in offsets_ns], breaks, is_precise)
    heard = follow(container, path, is_new=True)
    while not heard:
        container.broke = False
        heard = follow(container, path, is_new=False)
    lines = path.read_text().splitlines()
    assert lines[1:] == [f"line {number}" for number in range(len(offsets_ns))], "behind the line of its start"
    assert [one.code for one in heard] == [0]
