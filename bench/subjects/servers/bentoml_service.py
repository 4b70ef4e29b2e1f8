"""BentoML: a service with one batchable API for each model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bentoml  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import models

MAX_BATCH_SIZE = 512
MAX_LATENCY_MS = 1_000  # beyond which it would refuse


def api(name: str) -> Any:
    """Return the method that serves one route; what it is annotated with is how BentoML reads the body."""
    endpoint = models.load_endpoint(name)
    predict: Callable[..., Any]
    if name == "text":

        def predict_texts(self: Any, inputs: list[str]) -> list[str]:
            return endpoint.answer(inputs)

        predict = predict_texts
    else:

        def predict_numbers(self: Any, inputs: list[list[float]]) -> list[float]:
            return endpoint.answer(inputs)

        predict = predict_numbers
    predict.__name__ = name.replace("-", "_")
    # Annotations as types: BentoML does not read those that are text.
    predict.__annotations__ = (
        {"inputs": list[str], "return": list[str]}
        if name == "text"
        else {"inputs": list[list[float]], "return": list[float]}
    )
    return bentoml.api(
        predict, route=f"/{name}", batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=MAX_LATENCY_MS
    )


Models = bentoml.service(
    type("Models", (), {name.replace("-", "_"): api(name) for name in models.served_names()}),
    workers=1,
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
