"""What a row is given: the form it runs in, an instance to break, and where its findings go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bench.own_dockerd import DockerDaemon
from bench.reliability.containers import Containers, DockerContainers, Processes
from bench.reliability.instance import Instance
from bench.reliability.scenario import Check

T = TypeVar("T")
WAIT_S: Final = 30.0
POLL_S: Final = 0.002


class NotInTimeError(AssertionError):
    """What a row waited for did not come."""


@dataclass
class Bench:
    """One run of rows; rows of one family may share an instance.

    Parameters
    ----------
    is_full : bool
        The issue's figures; else a few seconds a row.
    tell : callable
        Takes lines of progress.
    daemon : DockerDaemon, optional
        Replicas are containers of this one, not processes.
    """

    is_full: bool = False
    tell: Callable[[str], None] = lambda _line: None
    checks: list[Check] = field(default_factory=list)
    daemon: DockerDaemon | None = None
    _shared: Instance | None = None

    def containers(self) -> Containers:
        """Return where the replicas of a new instance run."""
        return Processes() if self.daemon is None else DockerContainers(self.daemon)

    def pick(self, short: T, full: T) -> T:
        """Return the figure of this form."""
        return full if self.is_full else short

    def check(self, what: str, measured: Any, holds: bool, *, is_timed: bool = False) -> None:
        """Note a finding; see `Check`."""
        self.checks.append(Check(what, str(measured), bool(holds), is_timed))
        self.tell(f"  {'ok ' if holds else 'NOT'} {what}: {measured}")

    def wait_until(self, is_done: Callable[[], bool], limit_s: float = WAIT_S, what: str = "") -> float:
        """Poll; return how long it took in seconds.

        Raises
        ------
        NotInTimeError
            It took longer than ``limit_s``.
        """
        started_s = time.monotonic()
        while not is_done():
            if time.monotonic() - started_s > limit_s:
                raise NotInTimeError(f"{what or 'what was waited for'} did not come within {limit_s:g} s")
            time.sleep(POLL_S)
        return time.monotonic() - started_s

    @property
    def shared(self) -> Instance:
        """An instance for rows that leave it as they found it; started when first asked for."""
        if self._shared is None or not self._shared.is_running:
            self.close()
            self._shared = Instance.start(self.containers())
        return self._shared

    @contextlib.contextmanager
    def own(self, **options: Any) -> Iterator[Instance]:
        """Give an instance of the row's own, see `Instance.start`; it ends with the block, whatever is left of it."""
        instance = Instance.start(self.containers(), **options)
        try:
            yield instance
        finally:
            instance.close()

    def close(self) -> None:
        """End the shared instance."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.close()
