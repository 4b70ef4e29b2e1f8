"""Containers as Docker's: they outlive management, and another management adopts those of the same life of Clipper."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from clipper.deploy.docker_daemon import Daemon, DaemonGoneError
from clipper.deploy.docker_launch import launch
from clipper.deploy.docker_leftovers import adopt, remove_all
from clipper.deploy.docker_spec import Surroundings, grant_of
from clipper.deploy.docker_watch import ContainerWatch, open_log
from clipper.deploy.manager import ContainerManager, ManagerEvents, ReplicaExit, ReplicaSpec, RunningReplica
from clipper.deploy.process import ProcessManager, last_life
from clipper.errors import DeployError, UnavailableError
from clipper.types import ReplicaId

if TYPE_CHECKING:
    from docker.models.containers import Container

_logger = logging.getLogger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")
_THREADS: Final = 16  # calls of the daemon under way; it does most of the work of a start one by one anyway
_REAP_LIMIT_US: Final = 10_000_000  # from SIGKILL until the daemon tells the end
_RETRY_S: Final = 0.25  # while the daemon does not answer
_CLOSE_LIMIT_S: Final = 2.0


@dataclass(slots=True)
class _Starting:
    """A replica on its way up."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: str = ""


class DockerManager(ContainerManager):
    """Replicas as containers of a Docker daemon on this host.

    Parameters
    ----------
    around : callable
        Gives, in a thread and when the daemon answers, what all containers share.
    link : ProcessManager
        The supervisor's word: that Clipper is being stopped, and how often its processes were restarted.
    log_dir : Path
        Where the containers' output is copied to.
    """

    def __init__(
        self, daemon: Daemon, around: Callable[[Daemon], Surroundings], link: ProcessManager, log_dir: Path
    ) -> None:
        self._daemon = daemon
        self._make_surroundings = around
        self._link = link
        self._log_dir = log_dir
        self._running: dict[ReplicaId, ContainerWatch] = {}
        self._starting: dict[ReplicaId, _Starting] = {}
        self._gone: dict[ReplicaId, asyncio.Event] = {}
        self._insisting: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._threads = ThreadPoolExecutor(_THREADS, "docker")
        link.events = ManagerEvents(lambda _: None, lambda _: None, self._on_closed)

    @property
    def process_restarts(self) -> Mapping[str, int]:
        return self._link.process_restarts

    async def connect(self, connection: socket.socket) -> None:
        """Take over the link to the supervisor, and the containers that run already; call `serve` afterwards.

        Raises
        ------
        StartError
            The daemon does not answer, or another Clipper has a cluster of this name on it.
        UnavailableError
            The supervisor closed the link.
        """
        self._loop = asyncio.get_running_loop()
        await self._link.connect(connection)
        self._around = await self._call(self._make_surroundings, self._daemon)
        for replica_id, container, pid in await self._call(adopt, self._daemon, self._around):
            self._watch(replica_id, container, pid, is_new=False)
            self.events.on_running(RunningReplica(replica_id, pid, grant_of(container.labels)))

    async def serve(self) -> None:
        """Follow the supervisor until it closes the link: it has died, and so will we."""
        await self._link.serve()

    async def close(self, grace_us: int) -> None:
        """End: with Clipper every container, and none if it is only management that is started again."""
        for task in self._insisting:
            task.cancel()
        # What is on its way up now would run on with nobody to stop it.
        for starting in self._starting.values():
            starting.stop.set()
        waits = [starting.done.wait() for starting in self._starting.values()]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waits), grace_us / 1e6 + _CLOSE_LIMIT_S)
        if self._is_closed:
            results = await asyncio.gather(
                *(self.stop_replica(replica_id, grace_us) for replica_id in list(self._running)), return_exceptions=True
            )
            for result in results:
                if isinstance(result, Exception):
                    _logger.error("a container is left running: %s", result)
            # One that had ended while the daemon did not answer is followed by nobody.
            try:
                await self._call(remove_all, self._daemon, self._around)
            except DaemonGoneError as error:
                _logger.error("containers may be left: %s", error)
        watches = list(self._running.values())
        for watch in watches:
            watch.close()
        for watch in watches:
            await asyncio.to_thread(watch.join, _CLOSE_LIMIT_S)
        await self._link.close(grace_us)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._daemon.close()

    # -- replicas ----------------------------------------------------------------------------------------------------

    async def start_replica(self, spec: ReplicaSpec) -> RunningReplica:
        replica_id = spec.replica_id
        if replica_id in self._starting or replica_id in self._running:
            raise DeployError(f"the replica {replica_id!r} runs already")
        starting = self._starting[replica_id] = _Starting()
        try:
            container, pid = await self._launch(spec, starting)
            self._watch(replica_id, container, pid, is_new=True)
            return RunningReplica(replica_id, pid, spec.grant)
        finally:
            del self._starting[replica_id]
            starting.done.set()

    async def _launch(self, spec: ReplicaSpec, starting: _Starting) -> tuple[Container, int]:
        """Start the container when the daemon answers: a daemon that is being restarted is no failure of a model."""
        while True:
            if self._is_closed:
                raise DeployError("the container cannot be started: Clipper is being stopped")
            try:
                return await self._call(launch, self._daemon, spec, self._around)
            except DaemonGoneError as error:
                if not starting.trouble:
                    _logger.warning("%s waits: %s", spec.replica_id, error)
                starting.trouble = str(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(starting.stop.wait(), _RETRY_S)
            if starting.stop.is_set():
                raise DeployError(f"the container cannot be started: {starting.trouble}")

    async def stop_replica(self, replica_id: ReplicaId, grace_us: int) -> None:
        starting = self._starting.get(replica_id)
        if starting is not None:
            starting.stop.set()
            await starting.done.wait()
        watch = self._running.get(replica_id)
        if watch is None:
            return
        gone = self._gone.setdefault(replica_id, asyncio.Event())
        for signal, limit_us in (("SIGTERM", grace_us), ("SIGKILL", _REAP_LIMIT_US)):
            if limit_us and not gone.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._end(watch, signal, gone), limit_us / 1e6)
        if not gone.is_set():
            # Who asked need not wait any longer; the container is killed when the daemon can be told to.
            task = self._loop.create_task(self._end(watch, "SIGKILL", gone))
            self._insisting.add(task)
            task.add_done_callback(self._insisting.discard)
            raise UnavailableError(
                f"the Docker daemon at {self._daemon.host} did not report the end of {replica_id!r} in time"
            )

    async def _end(self, watch: ContainerWatch, signal: str, gone: asyncio.Event) -> None:
        """Send a signal as soon as the daemon takes it, and wait for the end."""
        while not gone.is_set():
            try:
                await self._call(self._daemon.kill, watch.container, signal)
                await gone.wait()
            except DaemonGoneError:
                await asyncio.sleep(_RETRY_S)

    def list_replicas(self) -> tuple[RunningReplica, ...]:
        return tuple(
            RunningReplica(watch.replica_id, watch.pid, grant_of(watch.container.labels))
            for watch in self._running.values()
        )

    def logs(self, replica_id: ReplicaId, line_count: int) -> str:
        starting = self._starting.get(replica_id)
        if starting is not None and starting.trouble:
            return starting.trouble
        return last_life(self.log_path(replica_id), line_count)

    def log_path(self, replica_id: ReplicaId) -> Path:
        """Return the replica's log file, which has what its containers have printed."""
        return self._log_dir / f"{replica_id.replace(':', '_')}.log"

    # -- what threads and the supervisor tell ------------------------------------------------------------------------

    def _watch(self, replica_id: ReplicaId, container: Container, pid: int, *, is_new: bool) -> None:
        watch = ContainerWatch(
            self._daemon,
            container,
            replica_id,
            pid,
            open_log(self.log_path(replica_id), self._around.logs),
            self._around.logs,
            functools.partial(self._tell_end, container),
            is_new=is_new,
        )
        self._running[replica_id] = watch
        watch.start()

    def _tell_end(self, container: Container, ended: ReplicaExit) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is interested any more
            self._loop.call_soon_threadsafe(self._on_end, ended)

    def _on_end(self, ended: ReplicaExit) -> None:
        self._running.pop(ended.replica_id, None)
        self.events.on_exit(ended)
        gone = self._gone.pop(ended.replica_id, None)
        if gone is not None:
            gone.set()

    def _on_closed(self) -> None:
        self._is_closed = True
        for starting in self._starting.values():
            starting.stop.set()
        self.events.on_closed()

    async def _call(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await self._loop.run_in_executor(self._threads, functools.partial(function, *args, **kwargs))
