"""A thread for each container: it copies what the container prints into its log file, and tells its end."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clipper.backoff import Backoff
from clipper.config import LogConfig
from clipper.deploy.docker_daemon import ContainerGoneError, ContainerState, Daemon, DaemonGoneError
from clipper.deploy.manager import ReplicaExit
from clipper.log_file import RotatingLog
from clipper.logs import start_line
from clipper.types import ReplicaId

if TYPE_CHECKING:
    from docker.models.containers import Container

_logger = logging.getLogger(__name__)
_STAMP: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
_SIGNALS: Final = range(129, 129 + 64)  # 128 + N: a signal N ended it, as shells and Docker write it
_KILLED: Final = -9
_SECOND_NS: Final = 1_000_000_000
_BACKOFF: Final = Backoff(min_us=20_000, max_us=2_000_000, stable_us=1_000_000)


class ContainerWatch:
    """Follows one running container until it has ended, across restarts of the daemon.

    Parameters
    ----------
    tell_end : callable
        Called once from this thread, when what was printed is on disk and the container removed.
    is_new : bool
        Its log begins with a line that says so; of one that ran already the rest is appended.
    """

    def __init__(
        self,
        daemon: Daemon,
        container: Container,
        replica_id: ReplicaId,
        pid: int,
        log: RotatingLog,
        log_config: LogConfig,
        tell_end: Callable[[ReplicaExit], None],
        *,
        is_new: bool,
    ) -> None:
        self.container = container
        self.replica_id = replica_id
        self.pid = pid
        self._daemon = daemon
        self._log = log
        self._tell_end = tell_end
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._stream: Any = None
        self._is_unreadable = False
        # Of what was copied before, the file's time says the last: see `_keep`.
        self._stream_ns = 0
        self._last_ns = 0 if is_new or not log.path.exists() else log.path.stat().st_mtime_ns
        if is_new:
            log.end_line()
            log.write(start_line(log_config, replica_id, pid))
            created = _STAMP.match(f"{container.attrs.get('Created', '')} ".encode())
            if created is not None:  # the whole second: some daemons stamp output by that alone
                self._stamp(_nanoseconds(created) // _SECOND_NS * _SECOND_NS - 1)
        self._thread = threading.Thread(target=self._run, name=f"docker {replica_id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop following; the container runs on."""
        self._closed.set()
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(OSError, AttributeError, ValueError):  # it ends by itself in this moment
                stream.close()

    def join(self, limit_s: float) -> None:
        """Wait for the thread, after `close`."""
        self._thread.join(limit_s)

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            ended = self._follow()
            if ended is None:
                return
            self._remove()
            self._tell_end(ended)
        finally:
            self._log.close()

    def _follow(self) -> ReplicaExit | None:
        """Return how it ended; None if we are to stop following."""
        backoff, told = _BACKOFF, ""
        while not self._closed.is_set():
            try:
                self._copy_output()
                state = self._daemon.state(self.container)
                if not state.is_running and not self._closed.is_set():
                    return self._exit_of(state)
                cause = "its output ended while it runs"
            except ContainerGoneError:
                return ReplicaExit(self.replica_id, _KILLED, "its container was removed by somebody else")
            except DaemonGoneError as error:
                cause = str(error)
            if cause != told and not self._closed.is_set():
                _logger.debug("%s: %s", self.replica_id, cause)
                told = cause
            backoff = backoff.failed(0)
            self._closed.wait(backoff.delay_us / 1e6)
        return None

    def _remove(self) -> None:
        """Free the container's name; left to the next start of the replica if the daemon does not answer now."""
        try:
            self._daemon.remove(self.container)
        except DaemonGoneError as error:
            _logger.warning("the ended container of %s is not removed yet: %s", self.replica_id, error)

    def _exit_of(self, state: ContainerState) -> ReplicaExit:
        code = 128 - state.code if state.code in _SIGNALS else state.code
        note = state.error
        if state.ran_out_of_memory:
            limit_bytes = int((self.container.attrs.get("HostConfig") or {}).get("Memory") or 0)
            note = f"it ran out of memory (its limit is {limit_bytes >> 20} MiB)"
        return ReplicaExit(self.replica_id, code, note)

    def _copy_output(self) -> None:
        """Append what the container prints, until it ends or the connection does."""
        import docker

        try:
            with self._daemon.told():
                stream = self.container.logs(
                    stream=True, follow=True, timestamps=True, since=self._last_ns // _SECOND_NS or None
                )
        except docker.errors.APIError as error:
            # Other log drivers keep nothing that can be read: then only the end is waited for.
            if not self._is_unreadable:
                self._log.write(f"its output cannot be read: {error}\n".encode())
            self._is_unreadable = True
            self._wait()
            return
        with self._daemon.told(), self._released(stream):
            with self._lock:
                self._stream = stream
            if self._closed.is_set():  # so `close` may have come too early to see it
                return
            self._stream_ns = 0
            for chunk in stream:
                self._keep(chunk)

    def _wait(self) -> None:
        import requests

        # The SDK tells of either when nothing came in time.
        with self._daemon.told(), contextlib.suppress(requests.exceptions.ReadTimeout, requests.ConnectionError):
            self.container.wait(timeout=1)

    @contextlib.contextmanager
    def _released(self, stream: Any) -> Iterator[None]:
        try:
            yield
        finally:
            with self._lock:
                self._stream = None
            # The SDK reads such a stream past the library that keeps its connections, which thinks it in use for ever.
            response = getattr(stream, "_response", None)
            if response is not None:
                response.close()

    def _keep(self, chunk: bytes) -> None:
        """Append one piece of output, and let the file's time be the daemon's stamp of it: there we go on one day.

        Pieces of one stamp count upwards from it, for podman stamps whole seconds. Every stream begins with a whole
        second, so each piece gets the same number in all of them.
        """
        found = _STAMP.match(chunk)
        if found is None:
            self._log.write(chunk)
            return
        self._stream_ns = max(_nanoseconds(found), self._stream_ns + 1)
        if self._stream_ns <= self._last_ns:  # the daemon knows whole seconds only to begin at
            return
        self._log.write(chunk[found.end() :])
        self._last_ns = self._stream_ns
        self._stamp(self._last_ns)

    def _stamp(self, time_ns: int) -> None:
        with contextlib.suppress(OSError):
            os.utime(self._log.path, ns=(time_ns, time_ns))


def open_log(path: Path, config: LogConfig) -> RotatingLog:
    """Return the log file of a replica."""
    return RotatingLog(path, config.max_bytes, config.keep_count)


def _nanoseconds(found: re.Match[bytes]) -> int:
    zone = found[3].decode().replace("Z", "+00:00")
    seconds = int(datetime.fromisoformat(found[1].decode() + zone).timestamp())
    return seconds * _SECOND_NS + int((found[2] or b"0").ljust(9, b"0"))
