"""Records and replicas as answers of the management API."""

from __future__ import annotations

import json
from typing import Any

from clipper.deploy.failures import FailureRow
from clipper.deploy.fleet import Fleet
from clipper.deploy.replicas import Replica, Session
from clipper.deploy.resources import GPU, Resources, gpus_of
from clipper.errors import InvalidArgumentError
from clipper.management.schemas import ApplicationAnswer, DeviceAnswer, ModelAnswer, ReplicaAnswer, VersionAnswer
from clipper.registry.records import Application, Model, ModelVersion
from clipper.types import ReplicaId


def application_answer(application: Application) -> ApplicationAnswer:
    """Render an application."""
    values: dict[str, Any] = {
        name: getattr(application, name)
        for name in ApplicationAnswer.model_fields
        if name not in ("default_output", "models", "shape", "policy", "learning")
    }
    return ApplicationAnswer(
        default_output=json.loads(application.default_output_json),
        models=list(application.models),
        shape=None if application.shape is None else list(application.shape),
        policy=None if application.policy is None else dict(application.policy),
        learning=None if application.learning is None else dict(application.learning),
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
        ready_replicas=fleet.table.ready_count(version.model_id) + fleet.table.external_ready_count(version.model_id),
        controller=version.controller,
        batch_size=version.batch_size,
        max_batch_size=version.max_batch_size,
        labels=list(version.labels),
        resources=dict(version.resources),
        gpus=_gpus(version.resources),
        waiting=fleet.waiting(version.model_id),
        description=version.description,
        is_current=model.current_version == version.version,
        is_deployed=version.is_deployed,
        is_external=version.is_external,
        failures=0 if row is None else row.backoff.failures,
        is_quarantined=row is not None and row.is_quarantined,
        last_failure="" if row is None else row.cause,
        log_tail="" if row is None else row.log_tail,
    )


def model_answer(model: Model, fleet: Fleet) -> ModelAnswer:
    """Render a model."""
    versions = [version_answer(model, version, fleet) for version in model.versions.values()]
    return ModelAnswer(
        name=model.name,
        current_version=model.current_version,
        previous_versions=list(model.previous_versions),
        versions=versions,
    )


def replica_answers(fleet: Fleet) -> list[ReplicaAnswer]:
    """Render every living replica: our own, then those that were started by hand."""
    own = [replica_answer(replica, fleet) for replica in fleet.table]
    return own + [external_answer(replica_id, session) for replica_id, session in fleet.table.external()]


def replica_answer(replica: Replica, fleet: Fleet) -> ReplicaAnswer:
    """Render a replica."""
    session, grant = fleet.table.session(replica.replica_id), fleet.ledger.of(replica.replica_id)
    return ReplicaAnswer(
        replica_id=replica.replica_id,
        model=replica.model_id.name,
        version=replica.model_id.version,
        pid=replica.pid,
        state=fleet.table.state(replica),
        reason="" if session is None else session.reason,
        devices=[] if grant is None else list(grant.device_ids),
        gpus=0 if grant is None else float(grant.share * len(grant.device_ids)),
    )


def external_answer(replica_id: ReplicaId, session: Session) -> ReplicaAnswer:
    """Render a container that somebody else has started; its id begins with the model version, as a rule."""
    model, _, rest = replica_id.partition(":")
    version = rest.partition(":")[0]
    return ReplicaAnswer(
        replica_id=replica_id,
        model=model,
        version=version,
        pid=0,
        state=session.state,
        reason=session.reason,
        devices=[],
        gpus=0,
    )


def device_answers(fleet: Fleet) -> list[DeviceAnswer]:
    """Render the devices of this machine."""
    ledger, free = fleet.ledger, fleet.ledger.free()
    return [
        DeviceAnswer(
            device=device.device_id,
            name=device.name,
            free=float(free[device.device_id]),
            replicas={holder: float(share) for holder, share in ledger.holders(device.device_id).items()},
        )
        for device in ledger.devices
    ]


def _gpus(resources: Resources) -> float | None:
    try:
        return float(gpus_of(resources)) if GPU in resources else None
    except InvalidArgumentError:  # see `deploy.device_demand.demand_of`
        return None
