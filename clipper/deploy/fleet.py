"""Keeps the containers as desired: runs `reconcile`, carries out its actions, and counts what fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from clipper.backoff import Backoff
from clipper.config import ManagementConfig
from clipper.deploy.broadcast import Broadcast
from clipper.deploy.containers import container_environment
from clipper.deploy.counts import FleetCounts
from clipper.deploy.device_demand import WAITING_HINT, demand_of, waiting_text
from clipper.deploy.devices import Demand, Device, DeviceLedger
from clipper.deploy.failures import FailureRow
from clipper.deploy.manager import ContainerManager, ManagerEvents, ReplicaExit, ReplicaSpec, RunningReplica
from clipper.deploy.query_waits import QueryWaits
from clipper.deploy.reconcile import Decision, ReplicaState, Start, Stop, reconcile
from clipper.deploy.replicas import Replica, ReplicaTable, make_replica_id
from clipper.errors import ClipperError, DeployError, UnavailableError
from clipper.types import ModelId, ReplicaId

LOG_TAIL_LINES: Final = 40
# What a frontend says of a session that ended because its process did. Whether management hears of the one or of the
# other first is chance, and must not show in what a caller is told.
CONSEQUENCES: Final = frozenset({"its connection was closed", "its process died"})
NEVER_REGISTERED: Final = "it never registered, as the container contract asks for (docs/containers.md)"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DesiredModel:
    """What the replicas of one model version run, and how many there should be."""

    replicas: int
    input_type: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    model_path: Path
    resources: Mapping[str, int | str] = field(default_factory=dict)
    is_deployed: bool = True  # else it is being deployed, and gets devices after all others


@dataclass(frozen=True, slots=True)
class FrontendLink:
    """What the fleet needs of the frontend workers."""

    rpc_addresses: Callable[[], Sequence[str]]
    tell_gone: Callable[[ReplicaId], None]  # the process of a replica has died
    tell_drain: Callable[[ReplicaId], None]  # give it no more work; its session closes when its batches are done


class Fleet:
    """Runs on management's event loop. `set_desired` says what there should be; `run` makes it so.

    Parameters
    ----------
    manager : ContainerManager
        From now on it tells its events to this fleet.
    devices : sequence of Device
        What versions with ``gpus`` are given.
    """

    def __init__(
        self,
        config: ManagementConfig,
        frontends: FrontendLink,
        manager: ContainerManager,
        devices: Sequence[Device] = (),
    ) -> None:
        self.table = ReplicaTable()
        self.ledger = DeviceLedger(devices)
        self.manager = manager
        self.counts = FleetCounts()
        manager.events = ManagerEvents(self.on_running, self.on_exit, self.on_closed)
        self._config = config
        self._frontends = frontends
        self._desired: Mapping[ModelId, DesiredModel] = {}
        self._demands: Mapping[ModelId, Demand] = {}
        self._waiting: Mapping[ModelId, int] = {}  # replicas for which there is no device now
        self._waits = QueryWaits(config.drain_limit_us)
        self._failures: dict[ModelId, FailureRow] = {}
        self._changed = Broadcast()
        self._dirty = asyncio.Event()
        self._frontend_since_us: int | None = None
        self._is_closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what others tell --------------------------------------------------------------------------------------------

    def set_desired(
        self, desired: Mapping[ModelId, DesiredModel], longest_slo_us: Mapping[str, int] | None = None
    ) -> None:
        """Replace what is wanted; versions that are no longer wanted lose their row of failures.

        Parameters
        ----------
        longest_slo_us : mapping of str to int, optional
            How long queries of a model may wait, by its name: a replica that must empty their queue before it leaves
            has at least this long. What was told before counts for as long as queries may wait by it.
        """
        self._desired = dict(desired)
        demands = {model_id: demand_of(model.resources, model.is_deployed) for model_id, model in desired.items()}
        self._demands = {model_id: demand for model_id, demand in demands.items() if demand is not None}
        self._waits.tell(longest_slo_us or {}, _now_us())
        self._failures = {model_id: row for model_id, row in self._failures.items() if model_id in desired}
        self.counts.forget_all_but(desired)
        self._touch()

    def forgive(self, model_id: ModelId) -> None:
        """End a row of failures, and with it a quarantine: somebody asks for the version anew."""
        self._failures.pop(model_id, None)
        self._touch()

    def on_session(self, replica_id: ReplicaId, worker: int, state: str, reason: str) -> None:
        """A worker reports the state of a replica's session."""
        self.table.on_session(replica_id, worker, state, reason, _now_us())
        self._touch()

    def on_workers(self, connected_count: int, lost_worker: int | None = None) -> None:
        """A worker has connected, or the named one is gone."""
        if lost_worker is not None:
            self.table.on_worker_lost(lost_worker, _now_us())
        if connected_count == 0:
            self._frontend_since_us = None
        elif self._frontend_since_us is None:
            self._frontend_since_us = _now_us()
        self._touch()

    def on_running(self, replica: RunningReplica) -> None:
        """A replica runs already: management was restarted. One that cannot be ours is stopped."""
        if replica.grant is not None:
            self.ledger.hold(replica.replica_id, replica.grant)
        try:
            self.table.add(replica.replica_id, replica.pid, _now_us())
        except ValueError:
            _logger.error("the container manager runs %r, which is no replica: stopping it", replica.replica_id)
            self._spawn(self._stop_process(replica.replica_id))
        self._touch()

    def on_closed(self) -> None:
        """Clipper is being stopped: replicas end one by one and are not to be replaced."""
        self._is_closed = True

    def on_exit(self, ended: ReplicaExit) -> None:
        """A replica's process has ended: the frontends learn it first."""
        self._frontends.tell_gone(ended.replica_id)
        self.ledger.release(ended.replica_id)
        session = self.table.session(ended.replica_id)
        replica = self.table.remove(ended.replica_id)
        if replica is not None and not self._is_closed and (replica.failure_cause or not replica.is_stopping):
            # A frontend that has sent it away has said why; else the process ended by itself.
            is_told = session is not None and session.state == "closed" and session.reason not in CONSEQUENCES
            said = session.reason if session is not None and is_told else ""
            if ended.code == 0 and not said and self.table.never_registered(replica, session):
                said = NEVER_REGISTERED
            cause = replica.failure_cause or (f"{ended}: {said}" if said else str(ended))
            self._note_failure(replica, f"replica {replica.replica_id} {cause}")
        self._touch()

    # -- what others ask ---------------------------------------------------------------------------------------------

    def failure(self, model_id: ModelId) -> FailureRow | None:
        """Return the present row of failures of a model version."""
        return self._failures.get(model_id)

    def waiting(self, model_id: ModelId) -> str:
        """Return what replicas of a version wait for, and who has it; empty if none waits."""
        count, model = self._waiting.get(model_id, 0), self._desired.get(model_id)
        return waiting_text(count, model.resources, self.ledger) if count and model is not None else ""

    async def wait_ready(self, model_id: ModelId, count: int, on_look: Callable[[], None] = lambda: None) -> None:
        """Return when ``count`` replicas are ready.

        Parameters
        ----------
        on_look : callable
            Called before each look at the replicas: now, and whenever something has changed.

        Raises
        ------
        DeployError
            One of them failed meanwhile, or they are not ready within ``ready_limit_us``; carries the log's end.
        """

        def is_ready() -> bool:
            on_look()
            row = self._failures.get(model_id)
            if row is not None:
                raise DeployError(f"the model {model_id} failed: {row.cause}", log_tail=row.log_tail)
            return self.table.ready_count(model_id) >= count

        if not await self._changed.wait_until(is_ready, self._config.ready_limit_us):
            late = [
                replica for replica in self.table.of(model_id) if self.table.state(replica) is not ReplicaState.READY
            ]
            states = ", ".join(f"{replica.replica_id} is {self.table.state(replica)}" for replica in late)
            mute = [one for one in late if self.table.never_registered(one, self.table.session(one.replica_id))]
            if mute:
                states += f"; of {mute[0].replica_id}: {NEVER_REGISTERED}"
            waiting = self.waiting(model_id)
            raise DeployError(
                f"the model {model_id} has {self.table.ready_count(model_id)} of {count} replicas ready after "
                f"{self._config.ready_limit_us / 1e6:g} s ({waiting or states or 'none was started'})",
                hint=WAITING_HINT if waiting else "the limit is ready_limit_us",
                log_tail=self.manager.logs(late[0].replica_id, LOG_TAIL_LINES) if late else "",
            )

    async def wait_count(self, model_id: ModelId, most: int, on_look: Callable[[], None] = lambda: None) -> bool:
        """Return True when at most ``most`` replicas' processes are left, False when that takes too long to wait for.

        ``on_look`` is called as by `wait_ready`.
        """

        def is_done() -> bool:
            on_look()
            return len(self.table.of(model_id)) <= most

        limit_us = self._drain_limit_us(model_id) + 2 * self._config.stop_grace_us + 1_000_000
        return await self._changed.wait_until(is_done, limit_us)

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Reconcile whenever something changed, until cancelled."""
        while True:
            self._dirty.clear()
            decision = self._decide()
            if decision.waiting != self._waiting:
                self._waiting = decision.waiting
                self._changed.notify()
            for action in decision.actions:
                self._carry_out(action)
            if decision.actions:
                continue
            wait_s = None if decision.wake_us is None else max(0, decision.wake_us - _now_us()) / 1e6
            # Not `wait_for`: of Python 3.11 it swallows a cancellation that comes together with what is waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._dirty.wait()

    def _decide(self) -> Decision:
        if self._is_closed:
            return Decision((), None)
        return reconcile(
            {model_id: model.replicas for model_id, model in self._desired.items()},
            [replace(self.table.view(one), keep_us=self._keep_us(one.model_id)) for one in self.table],
            {model_id: row.restraint for model_id, row in self._failures.items()},
            _now_us(),
            self._config.ready_limit_us,
            self._config.suspect_grace_us,
            self._frontend_since_us,
            self._demands,
            self.ledger.room(),
        )

    def _carry_out(self, action: Start | Stop) -> None:
        """Note the action in the table at once, so that it is not decided twice, and do it in a task."""
        replica_id = make_replica_id(action.model_id, action.index)
        if isinstance(action, Start):
            replica = self.table.add(replica_id, 0, _now_us())
            if action.grant is not None:
                self.ledger.hold(replica_id, action.grant)
            self.counts.starts += 1
            self._spawn(self._start(replica, self._desired[action.model_id]))
            return
        found = self.table.get(replica_id)
        if found is not None:
            state = self.table.state(found)
            if action.is_failure:
                found.was_late = True
                is_mute = self.table.never_registered(found, self.table.session(replica_id))
                found.failure_cause = "did not become ready in time" + (f": {NEVER_REGISTERED}" if is_mute else "")
            elif state is ReplicaState.SUSPECT:
                session = self.table.session(replica_id)
                found.failure_cause = f"was replaced: {session.reason if session is not None else 'no session'}"
            found.is_stopping = True
            self.counts.stops += 1
            self._spawn(self._stop(found, drains=state is ReplicaState.READY))

    async def _start(self, replica: Replica, model: DesiredModel) -> None:
        addresses = self._frontends.rpc_addresses()
        first = replica.index % len(addresses)  # spread over the workers; the others are tried in turn
        contract = container_environment(
            replica.model_id,
            model.input_type,
            replica.replica_id,
            [*addresses[first:], *addresses[:first]],
            model.model_path,
        )
        environment, grant = {**model.environment, **contract}, self.ledger.of(replica.replica_id)
        spec = ReplicaSpec(replica.replica_id, model.argv, environment, model.resources, grant)
        try:
            replica.pid = (await self.manager.start_replica(spec)).pid
        except DeployError as error:
            self._forget(replica)
            self._note_failure(replica, error.message)
            self._touch()
        except UnavailableError as error:  # the manager is closed, and says so by `on_closed`
            self._forget(replica)
            _logger.warning("%s: %s", replica.replica_id, error)

    def _forget(self, replica: Replica) -> None:
        self.table.remove(replica.replica_id)
        self.ledger.release(replica.replica_id)

    async def _stop(self, replica: Replica, drains: bool) -> None:
        if drains:
            self._frontends.tell_drain(replica.replica_id)
            await self._changed.wait_until(lambda: self._is_drained(replica), self._drain_limit_us(replica.model_id))
        await self._stop_process(replica.replica_id)

    async def _stop_process(self, replica_id: ReplicaId) -> None:
        try:
            await self.manager.stop_replica(replica_id, self._config.stop_grace_us)
        except ClipperError as error:
            _logger.error("cannot stop replica %s: %s", replica_id, error)

    def _drain_limit_us(self, model_id: ModelId) -> int:
        return max(self._config.drain_limit_us, self._waits.longest_us(model_id.name, _now_us()))

    def _keep_us(self, model_id: ModelId) -> int:
        # What takes a suspect longer than anything before may be an answer that somebody still waits for.
        return max(self._config.suspect_keep_us, self._waits.longest_us(model_id.name, _now_us()))

    def _is_drained(self, replica: Replica) -> bool:
        session = self.table.session(replica.replica_id)
        return self.table.get(replica.replica_id) is not replica or session is None or session.state == "closed"

    def _note_failure(self, replica: Replica, cause: str) -> None:
        if replica.model_id not in self._desired:
            return
        config = self._config
        backoff = Backoff(config.replace_backoff_min_us, config.replace_backoff_max_us, config.replace_stable_us)
        row = self._failures.get(replica.model_id, FailureRow(backoff, config.quarantine_failures))
        # A process that never existed has printed nothing.
        log_tail = self.manager.logs(replica.replica_id, LOG_TAIL_LINES) if replica.pid else ""
        row = row.failed(replica.started_us, replica.ready_us, _now_us(), cause, log_tail)
        self._failures[replica.model_id] = row
        self.counts.failures[replica.model_id] += 1
        outcome = "quarantined" if row.is_quarantined else f"replaced in {row.backoff.delay_us} us"
        facts = {"replica_id": replica.replica_id, "model": str(replica.model_id)}
        _logger.warning("%s: failure %d in a row, %s", cause, row.backoff.failures, outcome, extra=facts)

    def _touch(self) -> None:
        self._dirty.set()
        self._changed.notify()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
