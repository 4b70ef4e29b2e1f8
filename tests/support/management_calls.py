"""Calls of the management API that its tests share."""

from __future__ import annotations

import json
from typing import Any

import httpx

from clipper.types import ReplicaId
from tests.support.management_server import ManagementInThread

LINES = {"Accept": "application/x-ndjson"}
MODELS = "/api/v1/models"


def version(number: int = 1, mode: str = "", **values: Any) -> dict[str, Any]:
    return {
        "version": str(number), "input_type": "doubles", "container": "fake", "environment": {"CLIPPER_FAKE": mode},
        **values,
    }  # fmt: skip


def deploy(client: httpx.Client, name: str, number: int = 1, **values: Any) -> None:
    client.post(f"{MODELS}/{name}/versions", json=version(number, **values)).raise_for_status()


def register(client: httpx.Client, name: str) -> httpx.Response:
    values = {"name": name, "input_type": "doubles", "default_output": 0, "latency_slo_us": 1000}
    return client.post("/api/v1/applications", json=values)


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def is_there(client: httpx.Client, name: str, number: int = 1) -> bool:
    return client.get(f"{MODELS}/{name}/versions/{number}").status_code == 200


def become_ready(management: ManagementInThread, replica_id: str) -> None:
    management.call(management.fleet.on_session, ReplicaId(replica_id), 0, "ready", "")
