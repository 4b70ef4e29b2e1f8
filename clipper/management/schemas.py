"""Requests and answers of the management API. The values' own rules are in `clipper.registry.names`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from clipper.deploy.failures import FailureRow
from clipper.deploy.fleet import Fleet
from clipper.deploy.replicas import Replica
from clipper.registry.records import Application, Model, ModelVersion


class _Request(BaseModel):
    """Unknown keys are errors: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ApplicationRequest(_Request):
    """A query endpoint to register."""

    name: str
    input_type: str
    default_output: JsonValue = Field(description="what a query gets when no model answers in time")
    latency_slo_us: int
    max_slo_us: int | None = Field(None, description="ceiling of a query's own slo_us; default: latency_slo_us")
    shape: list[int] | None = None
    dtype: str | None = None
    on_miss: str = "default"
    policy: str | dict[str, JsonValue] | None = None
    cache: bool = True
    cache_ttl_us: int = 0


class ApplicationAnswer(BaseModel):
    """An application and its links."""

    name: str
    input_type: str
    default_output: JsonValue
    latency_slo_us: int
    max_slo_us: int
    shape: list[int] | None
    dtype: str | None
    on_miss: str
    policy: dict[str, JsonValue] | None
    cache: bool
    cache_ttl_us: int
    models: list[str]


class DeployRequest(_Request):
    """A model version to deploy."""

    version: str
    input_type: str
    container: str
    files: str | None = Field(None, description="a directory in the staging directory of this instance")
    replicas: int = 1
    controller: str = "aimd"
    batch_size: int = 0
    max_batch_size: int = 0
    labels: list[str] = []
    environment: dict[str, str] = {}
    make_current: bool = True
    sample_input: JsonValue = Field(
        None,
        description="an input that every replica must evaluate before it gets a query; "
        "by default zeros, if a linked application declares a shape",
    )


class VersionAnswer(BaseModel):
    """One version of a model."""

    name: str
    version: str
    input_type: str
    container: str
    replicas: int
    ready_replicas: int
    controller: str
    batch_size: int
    max_batch_size: int
    labels: list[str]
    is_current: bool
    is_deployed: bool
    failures: int = Field(description="failures of its replicas in a row")
    is_quarantined: bool
    last_failure: str
    log_tail: str = Field(description="last log lines of the replica that failed last")


class ModelAnswer(BaseModel):
    """A model with its versions."""

    name: str
    current_version: str | None
    versions: list[VersionAnswer]


class CurrentVersionRequest(_Request):
    """The version that shall answer queries which name none."""

    version: str


class ReplicasRequest(_Request):
    """How many replicas there should be."""

    count: int


class ReplicaAnswer(BaseModel):
    """One living replica."""

    replica_id: str
    model: str
    version: str
    pid: int
    state: str
    reason: str


class WorkerAnswer(BaseModel):
    """One connected frontend worker."""

    worker: int
    pid: int
    applied_revision: int


class StatusAnswer(BaseModel):
    """The whole instance."""

    revision: int
    run_dir: str
    query_url: str
    staging_dir: str
    workers: list[WorkerAnswer]
    applications: list[ApplicationAnswer]
    models: list[ModelAnswer]
    replicas: list[ReplicaAnswer]


class LogAnswer(BaseModel):
    """The last lines of a replica's log."""

    replica_id: str
    log: str


class ErrorAnswer(BaseModel):
    """Why a request failed."""

    error: str = Field(description="stable code")
    cause: str
    hint: str = ""
    log_tail: str = ""


class HealthAnswer(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


def application_answer(application: Application) -> ApplicationAnswer:
    """Render an application."""
    import json

    values: dict[str, Any] = {
        name: getattr(application, name)
        for name in ApplicationAnswer.model_fields
        if name not in ("default_output", "models", "shape", "policy")
    }
    return ApplicationAnswer(
        default_output=json.loads(application.default_output_json),
        models=list(application.models),
        shape=None if application.shape is None else list(application.shape),
        policy=None if application.policy is None else dict(application.policy),
        **values,
    )


def version_answer(model: Model, version: ModelVersion, fleet: Fleet) -> VersionAnswer:
    """Render a version with the state of its replicas."""
    row: FailureRow | None = fleet.failure(version.model_id)
    return VersionAnswer(
        name=version.name,
        version=version.version,
        input_type=version.input_type,
        container=version.container,
        replicas=version.replicas,
        ready_replicas=fleet.table.ready_count(version.model_id),
        controller=version.controller,
        batch_size=version.batch_size,
        max_batch_size=version.max_batch_size,
        labels=list(version.labels),
        is_current=model.current_version == version.version,
        is_deployed=version.is_deployed,
        failures=0 if row is None else row.backoff.failures,
        is_quarantined=row is not None and row.is_quarantined,
        last_failure="" if row is None else row.cause,
        log_tail="" if row is None else row.log_tail,
    )


def model_answer(model: Model, fleet: Fleet) -> ModelAnswer:
    """Render a model."""
    versions = [version_answer(model, version, fleet) for version in model.versions.values()]
    return ModelAnswer(name=model.name, current_version=model.current_version, versions=versions)


def replica_answer(replica: Replica, fleet: Fleet) -> ReplicaAnswer:
    """Render a replica."""
    session = fleet.table.session(replica.replica_id)
    return ReplicaAnswer(
        replica_id=replica.replica_id,
        model=replica.model_id.name,
        version=replica.model_id.version,
        pid=replica.pid,
        state=fleet.table.state(replica),
        reason="" if session is None else session.reason,
    )
