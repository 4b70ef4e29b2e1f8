"""blacksheep: an ASGI application with the model inline, one query at a time."""

from __future__ import annotations

import os

import numpy as np
import orjson
from blacksheep import Application, Content, Request, Response, post

from bench.subjects.servers import linear_model

MODEL = linear_model.load(os.environ["BENCH_LINEAR_MODEL"])

app = Application()


@post("/noop")
async def noop(request: Request) -> Response:
    """Answer with the first number."""
    numbers = orjson.loads(await request.read() or b"")["input"]
    return Response(200, content=Content(b"application/json", orjson.dumps({"output": numbers[0]})))


@post("/linear")
async def linear(request: Request) -> Response:
    """Answer with the class."""
    numbers = orjson.loads(await request.read() or b"")["input"]
    label = int(MODEL.predict(np.asarray([numbers]))[0])
    return Response(200, content=Content(b"application/json", orjson.dumps({"output": label})))
