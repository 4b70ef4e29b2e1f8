"""granian: an RSGI application with the model inline, one query at a time."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import orjson  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import linear_model

MODEL = linear_model.load(os.environ["BENCH_LINEAR_MODEL"])
HEADERS = [("content-type", "application/json")]


async def app(scope: Any, protocol: Any) -> None:
    """Answer /noop and /linear."""
    numbers = orjson.loads(await protocol())["input"]
    output = numbers[0] if scope.path == "/noop" else int(MODEL.predict(np.asarray([numbers]))[0])
    protocol.response_bytes(200, HEADERS, orjson.dumps({"output": output}))
