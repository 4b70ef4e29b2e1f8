"""Find, watch and outlive processes in tests: by pidfd, bounded in time, never by sleeping."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench.procfs import processes_of
from clipper.config import ClipperConfig, FrontendConfig, ListenConfig, ManagementConfig, SupervisorConfig

SUPPORT = Path(__file__).parent


def make_config(run_dir: Path, python: str, **management: object) -> ClipperConfig:
    """Return a configuration with the stand-ins for frontend and container, free ports and short limits."""
    options: dict[str, object] = {
        "containers": {"fake": (python, str(SUPPORT / "fake_container.py"))},
        "replace_backoff_min_us": 10_000,
        "replace_backoff_max_us": 50_000,
        "ready_limit_us": 20_000_000,
        **management,
    }
    return ClipperConfig(
        run_dir,
        listen=ListenConfig(query_port=0, management_port=0),
        supervisor=SupervisorConfig(restart_backoff_min_us=10_000),
        frontend=FrontendConfig(command=(python, str(SUPPORT / "fake_frontend.py"))),
        management=ManagementConfig(**options),  # type: ignore[arg-type]
    )


def pid_of(run_dir: Path, part: str) -> int:
    """Return the one process of ``run_dir`` whose command line contains ``part``."""
    matching = [pid for pid, command in processes_of(run_dir).items() if part in command]
    if len(matching) != 1:
        raise LookupError(f"{len(matching)} processes match {part!r}: {processes_of(run_dir)}")
    return matching[0]


@contextlib.contextmanager
def watch_deaths(pids: Iterable[int]) -> Iterator[Callable[[float], list[int]]]:
    """Open pidfds now; give a function that waits up to so many seconds and returns the pids that still live."""
    descriptors: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptors[os.pidfd_open(pid)] = pid

    def survivors(limit_s: float) -> list[int]:
        deadline_s = time.monotonic() + limit_s
        alive = dict(descriptors)
        while alive and time.monotonic() < deadline_s:
            poller = select.poll()
            for descriptor in alive:
                poller.register(descriptor, select.POLLIN)
            for descriptor, _ in poller.poll(max(0, (deadline_s - time.monotonic()) * 1000)):
                del alive[descriptor]
        return list(alive.values())

    try:
        yield survivors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def wait_until(is_done: Callable[[], bool], limit_s: float = 15) -> None:
    """Poll a condition that no descriptor announces (a line in a file); TimeoutError after ``limit_s``."""
    deadline_s = time.monotonic() + limit_s
    while not is_done():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not within {limit_s} s")
        time.sleep(0.005)
