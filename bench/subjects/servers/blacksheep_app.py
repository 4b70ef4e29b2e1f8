"""blacksheep: an ASGI application with the model inline, one query at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson  # type: ignore[import-not-found, unused-ignore]
from blacksheep import Application, Content, Request, Response  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import models


def handler(endpoint: models.Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return the function of one route."""

    async def predict(request: Request) -> Response:
        (output,) = endpoint.answer([endpoint.decode(await request.read() or b"", orjson.loads)])
        return Response(200, content=Content(b"application/json", orjson.dumps({"output": output})))

    return predict


app = Application()
for name, served in models.load_endpoints().items():
    app.router.add_post(f"/{name}", handler(served))
