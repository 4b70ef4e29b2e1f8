"""A `FakeFrontend` that gives feedback: a given number of observations, each sent until it is acknowledged.

``python observing_frontend.py ...`` as the real one. It begins when ``<run_dir>/observe.json`` is there, with
``{"application": ..., "count": ..., "contexts": ...}``; what was acknowledged stands in ``<run_dir>/observed``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import tests.support.fake_frontend as fake_frontend
from tests.support.learning import observation

EPOCH = 11
A_MESSAGE = 20
INTERVAL_S = 0.005


class ObservingFrontend(fake_frontend.FakeFrontend):
    """Sends observations in order, and again from the first unacknowledged one on a new connection."""

    def __init__(self, worker: int, run_dir: Path) -> None:
        super().__init__(worker, run_dir)
        self._next_seq = 1
        self._observed = 0
        self._sent_to: Any = None

    async def report_replicas(self) -> None:
        observing = asyncio.create_task(self._observe())
        try:
            await super().report_replicas()
        finally:
            observing.cancel()

    async def _observe(self) -> None:
        path = self._run_dir / "observe.json"
        while not path.exists():
            await asyncio.sleep(0.01)
        asked = json.loads(path.read_text())
        while self._observed < asked["count"]:
            await asyncio.sleep(INTERVAL_S)
            if self._writer is None:
                continue
            if self._sent_to is not self._writer:
                self._sent_to, self._next_seq = self._writer, self._observed + 1
            last = min(self._next_seq + A_MESSAGE - 1, asked["count"])
            numbers = range(self._next_seq, last + 1)
            items = [observation(number, f"user-{number % asked['contexts']}") for number in numbers]
            if items:
                self._tell(
                    {"type": "observations", "application": asked["application"], "epoch": EPOCH,
                     "first_seq": self._next_seq, "items": items}
                )  # fmt: skip
            self._next_seq = last + 1

    def _on_message(self, message: dict[str, Any]) -> None:
        super()._on_message(message)
        if message["type"] == "observed" and message["epoch"] == EPOCH:
            self._observed = max(self._observed, message["seq"])
            (self._run_dir / "observed").write_text(str(self._observed))


if __name__ == "__main__":
    fake_frontend.FakeFrontend = ObservingFrontend  # type: ignore[misc]  # what main() makes
    asyncio.run(fake_frontend.main())
