"""The registry and everybody who follows it: a change is made once, and every frontend and the fleet have it after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from clipper.config import ClipperConfig
from clipper.deploy.containers import container_argv
from clipper.deploy.fleet import DesiredModel, Fleet
from clipper.errors import CallerError, ClipperError, ServerError, UnavailableError
from clipper.management.control_channel import ControlChannel
from clipper.management.learning import Learning
from clipper.management.model_files import ModelFiles
from clipper.registry.records import RegistryState
from clipper.registry.registry import Change, Registry
from clipper.registry.snapshot import to_snapshot
from clipper.types import ModelId

_logger = logging.getLogger(__name__)


class DesiredState:
    """Runs on management's event loop; changes are made one at a time, in the order in which they were asked for."""

    def __init__(
        self,
        config: ClipperConfig,
        registry: Registry,
        channel: ControlChannel,
        fleet: Fleet,
        files: ModelFiles,
        learning: Learning,
    ) -> None:
        self._config = config
        self._registry = registry
        self._channel = channel
        self._fleet = fleet
        self._files = files
        self._learning = learning
        self._changing = asyncio.Lock()

    @property
    def state(self) -> RegistryState:
        """The present desired state."""
        return self._registry.state

    def recover(self, change: Change) -> None:
        """Apply a change before anybody follows."""
        self._registry.apply(change)

    async def change(self, change: Change, before_fleet: Callable[[], None] = lambda: None) -> RegistryState:
        """Apply a change, publish it, and return when every frontend has it.

        A change that a frontend refuses is undone, under a further revision. One that a frontend is not there to
        apply stays: it gets the change when it is back.

        Parameters
        ----------
        before_fleet : callable
            Called between the registry and its followers; what it raises undoes the change.

        Raises
        ------
        CallerError
            From the change, or from a frontend that cannot use a value of it; nothing has changed.
        StateUnavailableError
            The state cannot be written; nothing has changed.
        ServerError
            A frontend refused it for another reason; nothing has changed.
        UnavailableError
            A frontend did not apply it in time; it is registered.
        """
        async with self._changing:
            before = self._registry.state
            state = await self._registry.apply_in_thread(change)
            try:
                before_fleet()
            except Exception:
                await self._undo(before)
                raise
            # What starts may start now; what ends must wait until no frontend sends it queries any more.
            self._set_desired({**self._desired_models(before), **self._desired_models(state)})
            try:
                await self._publish()
            except UnavailableError:
                self.tell_fleet()
                raise
            except Exception as error:
                level = logging.INFO if isinstance(error, CallerError) else logging.ERROR
                _logger.log(level, "a change is undone: %s", error)
                await self._undo(before)
                raise
            self.tell_fleet()
            return state

    @property
    def is_settled(self) -> bool:
        """Whether the store is known to hold the present state."""
        return self._registry.is_settled

    async def settle(self) -> None:
        """Make the store hold the present state, after a change that failed there.

        Raises
        ------
        StateUnavailableError
            It still cannot be written.
        """
        async with self._changing:
            await self._registry.settle_in_thread()

    def tell_fleet(self) -> None:
        """Let the fleet follow the present state."""
        self._set_desired(self._desired_models(self._registry.state))

    def _set_desired(self, models: Mapping[ModelId, DesiredModel]) -> None:
        longest_slo_us: dict[str, int] = {}
        for application in self._registry.state.applications.values():
            for model in application.models:
                longest_slo_us[model] = max(application.max_slo_us, longest_slo_us.get(model, 0))
        self._fleet.set_desired(models, longest_slo_us)

    def _desired_models(self, state: RegistryState) -> dict[ModelId, DesiredModel]:
        extra = self._config.management.containers
        return {
            version.model_id: DesiredModel(
                version.replicas,
                version.input_type,
                container_argv(version.container, extra),
                version.environment,
                self._files.path(version.model_id),
                version.resources,
                version.is_deployed,
            )
            for version in state.all_versions()
            if not version.is_external
        }

    async def _publish(self) -> None:
        state = self._registry.state
        # Nothing comes between the two: the plans of a snapshot are those of its models.
        await self._learning.follow(state)
        snapshot = to_snapshot(state, self._learning.plan_of)
        await self._channel.publish(snapshot, self._config.management.apply_limit_us)

    async def _undo(self, before: RegistryState) -> None:
        try:
            await self._registry.apply_in_thread(lambda _: before)
        except ClipperError as error:
            _logger.error("a change cannot be undone and stays: %s", error)
        self.tell_fleet()
        try:
            await self._publish()
        except ServerError as error:
            _logger.error("the former state is not applied either: %s", error)
