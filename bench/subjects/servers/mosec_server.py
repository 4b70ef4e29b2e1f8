"""Mosec: one worker process a route; batches of at most 512, waited for at most 1 ms, its minimum."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson  # type: ignore[import-not-found, unused-ignore]
from mosec import Runtime, Server, Worker  # type: ignore[import-not-found, unused-ignore]

from bench.subjects.servers import models

MAX_BATCH_SIZE = 512
MAX_WAIT_MS = 1


class ModelWorker(Worker):  # type: ignore[misc, unused-ignore]
    """Answers the batches of one route, whose model it loads in its own process."""

    route: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = models.load_endpoint(self.route)

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


# A class for each route, by name in this module: Mosec starts its processes anew and sends them the class.
class Noop(ModelWorker):
    route = "noop"


class Linear(ModelWorker):
    route = "linear"


class LinearBinary(ModelWorker):
    route = "linear-binary"


class Image(ModelWorker):
    route = "image"


class Text(ModelWorker):
    route = "text"


class Trees(ModelWorker):
    route = "trees"


class Network(ModelWorker):
    route = "network"


WORKERS: tuple[type[ModelWorker], ...] = (Noop, Linear, LinearBinary, Image, Text, Trees, Network)


def main() -> None:
    server = Server()
    server.register_runtime(
        {
            f"/{worker.route}": [Runtime(worker, num=1, max_batch_size=MAX_BATCH_SIZE, max_wait_time=MAX_WAIT_MS)]
            for worker in WORKERS
            if worker.route in models.served_names()
        }
    )
    server.run()


if __name__ == "__main__":
    main()
