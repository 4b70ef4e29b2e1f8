"""LitServe: an API for each model."""

# LitServe looks at annotations as they are, so here they are not text: no `from __future__ import annotations`.
import sys
from typing import Any

import litserve  # type: ignore[import-not-found, unused-ignore]
from fastapi import Request

from bench.subjects.servers import models

MAX_BATCH_SIZE = 512
BATCH_WAIT_S = 0.001


class ModelApi(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
    """The API of one model, which its worker loads."""

    def __init__(self, name: str) -> None:
        super().__init__(max_batch_size=MAX_BATCH_SIZE, batch_timeout=BATCH_WAIT_S, api_path=f"/{name}")
        self.model_name = name

    def setup(self, device: str) -> None:
        """Load the model."""
        self.endpoint = models.load_endpoint(self.model_name)

    def decode_request(self, request: Request) -> Any:
        """JSON to input: what stands here for a request is what was in its body."""
        return request["input"]

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Leave the forming of arrays to the endpoint."""
        return inputs

    def predict(self, x: list[Any]) -> list[Any]:
        """Answer one batch."""
        return self.endpoint.answer(x)

    def unbatch(self, output: list[Any]) -> list[Any]:
        """Outputs are a list already."""
        return output

    def encode_response(self, output: Any) -> dict[str, Any]:
        """Output to JSON."""
        return {"output": output}


def main() -> None:
    server = litserve.LitServer(
        [ModelApi(name) for name in models.served_names()],
        accelerator="cpu",
        devices=1,
        workers_per_device=1,
        timeout=False,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main()
