"""Watches every model version by what comes back about it, tells what it finds, and acts if the application asks.

It is the `ObservationListener` of the learner, which calls it on management's event loop, and its `Exclusions`: plans
are made without the arms that it has quarantined. What it decides is a pure function (`clipper.monitoring.decisions`);
what it does goes through the same change of the registry as a roll-back by hand.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from clipper.errors import ClipperError, ConflictError, NotFoundError, UnavailableError
from clipper.management.monitored import Monitored
from clipper.management.monitoring_setup import arms_of, document_key, model_id_of, options_for, roll_back_from
from clipper.monitoring.arm_monitor import Finding
from clipper.monitoring.decisions import Decision, Situation, decide
from clipper.monitoring.listener import ObservedLosses
from clipper.monitoring.options import QUARANTINE, ROLLBACK, TELL
from clipper.registry.learning import learning_of
from clipper.registry.records import Application, RegistryState
from clipper.registry.registry import Change
from clipper.state.store import Document
from clipper.types import ModelId

LOOK_INTERVAL_US: Final = 1_000_000
# How much of the windows a crash of management may lose; findings and quarantines are handed over at once.
SAVE_INTERVAL_US: Final = 10_000_000
# After an action that failed (the state could not be written, say).
RETRY_INTERVAL_US: Final = 30_000_000

_logger = logging.getLogger(__name__)


class RegistryChanges(Protocol):
    """What is needed of `Operations`."""

    @property
    def state(self) -> RegistryState:
        """The present desired state."""

    async def change(self, change: Change) -> RegistryState:
        """Make one change, and return when every frontend has it."""


class Monitoring:
    """Runs on management's event loop.

    Parameters
    ----------
    operations : RegistryChanges
        Where a roll-back is made.
    has_replicas : callable
        Whether a model version has a replica that is ready: only to such a version is rolled back.
    replan : callable
        Makes plans anew, when `excluded_arms` has changed, and returns when the workers have been told.
    keep : callable
        Told ``(key, document or None)``: writes it, or removes what was written; soon, and not now.
    stored : mapping
        What `keep` was told in an earlier life.
    now_us : callable
        The wall clock.
    """

    def __init__(
        self,
        operations: RegistryChanges,
        has_replicas: Callable[[ModelId], bool],
        replan: Callable[[], Awaitable[object]],
        keep: Callable[[str, Document | None], None],
        stored: Mapping[str, Document] | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._operations = operations
        self._has_replicas = has_replicas
        self._replan = replan
        self._keep = keep
        self._now_us = now_us
        self._stored = dict(stored or {})
        self._monitored: dict[str, Monitored] = {}
        self._followed = -1  # revision of the registry
        self._has_new_exclusions = False
        self._wake = asyncio.Event()
        self._next_save_us = 0
        self._rolled_back_us: dict[str, int] = {}  # model -> when any application's monitor rolled it back last
        self.event_counts: Counter[tuple[str, str]] = Counter()  # (application, kind) -> since the start

    # -- what the learner calls --------------------------------------------------------------------------------------

    def on_observation(self, application: str, observation: ObservedLosses) -> None:
        """Hear of one joined feedback."""
        monitored = self._find(application)
        if monitored is not None:
            self._tell(monitored, monitored.monitor.on_losses(observation.losses))
            monitored.is_dirty = True

    def on_outputs(self, application: str, samples: Mapping[str, Sequence[Any]]) -> None:
        """Hear of sampled outputs."""
        monitored = self._find(application)
        if monitored is not None:
            self._tell(monitored, monitored.monitor.on_outputs(samples))
            monitored.is_dirty = True

    def excluded_arms(self, application: str) -> frozenset[str]:
        """Return the quarantined arms of an application; never all that it has."""
        monitored = self._find(application)
        return frozenset() if monitored is None else frozenset(monitored.monitor.quarantined)

    # -- what operators see and do -----------------------------------------------------------------------------------

    def monitored(self, application: str) -> Monitored | None:
        """Return what is known of an application; None if it is not monitored."""
        return self._find(application)

    def all_monitored(self) -> list[Monitored]:
        """Return what is known of every application that is monitored, in the order of the registry."""
        self._follow()
        return [self._monitored[name] for name in self._operations.state.applications if name in self._monitored]

    async def quarantine(self, application: str, arm: str, why: str = "by hand") -> None:
        """Take an arm out of an application's plans; the workers have been told when this returns.

        Raises
        ------
        NotFoundError
            The application is not monitored, or has no such arm.
        ConflictError
            It is the last one that answers.
        """
        monitored = self._require(application, arm)
        if arm in monitored.monitor.quarantined:
            return
        monitored.monitor.quarantine(arm, why)
        if arm not in monitored.monitor.quarantined:
            raise ConflictError(
                f"{arm} is the last model that answers the queries of {application!r}",
                hint="lift another quarantine, or link another model, first",
            )
        self._on_quarantine(monitored, arm, "quarantined", why)
        await self._tell_exclusions()

    async def lift(self, application: str, arm: str, forget: bool = False) -> None:
        """End a quarantine: plans use the arm again, and the workers have been told when this returns.

        Parameters
        ----------
        forget : bool
            Learn anew how it should be. Otherwise it is held to what it was before, and is found degraded again if it
            still is; nothing is done about that before the cool-down is over.

        Raises
        ------
        NotFoundError
            The application is not monitored, or the arm not quarantined.
        """
        monitored = self._require(application, arm)
        if not monitored.monitor.lift(arm, forget):
            quarantined = ", ".join(monitored.monitor.quarantined) or "none"
            raise NotFoundError(f"{arm} of {application!r} is not quarantined", hint=f"quarantined: {quarantined}")
        monitored.last_action_us = self._now_us()
        self._on_quarantine(monitored, arm, "lifted", "by hand" + (", to be learned anew" if forget else ""))
        await self._tell_exclusions()

    # -- at work -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look again and again, at once after a finding; until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_INTERVAL_US / 1e6)
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.look()
            except ClipperError as error:
                _logger.error("the monitoring could not do what it should, and tries again: %s", error)
            if self._now_us() >= self._next_save_us:
                self.save_dirty()

    async def look(self) -> None:
        """Act on what is degraded, as far as it is asked for and may be."""
        self._follow()
        for monitored in list(self._monitored.values()):
            for arm, reason in monitored.monitor.degraded.items():
                await self._decide(monitored, arm, reason)
        await self._tell_exclusions()

    def save_dirty(self) -> None:
        """Hand over what has changed since it was handed over last."""
        self._next_save_us = self._now_us() + SAVE_INTERVAL_US
        for monitored in self._monitored.values():
            if monitored.is_dirty:
                self._save(monitored)

    async def _decide(self, monitored: Monitored, arm: str, reason: str) -> None:
        now_us = self._now_us()
        self._follow()  # an earlier action has taken its time
        is_current = self._monitored.get(monitored.name) is monitored and arm in monitored.monitor.arms
        if not is_current or now_us < monitored.retry_at_us:
            return
        situation = self._situation(monitored, arm)
        decision = decide(situation, now_us) if arm in situation.arms else Decision(TELL)  # a shadow answers nothing
        if decision.action == QUARANTINE:
            monitored.last_action_us = now_us
            monitored.monitor.quarantine(arm, reason)
            self._on_quarantine(monitored, arm, "quarantined", reason)
        elif decision.action == ROLLBACK:
            await self._roll_back(monitored, arm, reason, situation.previous_version or "")
        else:
            self._tell_withheld(monitored, arm, decision)

    def _situation(self, monitored: Monitored, arm: str) -> Situation:
        monitor, model = monitored.monitor, model_id_of(arm)
        previous = self._operations.state.model(model.name).previous_versions[-1:]
        times = (monitored.last_action_us, self._rolled_back_us.get(model.name))
        return Situation(
            options=monitor.options,
            arm=arm,
            arms=[other for other in monitor.answering if other == arm or self._has_replicas(model_id_of(other))],
            quarantined=frozenset(monitor.quarantined),
            degraded=frozenset(monitor.degraded),
            rising=monitor.rising_with(arm),
            losses=monitor.losses(),
            last_action_us=max((at_us for at_us in times if at_us is not None), default=None),
            previous_version=previous[0] if previous else None,
            previous_has_replicas=bool(previous) and self._has_replicas(ModelId(model.name, previous[0])),
            left_versions=frozenset(left.version for left in self._left() if left.name == model.name),
        )

    def _left(self) -> list[ModelId]:
        """Return every version that was rolled back from, for whichever application."""
        return [model_id_of(arm) for monitored in self._monitored.values() for arm in monitored.left]

    async def _roll_back(self, monitored: Monitored, arm: str, reason: str, version: str) -> None:
        model = model_id_of(arm)
        try:
            await self._operations.change(partial(roll_back_from, model_id=model, to_version=version))
        except UnavailableError as error:
            # Registered, and every frontend that is there has it; the others get it when they are back.
            if self._operations.state.model(model.name).current_version != version:
                self._on_failure(monitored, arm, error)
                return
        except ClipperError as error:
            self._on_failure(monitored, arm, error)
            return
        now_us = self._now_us()
        monitored.last_action_us = self._rolled_back_us[model.name] = now_us
        monitored.left = tuple(dict.fromkeys((*monitored.left, arm)))
        self._event(monitored, arm, "rolled_back", f"{model.name}:{version} answers instead: {reason}")
        self._follow()
        if self._monitored.get(monitored.name) is monitored:  # else it was deleted, or registered anew, meanwhile
            self._save(monitored)

    def _on_failure(self, monitored: Monitored, arm: str, error: ClipperError) -> None:
        monitored.retry_at_us = self._now_us() + RETRY_INTERVAL_US
        self._tell_once(monitored, arm, "failed", f"it could not be rolled back: {error}")

    def _tell_withheld(self, monitored: Monitored, arm: str, decision: Decision) -> None:
        if decision.withheld:
            wanted = monitored.monitor.options.on_degraded
            self._tell_once(monitored, arm, "withheld", f"no {wanted}: {decision.withheld}")

    def _tell_once(self, monitored: Monitored, arm: str, kind: str, text: str) -> None:
        """Say why nothing is done, and again only when the reason is another."""
        if monitored.untaken.get(arm) != text:
            monitored.untaken[arm] = text
            self._event(monitored, arm, kind, text)

    def _on_quarantine(self, monitored: Monitored, arm: str, kind: str, text: str) -> None:
        self._event(monitored, arm, kind, text)
        self._save(monitored)
        self._has_new_exclusions = True

    async def _tell_exclusions(self) -> None:
        if self._has_new_exclusions:
            self._has_new_exclusions = False
            await self._replan()

    # -- events ------------------------------------------------------------------------------------------------------

    def _tell(self, monitored: Monitored, findings: Sequence[Finding]) -> None:
        for finding in findings:
            monitored.untaken.pop(finding.arm, None)
            self._event(monitored, finding.arm, finding.kind, finding.text)
        if findings:
            self._wake.set()

    def _event(self, monitored: Monitored, arm: str, kind: str, text: str) -> None:
        monitored.add_event(self._now_us(), arm, kind, text)
        self.event_counts[monitored.name, kind] += 1
        _logger.warning("%s of application %s: %s: %s", arm, monitored.name, kind, text)

    # -- following the registry --------------------------------------------------------------------------------------

    def _find(self, application: str) -> Monitored | None:
        self._follow()
        return self._monitored.get(application)

    def _require(self, application: str, arm: str) -> Monitored:
        self._operations.state.application(application)
        monitored = self._find(application)
        if monitored is None:
            raise NotFoundError(
                f"the application {application!r} is not monitored", hint="register it with learning, and with monitor"
            )
        if arm not in monitored.monitor.arms:
            known = ", ".join(monitored.monitor.arms) or "none"
            raise NotFoundError(f"the application {application!r} has no model {arm!r}", hint=f"known: {known}")
        return monitored

    def _follow(self) -> None:
        """Take up what has changed in the registry since the last call."""
        state = self._operations.state
        if state.revision == self._followed:
            return
        self._followed = state.revision
        for name in [name for name in self._monitored if name not in state.applications]:
            del self._monitored[name]
            self._keep(document_key(name), None)
        for application in state.applications.values():
            self._follow_application(state, application)

    def _follow_application(self, state: RegistryState, application: Application) -> None:
        name, learning = application.name, learning_of(application)
        options = None if learning is None else options_for(name, learning)
        if learning is None or options is None:
            was_stored = self._stored.pop(document_key(name), None) is not None
            if self._monitored.pop(name, None) is not None or was_stored:
                self._keep(document_key(name), None)
            return
        label_field = learning.label_field
        monitored = self._monitored.get(name)
        if monitored is None:
            monitored = Monitored.restored(name, options, label_field, self._stored.pop(document_key(name), None))
        elif monitored.monitor.options != options or monitored.label_field != label_field:
            monitored = Monitored.restored(name, options, label_field, monitored.to_document())
        self._monitored[name] = monitored
        excluded = set(monitored.monitor.quarantined)
        if monitored.follow(*arms_of(state, application)):
            if excluded != set(monitored.monitor.quarantined):
                self._has_new_exclusions = True
                self._wake.set()
            self._save(monitored)

    def _save(self, monitored: Monitored) -> None:
        monitored.is_dirty = False
        self._keep(document_key(monitored.name), monitored.to_document())
