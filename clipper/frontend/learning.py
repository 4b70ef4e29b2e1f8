"""The worker's part in learning from feedback: what was decided, what came back, and both on their way out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from clipper._core.application import Application
from clipper._core.route_request import RouteRequest
from clipper.config import LogConfig
from clipper.frontend.decision_drain import DecisionDrain
from clipper.frontend.decision_files import DecisionFiles
from clipper.frontend.decision_streams import DecisionStreams
from clipper.frontend.feedback import Feedback
from clipper.frontend.observations import Channel, Observations
from clipper.frontend.wiring import Core, first_query_id
from clipper.metrics.snapshot import ApplicationFeedback, DecisionLogMetrics, FeedbackMetrics

# A worker that ends waits so long for management to have in store what it was told: that takes a flush interval.
_SETTLE_LIMIT_S: Final = 3.0


class Learning:
    """Joins the parts, and moves them while the worker runs.

    Parameters
    ----------
    core : Core
        The worker's data path.
    channel : Channel
        To management.
    log_dir : Path
        In it decision files get a directory of their own.
    logs : LogConfig
        How large they get.
    worker : int
        Number of the worker.
    """

    def __init__(self, core: Core, channel: Channel, *, log_dir: Path, logs: LogConfig, worker: int) -> None:
        self.decisions = core.processor.decisions
        self.decisions.wall_offset_us = (time.time_ns() - time.monotonic_ns()) // 1_000
        self.streams = DecisionStreams()
        # Ids of queries begin above all that an earlier life of this worker gave out, and no other worker has them.
        self.observations = Observations(channel, epoch=first_query_id(worker))
        self.files = DecisionFiles(
            log_dir / "decisions", max_bytes=logs.decisions_max_bytes, keep_count=logs.decisions_keep_count
        )
        self.drain = DecisionDrain(self.decisions, self.streams, self.files, channel)
        self.feedback = Feedback(core.processor, self.observations.add, self.drain.file, core.server.flush)

    def route_of(self, application: Application) -> Callable[[RouteRequest], None]:
        """Return the target of an application's update route."""
        return self.feedback.route_of(application)

    def metrics(self, applications: Iterable[str]) -> FeedbackMetrics:
        """Return every count, now."""
        waiting, lost = self.observations.waiting(), self.observations.lost()
        written, unwritten = self.files.written(), self.files.lost()
        outcomes: dict[str, dict[str, int]] = {}
        for (name, outcome), count in self.feedback.outcomes.items():
            outcomes.setdefault(name, {})[outcome] = count
        streams = self.streams.all
        return FeedbackMetrics(
            [
                ApplicationFeedback(
                    name,
                    outcomes.get(name, {}),
                    learns=name in streams,
                    decisions=streams[name].recorded if name in streams else 0,
                    observations_waiting=waiting.get(name, 0),
                    observations_lost=lost.get(name, 0),
                    decision_lines=written.get(name, 0),
                    decision_lines_lost=unwritten.get(name, 0),
                )
                for name in applications
            ],
            DecisionLogMetrics(budget_bytes=self.decisions.budget_bytes, **self.decisions.figures()),
        )

    async def run(self) -> None:
        """Move what there is until cancelled."""
        await self.drain.run()

    async def end(self) -> None:
        """Write and send what there still is."""
        self.drain.take_all(time.monotonic_ns() // 1_000, time.time_ns() // 1_000)
        await self.observations.settle(_SETTLE_LIMIT_S)
        self.files.close()
