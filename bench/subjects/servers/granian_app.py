"""granian: an RSGI application with the model inline, one query at a time."""

from __future__ import annotations

from typing import Any

import orjson  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import models

ENDPOINTS = {f"/{name}": endpoint for name, endpoint in models.load_endpoints().items()}
HEADERS = [("content-type", "application/json")]


async def app(scope: Any, protocol: Any) -> None:
    """Answer each route."""
    endpoint = ENDPOINTS[scope.path]
    (output,) = endpoint.answer([endpoint.decode(await protocol(), orjson.loads)])
    protocol.response_bytes(200, HEADERS, orjson.dumps({"output": output}))
