"""What management can do: each operation has happened, and queries see it, when it returns; or it raises and says
what state is left.

Deploying, scaling and deleting take as long as containers do. They run in tasks of their own (`VersionTasks`): a
caller that leaves changes nothing, and whoever wants to stop a deployment deletes the version.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from clipper.config import ClipperConfig
from clipper.deploy.containers import check_environment, container_argv
from clipper.deploy.device_demand import check_fits
from clipper.deploy.device_environment import check_variables
from clipper.deploy.fleet import Fleet
from clipper.errors import CallerError, ClipperError, ConflictError, UnavailableError
from clipper.management.control_channel import ControlChannel
from clipper.management.desired_state import DesiredState
from clipper.management.learning import Learning
from clipper.management.model_files import ModelFiles
from clipper.management.monitoring_setup import check_detector
from clipper.management.progress import Progress, Stage
from clipper.management.replica_progress import follow_ready, follow_stopping
from clipper.management.version_tasks import DELETED, DEPLOYED, SCALED, VersionTasks
from clipper.registry import changes
from clipper.registry.records import Application, Model, ModelVersion, RegistryState
from clipper.registry.registry import Change, Registry
from clipper.types import ModelId

_logger = logging.getLogger(__name__)
RemoveVersion = Callable[[RegistryState, str, str], RegistryState]


class Operations:
    """Runs on management's event loop. Changes of the registry are made one at a time; waits for containers are not."""

    def __init__(
        self, config: ClipperConfig, registry: Registry, channel: ControlChannel, fleet: Fleet, learning: Learning
    ) -> None:
        self._config = config
        self._fleet = fleet
        self._files = ModelFiles(config.model_dir, config.staging_dir)
        self._desired = DesiredState(config, registry, channel, fleet, self._files, learning)
        self._tasks = VersionTasks()
        self._undo_later: set[ModelId] = set()  # failed deployments that could not be taken out of the state

    @property
    def state(self) -> RegistryState:
        """The present desired state."""
        return self._desired.state

    @property
    def ended(self) -> Mapping[tuple[str, str], int]:
        """How many long operations have ended: ``(what was done, "done" or "failed")`` -> how often."""
        return self._tasks.ended

    def recover(self) -> None:
        """Take up the stored state: deployments that a crash of management interrupted are undone."""
        for version in [version for version in self.state.all_versions() if not version.is_deployed]:
            _logger.warning("the deployment of %s was interrupted: undone", version.model_id)
            self._desired.recover(partial(changes.remove_version, name=version.name, version=version.version))
        self._files.keep_only({version.model_id for version in self.state.all_versions()})
        self._desired.tell_fleet()

    @property
    def is_closing(self) -> bool:
        """Whether Clipper is being stopped."""
        return self._tasks.is_closing

    def close(self) -> None:
        """End what is under way, at once; its callers are told."""
        self._tasks.close()

    async def change(self, change: Change) -> RegistryState:
        """Make one change of the registry, and return when every frontend has it."""
        return await self._desired.change(change)

    # -- when the state cannot be written ----------------------------------------------------------------------------

    @property
    def is_settled(self) -> bool:
        """Whether the store holds the present state, and that state no deployment that has failed."""
        return self._desired.is_settled and not self._undo_later

    async def settle(self) -> None:
        """Write what could not be written when it was due: a no-op while `is_settled`.

        Raises
        ------
        StateUnavailableError
            The state still cannot be written.
        """
        await self._desired.settle()
        for model_id in tuple(self._undo_later):
            self._undo_later.discard(model_id)
            try:
                version = self.state.version(*model_id)
                if not version.is_deployed:
                    await self._tasks.run([model_id], DELETED, partial(self._undo_deployment, model_id))
            except CallerError as error:  # it was deleted meanwhile, or is being: so it is somebody else's by now
                _logger.info("the deployment of %s needs no undoing: %s", model_id, error)

    # -- applications ------------------------------------------------------------------------------------------------

    async def register_application(self, application: Application) -> Application:
        """Add an application."""
        await check_detector(application)
        state = await self.change(lambda state: changes.add_application(state, application))
        return state.application(application.name)

    async def delete_application(self, name: str) -> None:
        """Delete an application; queries to it get 404."""
        await self.change(lambda state: changes.without_unused_models(changes.delete_application(state, name)))

    async def set_policy(
        self, name: str, policy: Mapping[str, Any] | None, learning: Mapping[str, Any] | None
    ) -> Application:
        """Let an application choose among its models, and learn, in another way."""
        await check_detector(replace(self.state.application(name), policy=policy, learning=learning))
        state = await self.change(lambda state: changes.set_policy(state, name, policy, learning))
        return state.application(name)

    async def link_model(self, application_name: str, model_name: str) -> Application:
        """Link a model to an application."""
        state = await self.change(lambda state: changes.link_model(state, application_name, model_name))
        return state.application(application_name)

    async def unlink_model(self, application_name: str, model_name: str) -> Application:
        """Undo a link."""
        state = await self.change(
            lambda state: changes.without_unused_models(changes.unlink_model(state, application_name, model_name))
        )
        return state.application(application_name)

    # -- models ------------------------------------------------------------------------------------------------------

    async def deploy(
        self, version: ModelVersion, staged_files: Path | None, make_current: bool, progress: Progress | None = None
    ) -> ModelVersion:
        """Add a version, start its replicas, wait until all are ready, and (if asked) let it answer queries.

        Raises
        ------
        DeployError
            A replica died or is not ready in time; the version, its replicas and its files are gone again.
        CallerError
            The version exists, its container does not, a linked application does not fit it, this machine has fewer
            devices than it asks for, or it was deleted meanwhile.
        """
        check_environment(version.environment)
        check_variables(version.environment, version.resources)
        check_fits(version.model_id, version.resources, version.replicas, self._fleet.ledger.devices)
        container_argv(version.container, self._config.management.containers)
        staged_files = None if staged_files is None else self._files.check_staged(staged_files)
        deployment = partial(self._deploy, version, staged_files, make_current, progress or Progress())
        return await self._tasks.run([version.model_id], DEPLOYED, deployment)

    async def _deploy(
        self, version: ModelVersion, staged_files: Path | None, make_current: bool, progress: Progress
    ) -> ModelVersion:
        model_id = version.model_id
        progress.replicas = version.replicas
        is_registered = False

        def add(state: RegistryState) -> RegistryState:
            nonlocal is_registered
            after = changes.add_version(state, version)
            is_registered = True  # or will be in a moment: from here on there is something to undo
            return after

        def take_files() -> None:
            progress.say(Stage.REGISTERING, f"{model_id} is registered")
            progress.say(Stage.FILES, "taking the uploaded files" if staged_files else "the model has no files")
            self._files.take(model_id, staged_files)

        try:
            await self._desired.change(add, take_files)
            await self._fleet.wait_ready(
                model_id, version.replicas, follow_ready(progress, self._fleet, model_id, version.replicas)
            )
            progress.say(Stage.SWITCHING, f"{model_id} answers queries" if make_current else f"{model_id} is deployed")
            await self._desired.change(partial(_finish_deployment, model_id=model_id, make_current=make_current))
        except BaseException as error:
            if is_registered and not self._tasks.is_closing:
                await self._tasks.finish(self._undo_deployment(model_id))
                if isinstance(error, UnavailableError):
                    what = error.message.partition("; ")[0]  # behind it stands that a change stays: this one did not
                    message = f"{model_id} is not deployed, and nothing of it is left: {what}"
                    raise UnavailableError(message, hint=error.hint) from error
            raise
        return self.state.version(*model_id)

    async def register_external(
        self, version: ModelVersion, check: Callable[[RegistryState], None] = lambda _: None
    ) -> ModelVersion:
        """Add a version whose containers somebody else starts; it is current at once.

        Parameters
        ----------
        check : callable
            Refuses the change with errors of its own; nothing comes between it and the change.
        """

        def add(state: RegistryState) -> RegistryState:
            check(state)
            state = changes.mark_deployed(changes.add_version(state, version), *version.model_id)
            return changes.set_current_version(state, *version.model_id)

        state = await self.change(add)
        return state.version(*version.model_id)

    async def delete_version(
        self, model_id: ModelId, progress: Progress | None = None, remove: RemoveVersion = changes.remove_version
    ) -> None:
        """Remove a version with its replicas and files; what is being done to it ends.

        Parameters
        ----------
        remove : callable
            Makes the change, and refuses it.

        Raises
        ------
        CallerError
            There is no such version, it may not be removed, or it is being removed.
        UnavailableError
            It is removed, but a frontend does not know yet, or a replica has not ended.
        """
        remove(self.state, *model_id)  # is refused before anything is ended
        await self._tasks.end(model_id, ConflictError(f"the version {model_id} was deleted by another request"))
        if model_id.version in self.state.model_versions(model_id.name):
            removal = partial(self._remove, lambda state: remove(state, *model_id), [model_id], progress or Progress())
            await self._tasks.run([model_id], DELETED, removal)

    async def delete_model(self, name: str, progress: Progress | None = None) -> None:
        """Remove a model that no application is linked to, with all its versions; raises as `delete_version` does."""
        changes.delete_model(self.state, name)
        for version in self.state.model_versions(name):
            reason = ConflictError(f"the model {name!r} was deleted by another request")
            await self._tasks.end(ModelId(name, version), reason)
        model_ids = [ModelId(name, version) for version in self.state.model_versions(name)]
        change = partial(changes.delete_model, name=name)
        await self._tasks.run(model_ids, DELETED, partial(self._remove, change, model_ids, progress or Progress()))

    async def _remove(self, change: Change, model_ids: list[ModelId], progress: Progress) -> None:
        progress.say(Stage.REGISTERING, f"removing {', '.join(map(str, model_ids))}")
        unavailable: UnavailableError | None = None
        try:
            await self._desired.change(change)
        except UnavailableError as error:  # it is registered: the rest happens, and then the caller is told
            unavailable = error
        are_gone = [
            await self._fleet.wait_count(model_id, 0, follow_stopping(progress, self._fleet.table, model_id))
            for model_id in model_ids
        ]
        for model_id in model_ids:
            self._files.remove(model_id)
        if unavailable is not None:
            raise unavailable
        if not all(are_gone):
            left = [replica for model_id in model_ids for replica in self._fleet.table.of(model_id)]
            raise UnavailableError(
                f"{', '.join(map(str, model_ids))} is deleted and gets no queries, but has replicas that have not "
                f"ended: {', '.join(f'{replica.replica_id} (pid {replica.pid})' for replica in left)}",
                hint="they are being killed; GET /api/v1/replicas shows when they are gone",
            )

    async def set_current_version(self, model_id: ModelId) -> Model:
        """Let another deployed version answer the queries that name none."""
        state = await self.change(lambda state: changes.set_current_version(state, *model_id))
        return state.model(model_id.name)

    async def rollback(self, name: str) -> Model:
        """Let the version answer again that was current before the present one."""
        state = await self.change(lambda state: changes.rollback(state, name))
        return state.model(name)

    async def set_replicas(self, model_id: ModelId, count: int, progress: Progress | None = None) -> ModelVersion:
        """Scale, and return when the replicas are ready, or gone; this also ends a quarantine.

        Raises
        ------
        ConflictError
            The containers of this version are started by somebody else, or something else is done to it.
        DeployError
            A new replica died or is not ready in time; the former count is desired again.
        """
        version = self.state.version(*model_id)
        if version.is_external:
            raise ConflictError(
                f"the containers of {model_id} are started by hand, not by Clipper",
                hint="start or stop some; they join and leave by themselves",
            )
        changes.set_replicas(self.state, *model_id, count)  # is refused before a quarantine ends
        if count > version.replicas:  # what a smaller machine cannot hold any more may be scaled down
            check_fits(model_id, version.resources, count, self._fleet.ledger.devices)
        return await self._tasks.run(
            [model_id], SCALED, partial(self._set_replicas, model_id, count, progress or Progress())
        )

    async def _set_replicas(self, model_id: ModelId, count: int, progress: Progress) -> ModelVersion:
        former = self.state.version(*model_id).replicas
        progress.replicas = count
        progress.say(
            Stage.REGISTERING,
            f"scaling {model_id} from {former} to {count} replicas",
            self._fleet.table.ready_count(model_id),
        )
        self._fleet.forgive(model_id)
        await self._desired.change(lambda state: changes.set_replicas(state, *model_id, count))
        table = self._fleet.table
        try:
            await self._fleet.wait_ready(model_id, count, follow_ready(progress, self._fleet, model_id, count))
        except BaseException:
            if not self._tasks.is_closing:
                await self._tasks.finish(self._undo_scaling(model_id, former))
            raise
        if not await self._fleet.wait_count(model_id, count, follow_stopping(progress, table, model_id)):
            left = ", ".join(f"{replica.replica_id} (pid {replica.pid})" for replica in table.of(model_id))
            raise UnavailableError(
                f"{model_id} has the {count} replicas that were asked for, and others that have not ended: {left}",
                hint="they get no queries and are being killed; GET /api/v1/replicas shows when they are gone",
            )
        return self.state.version(*model_id)

    async def _undo_deployment(self, model_id: ModelId) -> None:
        try:
            if model_id.version in self.state.model_versions(model_id.name):  # else a frontend has refused it
                await self._desired.change(lambda state: changes.undo_deployment(state, *model_id))
        except UnavailableError as error:
            _logger.warning("undoing the deployment of %s: %s", model_id, error)
        except ClipperError as error:
            _logger.warning("%s is taken out of the state as soon as that can be written: %s", model_id, error)
            self._undo_later.add(model_id)
            return
        await self._fleet.wait_count(model_id, 0)
        self._files.remove(model_id)

    async def _undo_scaling(self, model_id: ModelId, former: int) -> None:
        try:
            await self._desired.change(lambda state: changes.set_replicas(state, *model_id, former))
        except ClipperError as error:
            _logger.warning("undoing the scaling of %s: %s", model_id, error)


def _finish_deployment(state: RegistryState, model_id: ModelId, make_current: bool) -> RegistryState:
    state = changes.mark_deployed(state, *model_id)
    is_first = state.model(model_id.name).current_version is None
    return changes.set_current_version(state, *model_id) if make_current or is_first else state
