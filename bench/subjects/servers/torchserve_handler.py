"""TorchServe's handler: the same file in each archive, which asks by the model's name for what it is to be."""

from __future__ import annotations

from typing import Any

from bench.subjects.servers import models

_endpoints: dict[str, models.Endpoint] = {}


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[Any]:
    """Answer one batch; called once without one, to load the model."""
    endpoint = _endpoints.get(context.model_name)
    if endpoint is None:
        endpoint = _endpoints[context.model_name] = models.load_endpoint(context.model_name)
    if data is None:
        return []
    bodies = [request.get("body") for request in data]
    return [{"output": output} for output in endpoint.answer([_input(endpoint, body) for body in bodies])]


def _input(endpoint: models.Endpoint, body: Any) -> Any:
    """Bodies of JSON come as what is in them, others as bytes."""
    return body["input"] if isinstance(body, dict) else endpoint.decode(bytes(body), _no_json)


def _no_json(body: bytes) -> Any:
    raise ValueError(f"not JSON: {body[:100]!r}")
