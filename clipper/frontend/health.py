"""``/healthz`` (the process is up) and ``/readyz`` (it can answer every application)."""

from __future__ import annotations

import json

from clipper.frontend.snapshots import SnapshotApplier

_JSON = b"application/json"
Answer = tuple[int, bytes, bytes]


def healthz(method: bytes, query: bytes) -> Answer:
    """200 while the process serves its loop."""
    return 200, _JSON, b'{"status":"ok"}'


class Readiness:
    """200 when a snapshot is in force and every linked model has a ready replica; else 503 with what is missing."""

    def __init__(self, snapshots: SnapshotApplier) -> None:
        self._snapshots = snapshots

    def __call__(self, method: bytes, query: bytes) -> Answer:
        missing = self.missing()
        body = {"status": "not ready" if missing else "ready", "revision": self._snapshots.revision, "missing": missing}
        return (503 if missing else 200), _JSON, json.dumps(body).encode()

    def missing(self) -> list[str]:
        """What stands between this worker and being ready, in words."""
        if self._snapshots.revision == 0:
            return ["no routing snapshot has come from management yet"]
        return sorted(
            {
                f"model {model.model_id!r} of application {application.name!r} has no ready replica"
                for application in self._snapshots.applications.values()
                if application.plan is not None
                for model in application.plan.models
                if model.ready_replicas == 0
            }
        )
