"""Takes decisions out of the core, in batches and beside the queries: to the file, and a sample to management."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from typing import Final

from clipper._core.decision_log import DecisionLog
from clipper._core.decision_stream import DecisionStream
from clipper.frontend.decision_files import DecisionFiles
from clipper.frontend.decision_streams import OUTPUTS_PER_SECOND, DecisionStreams
from clipper.frontend.observations import MAX_UNSENT_BYTES, Channel

_log = logging.getLogger("clipper.frontend")

FILE_INTERVAL_S: Final = 0.02
IDLE_INTERVAL_S: Final = 0.25  # where no application wants a file
SAMPLE_INTERVAL_US: Final = 1_000_000
# Of one look: about a millisecond of the loop's time each.
MAX_LINES: Final = 2_000
MAX_EXPIRED: Final = 10_000
MAX_SAMPLE_BYTES: Final = 1 << 20  # of the outputs of one application


class DecisionDrain:
    """What no query pays for.

    Parameters
    ----------
    log : DecisionLog
        The worker's.
    streams : DecisionStreams
        Which applications learn.
    files : DecisionFiles
        Where lines go.
    channel : Channel
        Where samples of outputs go.
    """

    def __init__(self, log: DecisionLog, streams: DecisionStreams, files: DecisionFiles, channel: Channel) -> None:
        self._decisions = log
        self._streams = streams
        self._files = files
        self._channel = channel
        self._said: dict[str, list[bytes]] = {}  # lines of feedback, behind those of its decisions
        self._sampled_us = 0

    def file(self, stream: DecisionStream, line: bytes) -> None:
        """Have a line of feedback written behind the decisions that there are now."""
        self._said.setdefault(stream.name, []).append(line)

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            is_filed = any(stream.is_filed for stream in self._streams.all.values())
            await asyncio.sleep(FILE_INTERVAL_S if is_filed else IDLE_INTERVAL_S)
            try:
                self.look(time.monotonic_ns() // 1_000, time.time_ns() // 1_000)
            except Exception:  # noqa: BLE001 - the next look may do better, and without looks nothing is filed
                _log.exception("decisions were not taken; the next look tries again")

    def look(self, now_us: int, wall_us: int) -> None:
        """Take what has been decided since the last look."""
        self._decisions.wall_offset_us = wall_us - now_us
        self._decisions.expire(now_us, MAX_EXPIRED)
        for name, stream in self._streams.all.items():
            self._file_some(name, stream, now_us)
        if now_us - self._sampled_us >= SAMPLE_INTERVAL_US:
            self._sampled_us = now_us
            for name, stream in self._streams.all.items():
                self._send_sample(name, stream, now_us)

    def take_all(self, now_us: int, wall_us: int) -> None:
        """Take all that there is: for a worker that ends."""
        for name, stream in self._streams.all.items():
            while self._file_some(name, stream, now_us) == MAX_LINES:
                pass
        self.look(now_us, wall_us)

    def _file_some(self, name: str, stream: DecisionStream, now_us: int) -> int:
        lines, lost = self._decisions.take_lines(stream, MAX_LINES, now_us)
        count = lines.count(b"\n")
        if said := self._said.pop(name, None):
            lines += b"".join(said)
        if lines or lost:
            self._files.write(name, lines, lost)
        return count

    def _send_sample(self, name: str, stream: DecisionStream, now_us: int) -> None:
        decisions = self._decisions.take_sample(stream, now_us)
        if not decisions or not self._channel.is_connected or self._channel.unsent_bytes > MAX_UNSENT_BYTES:
            return
        random.shuffle(decisions)  # what is cut off must not be the latest
        samples = _by_arm(decisions)
        if samples:
            arms = b",".join(b'"%s":[%s]' % (arm, b",".join(outputs)) for arm, outputs in samples.items())
            line = b'{"type":"outputs","application":"%s","samples":{%s}}\n' % (name.encode(), arms)
            self._channel.send_line(line)


def _by_arm(decisions: list[list[tuple[bytes, bytes]]]) -> Mapping[bytes, list[bytes]]:
    """Return the outputs of as many decisions as may be sent, all of a decision or none."""
    samples: dict[bytes, list[bytes]] = {}
    count = size_bytes = 0
    for outputs in decisions:
        count += len(outputs)
        size_bytes += sum(len(output) for _, output in outputs)
        if count > OUTPUTS_PER_SECOND or size_bytes > MAX_SAMPLE_BYTES:
            break
        for arm, output in outputs:
            samples.setdefault(arm, []).append(output)
    return samples
