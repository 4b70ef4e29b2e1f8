"""Mosec: one worker process a route; batches of at most 512, waited for at most 1 ms, its minimum."""

from __future__ import annotations

from typing import Any

import orjson  # type: ignore[import-not-found, unused-ignore]
from mosec import Runtime, Server, Worker  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import models

MAX_BATCH_SIZE = 512
MAX_WAIT_MS = 1


def worker(name: str) -> type[Worker]:
    """Return the class of a route's worker, which loads the model in its own process."""

    class ModelWorker(Worker):  # type: ignore[misc, unused-ignore]
        """Answers the batches of one route."""

        def __init__(self) -> None:
            super().__init__()
            self.endpoint = models.load_endpoint(name)

        def deserialize(self, data: bytes) -> Any:
            """Body to input."""
            return self.endpoint.decode(data, orjson.loads)

        def serialize(self, data: Any) -> bytes:
            """Output to body."""
            body: bytes = orjson.dumps({"output": data})
            return body

        def forward(self, data: list[Any]) -> list[Any]:
            """Answer one batch."""
            return self.endpoint.answer(data)

    return ModelWorker


def main() -> None:
    server = Server()
    server.register_runtime(
        {
            f"/{name}": [Runtime(worker(name), num=1, max_batch_size=MAX_BATCH_SIZE, max_wait_time=MAX_WAIT_MS)]
            for name in models.served_names()
        }
    )
    server.run()


if __name__ == "__main__":
    main()
