"""FastAPI as one writes it by hand, with what makes it fast: the raw request, orjson, the model inline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson  # type: ignore[import-not-found, unused-ignore]
from fastapi import FastAPI, Request, Response

from bench.subjects.servers import models


def handler(endpoint: models.Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return the function of one route: one query, one answer."""

    async def predict(request: Request) -> Response:
        (output,) = endpoint.answer([endpoint.decode(await request.body(), orjson.loads)])
        return Response(orjson.dumps({"output": output}), media_type="application/json")

    return predict


app = FastAPI(openapi_url=None)
for name, served in models.load_endpoints().items():
    app.add_api_route(f"/{name}", handler(served), methods=["POST"], response_model=None)
