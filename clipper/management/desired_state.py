"""The registry and everybody who follows it: a change is made once, and every frontend and the fleet have it after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from clipper.config import ClipperConfig
from clipper.deploy.containers import container_argv
from clipper.deploy.fleet import DesiredModel, Fleet
from clipper.errors import ServerError, UnavailableError
from clipper.management.control_channel import ControlChannel
from clipper.management.model_files import ModelFiles
from clipper.registry.records import RegistryState
from clipper.registry.registry import Change, Registry
from clipper.registry.snapshot import to_snapshot
from clipper.types import ModelId

_logger = logging.getLogger(__name__)


class DesiredState:
    """Runs on management's event loop; changes are made one at a time, in the order in which they were asked for."""

    def __init__(
        self, config: ClipperConfig, registry: Registry, channel: ControlChannel, fleet: Fleet, files: ModelFiles
    ) -> None:
        self._config = config
        self._registry = registry
        self._channel = channel
        self._fleet = fleet
        self._files = files
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
            From the change; nothing has changed.
        ServerError
            A frontend refused it; nothing has changed.
        UnavailableError
            A frontend did not apply it in time; it is registered.
        """
        async with self._changing:
            before = self._registry.state
            state = self._registry.apply(change)
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
                _logger.error("a change is undone: %s", error)
                await self._undo(before)
                raise
            self.tell_fleet()
            return state

    def tell_fleet(self) -> None:
        """Let the fleet follow the present state."""
        self._set_desired(self._desired_models(self._registry.state))

    def _set_desired(self, models: Mapping[ModelId, DesiredModel]) -> None:
        applications = self._registry.state.applications.values()
        self._fleet.set_desired(models, max((application.max_slo_us for application in applications), default=0))

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
            )
            for version in state.all_versions()
            if not version.is_external
        }

    async def _publish(self) -> None:
        await self._channel.publish(to_snapshot(self._registry.state), self._config.management.apply_limit_us)

    async def _undo(self, before: RegistryState) -> None:
        self._registry.apply(lambda _: before)
        self.tell_fleet()
        try:
            await self._publish()
        except ServerError as error:
            _logger.error("the former state is not applied either: %s", error)
