"""Ray Serve: starts a Ray on this machine and serves each model at its route, until SIGTERM."""

from __future__ import annotations

import signal
import sys
from typing import Any

import orjson  # type: ignore[import-not-found, unused-ignore]
import ray  # type: ignore[import-not-found, unused-ignore]
from ray import serve  # type: ignore[import-not-found, unused-ignore]
from starlette.requests import Request
from starlette.responses import Response

from bench.subjects.servers import models

MAX_BATCH_SIZE = 512
MAX_ONGOING = 1_024
OBJECT_STORE_BYTES = 128 << 20


@serve.deployment(num_replicas=1, max_ongoing_requests=MAX_ONGOING, ray_actor_options={"num_cpus": 0.1})
class Model:
    """One model."""

    def __init__(self, name: str) -> None:
        self.endpoint = models.load_endpoint(name)

    @serve.batch(max_batch_size=MAX_BATCH_SIZE, batch_wait_timeout_s=0)  # type: ignore[untyped-decorator, unused-ignore]
    async def answer(self, inputs: list[Any]) -> list[Any]:
        """Answer one batch."""
        return self.endpoint.answer(inputs)

    async def __call__(self, request: Request) -> Response:
        """Answer one query."""
        output = await self.answer(self.endpoint.decode(await request.body(), orjson.loads))
        return Response(orjson.dumps({"output": output}), media_type="application/json")


def main() -> None:
    port, directory = int(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _node_ip_address="127.0.0.1",
        _temp_dir=directory,
    )
    logging_config = {"enable_access_log": False, "log_level": "WARNING"}
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config=logging_config)
    serve.run_many(
        [
            serve.RunTarget(Model.bind(name), name=name, route_prefix=f"/{name}")  # type: ignore[attr-defined, unused-ignore]
            for name in models.served_names()
        ]
    )
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
