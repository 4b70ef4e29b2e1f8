"""What management can do: each operation has happened, and queries see it, when it returns; or it raises and says
what state is left.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clipper.config import ClipperConfig
from clipper.deploy.containers import check_environment, container_argv
from clipper.deploy.fleet import DesiredModel, Fleet
from clipper.errors import InvalidArgumentError, ServerError, UnavailableError
from clipper.management.control_channel import ControlChannel
from clipper.registry import changes
from clipper.registry.records import Application, ModelVersion, RegistryState
from clipper.registry.registry import Change, Registry
from clipper.registry.snapshot import to_snapshot
from clipper.types import ModelId

_logger = logging.getLogger(__name__)


class Operations:
    """Runs on management's event loop. Changes of the registry are made one at a time; waits for containers are not."""

    def __init__(self, config: ClipperConfig, registry: Registry, channel: ControlChannel, fleet: Fleet) -> None:
        self._config = config
        self._registry = registry
        self._channel = channel
        self._fleet = fleet
        self._changing = asyncio.Lock()

    @property
    def state(self) -> RegistryState:
        """The present desired state."""
        return self._registry.state

    def recover(self) -> None:
        """Take up the stored state: deployments that a crash of management interrupted are undone."""
        for version in [version for version in self.state.all_versions() if not version.is_deployed]:
            _logger.warning("the deployment of %s was interrupted: undone", version.model_id)
            self._registry.apply(partial(changes.remove_version, name=version.name, version=version.version))
            self._remove_files(version.model_id)
        self._tell_fleet()

    # -- applications ------------------------------------------------------------------------------------------------

    async def register_application(self, application: Application) -> Application:
        """Add an application."""
        await self._change(lambda state: changes.add_application(state, application))
        return self.state.application(application.name)

    async def delete_application(self, name: str) -> None:
        """Delete an application; queries to it get 404."""
        await self._change(lambda state: changes.delete_application(state, name))

    async def link_model(self, application_name: str, model_name: str) -> Application:
        """Link a model to an application."""
        state = await self._change(lambda state: changes.link_model(state, application_name, model_name))
        return state.application(application_name)

    async def unlink_model(self, application_name: str, model_name: str) -> Application:
        """Undo a link."""
        state = await self._change(lambda state: changes.unlink_model(state, application_name, model_name))
        return state.application(application_name)

    # -- models ------------------------------------------------------------------------------------------------------

    async def deploy(self, version: ModelVersion, staged_files: Path | None, make_current: bool) -> ModelVersion:
        """Add a version, start its replicas, wait until all are ready, and (if asked) let it answer queries.

        Raises
        ------
        DeployError
            A replica died or is not ready in time; the version, its replicas and its files are gone again.
        CallerError
            The version exists, its container does not, or a linked application does not fit it.
        """
        check_environment(version.environment)
        container_argv(version.container, self._config.management.containers)
        staged_files = None if staged_files is None else self._check_staged(staged_files)
        model_id = version.model_id
        await self._change(
            lambda state: changes.add_version(state, version),
            before_fleet=partial(self._take_files, model_id, staged_files),
        )
        try:
            await self._fleet.wait_ready(model_id, version.replicas)
            await self._change(partial(_finish_deployment, model_id=model_id, make_current=make_current))
        except BaseException:
            await asyncio.shield(self._undo_deployment(model_id))
            raise
        return self.state.version(*model_id)

    async def delete_version(self, model_id: ModelId) -> None:
        """Remove a version with its replicas and files."""
        await self._change(lambda state: changes.remove_version(state, *model_id))
        await self._fleet.wait_count(model_id, 0)
        self._remove_files(model_id)

    async def set_current_version(self, model_id: ModelId) -> None:
        """Let another deployed version answer the queries that name none."""
        await self._change(lambda state: changes.set_current_version(state, *model_id))

    async def set_replicas(self, model_id: ModelId, count: int) -> ModelVersion:
        """Scale, and return when the replicas are ready, or gone; this also ends a quarantine.

        Raises
        ------
        DeployError
            A new replica died or is not ready in time; the former count is desired again.
        """
        former = self.state.version(*model_id).replicas
        self._fleet.forgive(model_id)
        await self._change(lambda state: changes.set_replicas(state, *model_id, count))
        try:
            await self._fleet.wait_ready(model_id, count)
        except BaseException:
            await asyncio.shield(self._change(lambda state: changes.set_replicas(state, *model_id, former)))
            raise
        await self._fleet.wait_count(model_id, count)
        return self.state.version(*model_id)

    # -- how a change is made ----------------------------------------------------------------------------------------

    async def _change(self, change: Change, before_fleet: Callable[[], None] = lambda: None) -> RegistryState:
        """Apply a change, publish it, and return when every frontend has it.

        A change that a frontend refuses is undone, under a further revision. One that a frontend is not there to
        apply stays: it gets the change when it is back.
        """
        async with self._changing:
            before = self._registry.state
            state = self._registry.apply(change)
            try:
                before_fleet()
                self._tell_fleet()
                await self._publish()
            except UnavailableError:
                raise
            except Exception as error:
                _logger.error("a change is undone: %s", error)
                self._registry.apply(lambda _: before)
                self._tell_fleet()
                try:
                    await self._publish()
                except ServerError as second_error:
                    _logger.error("the former state is not applied either: %s", second_error)
                raise
            return state

    async def _publish(self) -> None:
        await self._channel.publish(to_snapshot(self._registry.state), self._config.management.apply_limit_us)

    def _tell_fleet(self) -> None:
        extra = self._config.management.containers
        self._fleet.set_desired(
            {
                version.model_id: DesiredModel(
                    version.replicas,
                    version.input_type,
                    container_argv(version.container, extra),
                    version.environment,
                    self._model_path(version.model_id),
                )
                for version in self._registry.state.all_versions()
            }
        )

    async def _undo_deployment(self, model_id: ModelId) -> None:
        try:
            await self._change(partial(changes.remove_version, name=model_id.name, version=model_id.version))
        except UnavailableError as error:
            _logger.warning("undoing the deployment of %s: %s", model_id, error)
        await self._fleet.wait_count(model_id, 0)
        self._remove_files(model_id)

    # -- files -------------------------------------------------------------------------------------------------------

    def _model_path(self, model_id: ModelId) -> Path:
        return self._config.model_dir / model_id.name / model_id.version

    def _check_staged(self, path: Path) -> Path:
        """Accept only what lies in the staging directory: only this user can have put it there.

        Any other path would let whoever reaches the management port name a file that a container then opens.
        """
        staging = self._config.staging_dir.resolve()
        resolved = path.resolve()
        if resolved.parent != staging or not resolved.is_dir():
            raise InvalidArgumentError(f"files={str(path)!r} is not a directory in {str(staging)!r}")
        return resolved

    def _take_files(self, model_id: ModelId, staged: Path | None) -> None:
        """Move the staged files to their place; what an interrupted run left there is replaced."""
        target = self._model_path(model_id)
        self._remove_files(model_id)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if staged is None:
            target.mkdir(mode=0o700)
        else:
            staged.rename(target)

    def _remove_files(self, model_id: ModelId) -> None:
        target = self._model_path(model_id)
        shutil.rmtree(target, ignore_errors=True)
        try:
            target.parent.rmdir()
        except OSError:
            return  # other versions of the model are there


def _finish_deployment(state: RegistryState, model_id: ModelId, make_current: bool) -> RegistryState:
    state = changes.mark_deployed(state, *model_id)
    is_first = state.model(model_id.name).current_version is None
    return changes.set_current_version(state, *model_id) if make_current or is_first else state
