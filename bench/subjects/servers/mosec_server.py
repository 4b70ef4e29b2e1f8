"""Mosec: one worker process a route; batches of at most 512, waited for at most 1 ms, its minimum."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import orjson  # type: ignore[import-not-found, unused-ignore]
from mosec import Runtime, Server, Worker  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import linear_model

MAX_BATCH_SIZE = 512
MAX_WAIT_MS = 1


class Noop(Worker):  # type: ignore[misc, unused-ignore]
    """Answer with the first number."""

    def deserialize(self, data: bytes) -> Any:
        """Body to list of numbers."""
        return orjson.loads(data)["input"]

    def serialize(self, data: Any) -> bytes:
        """Output to body."""
        body: bytes = orjson.dumps({"output": data})
        return body

    def forward(self, data: list[list[float]]) -> list[float]:
        """Answer one batch."""
        return [numbers[0] for numbers in data]


class Linear(Noop):
    """Answer with the class."""

    def __init__(self) -> None:
        super().__init__()
        self.model = linear_model.load(os.environ["BENCH_LINEAR_MODEL"])

    def forward(self, data: list[Any]) -> list[Any]:
        """Answer one batch."""
        labels: list[Any] = self.model.predict(np.asarray(data)).tolist()
        return labels


class LinearBinary(Linear):
    """The same with the numbers as raw little-endian doubles."""

    def deserialize(self, data: bytes) -> Any:
        """Body to array, without a copy."""
        return np.frombuffer(data)


def main() -> None:
    routes: dict[str, type[Worker]] = {"/noop": Noop, "/linear": Linear, "/linear-binary": LinearBinary}
    server = Server()
    server.register_runtime(
        {
            route: [Runtime(worker, num=1, max_batch_size=MAX_BATCH_SIZE, max_wait_time=MAX_WAIT_MS)]
            for route, worker in routes.items()
        }
    )
    server.run()


if __name__ == "__main__":
    main()
