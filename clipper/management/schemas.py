"""Requests and answers of the management API. The values' own rules are in `clipper.registry.names`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from clipper.management.progress import Stage
from clipper.management.schema_types import (
    ApplicationName,
    BatchSize,
    CacheTtl,
    Controller,
    Description,
    DType,
    Gpus,
    InputType,
    Labels,
    LearningFields,
    MissRule,
    Policy,
    Replicas,
    Resources,
    Shape,
    Slo,
    Version,
)


class _Request(BaseModel):
    """Unknown keys are errors: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ApplicationRequest(_Request):
    """A query endpoint to register."""

    name: ApplicationName
    input_type: InputType
    default_output: JsonValue = Field(description="what a query gets when no model answers in time", examples=[-1])
    latency_slo_us: Slo
    max_slo_us: Slo | None = Field(None, description="ceiling of a query's own slo_us; default: latency_slo_us")
    shape: Shape = Field(None, description="of a tensor; or the length of a numeric vector")
    dtype: DType = Field(None, description="of a tensor")
    on_miss: MissRule = "default"
    policy: Policy = Field(None, description="which models answer, and how their outputs become one; default: majority")
    cache: bool = True
    cache_ttl_us: CacheTtl = Field(0, description="0 = entries of the prediction cache do not expire")
    learning: LearningFields = Field(
        None, description="how it learns from feedback; default: not at all, or by all defaults if its policy learns"
    )


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
    models: list[str] = Field(description="linked models, in link order")
    learning: dict[str, JsonValue] | None = Field(description="as it was given; null: no feedback is taken")


class PolicyRequest(_Request):
    """Another policy for an application, and, if it is named, another way to learn."""

    policy: Policy = Field(description="null: the default")
    learning: LearningFields = Field(
        None, description="left out: as it is; null: no feedback is taken any more, unless the policy needs it"
    )


class EvaluateRequest(_Request):
    """What another policy would have earned on the decisions that an application has logged."""

    policy: Policy = Field(description="the candidate")
    since_us: int | None = Field(None, ge=0, description="decisions before it are left out; wall clock")
    until_us: int | None = Field(None, ge=0, description="decisions at it and after it are left out")
    per_context: bool = Field(False, description="whether the candidate learns for each context apart")
    loss: str | None = Field(None, description="how labels judge outputs; null: as the log says, else zero_one")
    loss_bound: float | None = Field(None, gt=0, description="losses are divided by it and clipped to 0..1")
    label_field: str | None = Field(None, description='of an output that is an object: what is compared; "label"')
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals")


class ArmAnswer(BaseModel):
    """What is believed of one model version that may answer."""

    arm: str = Field(examples=["svm:2"])
    share: float = Field(description="its probability, or its weight in the vote")
    pulls: int
    mean_reward: float | None = Field(description="1 - its loss, lately")
    interval_low: float | None = Field(description="95% interval of the mean reward")
    interval_high: float | None


class EventAnswer(BaseModel):
    """Something that happened to an application's learning."""

    at_us: int = Field(description="wall clock")
    kind: str = Field(examples=["arms_changed"])
    text: str


class PolicyAnswer(BaseModel):
    """How an application chooses among its models, and what it has learned."""

    policy: dict[str, JsonValue]
    learning: dict[str, JsonValue] | None = Field(description="with every default; null: no feedback is taken")
    plan: dict[str, JsonValue] | None = Field(description="in force; null: what the policy says without learning")
    arms: list[ArmAnswer]
    observations: int = Field(description="that were learned from")
    contexts: int = Field(description="that have states of their own")
    events: list[EventAnswer]
    context: str | None = Field(None, description="whose plan and arms these are; null: everybody's")


class DeployRequest(_Request):
    """A model version to deploy."""

    version: Version
    input_type: InputType
    container: str = Field(description="the name of a program that evaluates models", examples=["sum"])
    files: str | None = Field(None, description="what POST /api/v1/files answered; taken by this deployment")
    replicas: Replicas = 1
    controller: Controller = Field("aimd", description="who chooses the batch size")
    batch_size: BatchSize = Field(0, description="of the controller fixed; 0 = its default")
    max_batch_size: BatchSize = Field(0, description="0 = the default")
    labels: Labels = []
    environment: dict[str, str] = Field({}, description="added to the containers' environment: CLIPPER_* and threads")
    resources: Resources = Field({}, description="what each replica asks of its machine")
    gpus: Gpus = Field(
        None,
        description="whole devices of each replica, or a share of one; 0: it sees none; null: nothing is said. "
        "Stands for the resource nvidia.com/gpu",
    )
    description: Description = ""
    make_current: bool = Field(True, description="whether it answers the queries that name no version")
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
    replicas: int = Field(description="wanted")
    ready_replicas: int
    controller: str
    batch_size: int
    max_batch_size: int
    labels: list[str]
    resources: dict[str, int | str]
    gpus: float | None = Field(description="of each replica; null: nothing is said")
    waiting: str = Field(description="what replicas wait for that are not started, and who has it; empty: none waits")
    description: str
    is_current: bool
    is_deployed: bool = Field(description="false while it is being deployed")
    is_external: bool = Field(description="its containers are started by hand")
    failures: int = Field(description="failures of its replicas in a row")
    is_quarantined: bool
    last_failure: str
    log_tail: str = Field(description="last log lines of the replica that failed last")


class ModelAnswer(BaseModel):
    """A model with its versions."""

    name: str
    current_version: str | None
    previous_versions: list[str] = Field(description="what a roll-back goes back to, the latest last")
    versions: list[VersionAnswer]


class CurrentVersionRequest(_Request):
    """The version that shall answer queries which name none."""

    version: Version


class ReplicasRequest(_Request):
    """How many replicas there should be."""

    count: Replicas


class ReplicaAnswer(BaseModel):
    """One living replica."""

    replica_id: str = Field(examples=["svm:1:0"])
    model: str
    version: str
    pid: int = Field(description="0 = somebody else has started it")
    state: str
    reason: str
    devices: list[str] = Field(description="that it was given, as CUDA_VISIBLE_DEVICES names them")
    gpus: float = Field(description="how many, or which share of the one")


class DeviceAnswer(BaseModel):
    """One device that versions with gpus are given."""

    device: str = Field(description="its UUID, or its number", examples=["GPU-8e2b0d2b-1a0c-4a5e-9d3e-0f8f0c6f2d11"])
    name: str = Field(description="empty: nobody has told it", examples=["NVIDIA H100 80GB HBM3"])
    free: float = Field(description="share that no replica has")
    replicas: dict[str, float] = Field(description="who has which share")


class WorkerAnswer(BaseModel):
    """One connected frontend worker."""

    worker: int
    pid: int
    applied_revision: int


class MonitoringStatus(BaseModel):
    """What an operator should know of an application's models."""

    application: str
    degraded: dict[str, str] = Field(description="models that are worse than they were, and how")
    quarantined: dict[str, str] = Field(description="models that answer nothing for that, and why")
    events: list[EventAnswer] = Field(description="the latest, the oldest first")


class StatusAnswer(BaseModel):
    """The whole instance."""

    revision: int = Field(description="of the registry; every change raises it")
    run_dir: str
    query_url: str
    staging_dir: str
    rpc_addresses: list[str] = Field(description="where containers that are started by hand connect")
    workers: list[WorkerAnswer]
    applications: list[ApplicationAnswer]
    models: list[ModelAnswer]
    replicas: list[ReplicaAnswer]
    devices: list[DeviceAnswer] = Field(description="of this machine, for versions with gpus")
    monitoring: list[MonitoringStatus] = Field([], description="of each application that is monitored")


class LogAnswer(BaseModel):
    """The last lines of a replica's log."""

    replica_id: str
    log: str


class FilesAnswer(BaseModel):
    """Where uploaded files lie until a deployment takes them."""

    files: str = Field(description="to be named in a deployment", examples=["/run/clipper/models/.staging/upload-1f"])


class ErrorAnswer(BaseModel):
    """Why a request failed."""

    error: str = Field(description="stable code", examples=["not_found"])
    cause: str = Field(description="what, where, what was expected", examples=["there is no model 'svm'"])
    hint: str = Field("", description="what to do about it", examples=["known: none"])
    log_tail: str = Field("", description="only with deploy_failed: the last lines of the container's log")


class ProgressLine(BaseModel):
    """One line of a stream of progress: any number of `progress`, then one `done` or `error`."""

    event: Literal["progress", "done", "error"]
    stage: Stage | None = Field(None, description="of progress")
    detail: str = ""
    ready_replicas: int = 0
    replicas: int = Field(0, description="wanted")
    elapsed_us: int = 0
    result: JsonValue = Field(None, description="of done: what the call answers without a stream")
    status: int = Field(0, description="of error: the status that the call answers without a stream")
    retriable: bool = False
    error: str = ""
    cause: str = ""
    hint: str = ""
    log_tail: str = ""


class HealthAnswer(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"
