"""blacksheep: an ASGI application with the model inline, one query at a time."""

from __future__ import annotations

import os

import numpy as np
import orjson  # type: ignore[import-not-found, unused-ignore]
from blacksheep import Application, Content, Request, Response  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import linear_model

MODEL = linear_model.load(os.environ["BENCH_LINEAR_MODEL"])


async def noop(request: Request) -> Response:
    """Answer with the first number."""
    numbers = orjson.loads(await request.read() or b"")["input"]
    return Response(200, content=Content(b"application/json", orjson.dumps({"output": numbers[0]})))


async def linear(request: Request) -> Response:
    """Answer with the class."""
    numbers = orjson.loads(await request.read() or b"")["input"]
    label = int(MODEL.predict(np.asarray([numbers]))[0])
    return Response(200, content=Content(b"application/json", orjson.dumps({"output": label})))


app = Application()
app.router.add_post("/noop", noop)
app.router.add_post("/linear", linear)
