"""Models, their versions and their replicas."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final, Literal, overload

from clipper.client.api_paths import API, DEPLOY_LIMIT_US, segment
from clipper.client.calls import Calls
from clipper.client.checks import check_text, check_version, no_current_version, to_count
from clipper.client.listings import Listing, ModelInfo, ReplicaInfo, VersionInfo
from clipper.errors import DeployError, UnavailableError

_POLL_INTERVAL_S: Final = 0.05
_MAX_LOG_LINES: Final = 10_000
_WAIT_LIMIT_US: Final = 60_000_000


class ModelCalls(Calls):
    """The part of `Clipper` that is about models."""

    # -- what there is -----------------------------------------------------------------------------------------------

    def get_model(self, name: str) -> ModelInfo:
        """Return one model; `NotFoundError` if there is none of that name."""
        return ModelInfo.from_answer(self._manage("GET", _model(name)))

    def get_models(self) -> Listing[ModelInfo]:
        """Return every model."""
        return Listing(ModelInfo, map(ModelInfo.from_answer, self._manage("GET", "/models")))

    def get_version(self, name: str, version: str | int | None = None) -> VersionInfo:
        """Return one version of a model; by default the current one."""
        if version is not None:
            return VersionInfo.from_answer(self._manage("GET", _version(name, version)))
        model = self.get_model(name)
        for record in model.versions:
            if record.version == model.current_version:
                return record
        raise no_current_version(name)

    def get_versions(self, name: str | None = None) -> Listing[VersionInfo]:
        """Return every version of a model, or of all models."""
        models = self.get_models() if name is None else [self.get_model(name)]
        return Listing(VersionInfo, (version for model in models for version in model.versions))

    def get_replicas(self, name: str | None = None, version: str | int | None = None) -> Listing[ReplicaInfo]:
        """Return the living replicas, all of them or those of a model, or of one of its versions."""
        replicas = map(ReplicaInfo.from_answer, self._manage("GET", "/replicas"))
        wanted = None if version is None else check_version(version)
        return Listing(
            ReplicaInfo,
            (one for one in replicas if name in (None, one.model) and wanted in (None, one.version)),
        )

    # -- changes -----------------------------------------------------------------------------------------------------

    def set_model_version(self, name: str, version: str | int) -> None:
        """Let another deployed version answer the queries that name none: roll back, or forward."""
        self._manage("PUT", f"{_model(name)}/current_version", {"version": check_version(version)})

    def rollback(self, name: str) -> str:
        """Let the version that was current before answer again, and return which one that is.

        Raises
        ------
        ConflictError, NotFoundError
            No version was current before, or it has been deleted.
        """
        return str(self._manage("POST", f"{_model(name)}/rollback")["current_version"])

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Remove a version with its replicas; not the current version of a linked model."""
        self._manage("DELETE", _version(name, version), limit_us=DEPLOY_LIMIT_US)

    def delete_model(self, name: str) -> None:
        """Remove a model with all its versions and replicas; `ConflictError` while an application is linked to it."""
        self._manage("DELETE", _model(name), limit_us=DEPLOY_LIMIT_US)

    # -- replicas ----------------------------------------------------------------------------------------------------

    def wait_ready(
        self, name: str | None = None, version: str | int | None = None, *, limit_us: int = _WAIT_LIMIT_US
    ) -> None:
        """Return when every replica that there should be is ready: of one version, of one model, or of all models.

        `deploy_model` and `set_num_replicas` wait by themselves; this is for a start, or a crash, of the server.

        Raises
        ------
        DeployError
            A version has failed so often that it is left alone; carries its last log lines.
        UnavailableError
            They are not ready within ``limit_us``.
        """
        deadline_s = time.monotonic() + limit_us / 1e6
        while missing := [one for one in self._versions(name, version) if not one.is_ready]:
            for failed in missing:
                if failed.is_quarantined:
                    raise DeployError(
                        f"the model {failed.name}:{failed.version} failed: {failed.last_failure}",
                        hint="it is tried again by set_num_replicas",
                        log_tail=failed.log_tail,
                    )
            if time.monotonic() > deadline_s:
                told = ", ".join(f"{one.name}:{one.version} has {one.ready_replicas}/{one.replicas}" for one in missing)
                raise UnavailableError(f"not every replica is ready after {limit_us / 1e6:g} s: {told}")
            time.sleep(_POLL_INTERVAL_S)

    @overload
    def logs(self, replica_id: str, line_count: int = 100, *, follow: Literal[False] = False) -> str: ...

    @overload
    def logs(self, replica_id: str, line_count: int = 100, *, follow: Literal[True]) -> Iterator[str]: ...

    def logs(self, replica_id: str, line_count: int = 100, *, follow: bool = False) -> str | Iterator[str]:
        """Return the last lines that a replica (``model:version:index``) has printed.

        With ``follow=True`` an iterator over these lines and those to come; stop iterating when you have seen enough.
        """
        count = to_count("line_count", line_count, 1, _MAX_LOG_LINES)
        path = f"/replicas/{segment(check_text('replica_id', replica_id))}/log?lines={count}"
        if follow:
            return self._management.stream_lines(f"{API}{path}&follow=true")
        return str(self._manage("GET", path)["log"])

    def _versions(self, name: str | None, version: str | int | None) -> list[VersionInfo]:
        if name is not None and version is not None:
            return [self.get_version(name, version)]
        return list(self.get_versions(name))


def _model(name: Any) -> str:
    return f"/models/{segment(check_text('name', name))}"


def _version(name: Any, version: Any) -> str:
    return f"{_model(name)}/versions/{segment(check_version(version))}"
