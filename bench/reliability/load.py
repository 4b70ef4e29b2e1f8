"""Constant load for the length of a block, and the account of every request of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bench.reliability.client import DRAIN_S, FIELDS, Outcome
from bench.reliability.context import Bench
from bench.reliability.instance import Instance
from clipper.bench.procfs import count_sockets

Integers = NDArray[np.int64]
ROOT = Path(__file__).resolve().parents[2]


def now_us() -> int:
    """Return the clock of the records."""
    return time.monotonic_ns() // 1000


@dataclass(frozen=True)
class Account:
    """What became of every request: parallel arrays, times in us of `now_us`."""

    scheduled_us: Integers
    sent_us: Integers
    done_us: Integers
    outcome: Integers

    @classmethod
    def read(cls, data: bytes) -> Account:
        """Take the client's records."""
        table = np.frombuffer(data, np.int64).reshape(-1, FIELDS)
        table = table[np.argsort(table[:, 0], kind="stable")]
        return cls(*(table[:, column] for column in range(FIELDS)))

    def between(self, since_us: int, until_us: int) -> Account:
        """Return the requests that were scheduled in a time."""
        chosen = (self.scheduled_us >= since_us) & (self.scheduled_us < until_us)
        return Account(self.scheduled_us[chosen], self.sent_us[chosen], self.done_us[chosen], self.outcome[chosen])

    def count(self, outcome: Outcome) -> int:
        """Return how many had this end."""
        return int(np.count_nonzero(self.outcome == outcome))

    @property
    def requests(self) -> int:
        """Requests, without answers that nobody had asked for."""
        return len(self.outcome) - self.count(Outcome.EXTRA)

    @property
    def unaccounted(self) -> int:
        """What must never be: no answer, two, a wrong one, a connection that breaks."""
        ends = (Outcome.WRONG, Outcome.LOST, Outcome.UNANSWERED, Outcome.EXTRA)
        return sum(self.count(end) for end in ends)

    @property
    def latencies_us(self) -> Integers:
        """Of what the models answered, from the scheduled time."""
        answered = self.outcome == Outcome.ANSWERED
        latencies: Integers = self.done_us[answered] - self.scheduled_us[answered]
        return latencies

    def percentile_us(self, percent: float) -> float:
        """Latency of what the models answered; NaN if that is nothing."""
        return float(np.percentile(self.latencies_us, percent)) if len(self.latencies_us) else float("nan")

    def in_time(self, slo_us: int) -> int:
        """Return how many the models answered within the objective."""
        return int(np.count_nonzero(self.latencies_us <= slo_us))

    @property
    def client_lag_us(self) -> float:
        """How late the client itself was, 99th percentile."""
        sent = self.sent_us > 0
        return float(np.percentile(self.sent_us[sent] - self.scheduled_us[sent], 99)) if sent.any() else 0.0

    def summary(self) -> str:
        """Return the counts in words."""
        named = [(end.name.lower(), self.count(end)) for end in Outcome]
        return ", ".join(f"{count:,} {name}" for name, count in named if count) or "nothing"


class Load:
    """Constant load on one application while the block lasts; `account` afterwards.

    Parameters
    ----------
    limit_s : float
        The longest objective of its queries: so long the last answers may take.
    extra : str
        More of each body, such as ``,"slo_us":1000``.
    """

    def __init__(
        self, instance: Instance, app: str, rate_per_s: float, *, limit_s: float = 1.0, extra: str = ""
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="clipper-load-")
        self._records = Path(self._directory.name) / "records"
        self._limit_s = limit_s
        self._command = [sys.executable, "-m", "bench.reliability.client", "--port", str(instance.port)]
        self._command += ["--app", app, "--rate", repr(rate_per_s), "--limit-s", repr(limit_s), "--extra", extra]
        self._command += ["--records", str(self._records)]
        self._process: subprocess.Popen[bytes] | None = None
        self._account: Account | None = None
        self.started_us = self.ended_us = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        if self._process.stdout is None or self._process.stdout.readline() != b"sending\n":
            self._process.kill()
            raise RuntimeError("the load generator did not start")
        self.started_us = now_us()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ended_us = now_us()
        process = self._process
        if process is None:
            return
        try:
            process.communicate(timeout=self._limit_s + DRAIN_S + 10)  # closes its standard input: that ends it
            if self._records.exists():
                self._account = Account.read(self._records.read_bytes())
        finally:
            process.kill()
            process.wait()
            self._directory.cleanup()

    @property
    def connections(self) -> int:
        """How many it has open now: as many as it ever needed at once, for it keeps them."""
        return count_sockets(self._process.pid) if self._process is not None else 0

    @property
    def account(self) -> Account:
        """Every request of the block."""
        if self._account is None:
            raise RuntimeError("the load has not come to its end")
        return self._account


def check_answers(bench: Bench, account: Account) -> None:
    """Check what holds in every row: exactly one right or default answer a request."""
    bench.check("requests", f"{account.requests:,} ({account.summary()})", account.requests > 0)
    bench.check("without exactly one right answer or default", account.unaccounted, account.unaccounted == 0)
