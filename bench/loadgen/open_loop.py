"""Open loop: Poisson arrivals of requests that are in a file already, sent to this machine by the load client."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.loadgen.wrk import LoadError
from clipper.bench.answer_check import DEFAULT_TEXT, AnswerCheck
from clipper.bench.arrivals import Poisson
from clipper.bench.load_client import ClientFiles, ClientOptions, client_program, run_client
from clipper.bench.load_run import MAX_LAG_P99_US, LoadRun, read_client
from clipper.bench.request_file import checks_file
from clipper.bench.schedule import make_schedule
from clipper.errors import ClipperError

OpenLoopRun = LoadRun
DRAIN_S = 2.0


@dataclass(frozen=True)
class Arrivals:
    """What the client is to send."""

    rate_per_s: float
    duration_s: float
    warmup_s: float
    connections: int
    seed: int
    first_counter: int


@dataclass(frozen=True)
class Expectation:
    """What a good answer looks like, as text, since every answer of an open-loop run is checked."""

    echoes_counter: bool = False
    accept: tuple[str, ...] = ()  # one of these is in the body; empty: anything goes
    tells_defaults: bool = False  # default outputs of Clipper are counted as such; else as wrong answers

    def check(self) -> AnswerCheck:
        """Return it in the client's words; a refusal is a bad status."""
        accept = tuple(text.encode("utf-8") for text in self.accept)
        default_text = DEFAULT_TEXT if self.tells_defaults else b""
        return AnswerCheck(
            rejected_statuses=(), default_text=default_text, accept=accept, echoes_counter=self.echoes_counter
        )


def build_client() -> Path:
    """Return the compiled client.

    Raises
    ------
    LoadError
        If it was not built.
    """
    try:
        return client_program()
    except ClipperError as error:
        raise LoadError(str(error)) from error


def run_open_loop(
    port: int, template: Path, arrivals: Arrivals, expectation: Expectation, max_lag_p99_us: float = MAX_LAG_P99_US
) -> OpenLoopRun:
    """Run the client once, against 127.0.0.1; void if it was later than `max_lag_p99_us`.

    Raises
    ------
    LoadError
        If the client fails, or does not end in the time that it was given.
    """
    options = ClientOptions(
        host="127.0.0.1",
        port=port,
        duration_s=arrivals.duration_s,
        warmup_s=arrivals.warmup_s,
        connections=arrivals.connections,
        threads=1,
        first_counter=arrivals.first_counter,
        drain_s=DRAIN_S,
    )
    schedule = make_schedule(Poisson(), arrivals.rate_per_s, arrivals.duration_s, arrivals.warmup_s, arrivals.seed)
    with tempfile.TemporaryDirectory(prefix="clipper-open-loop-") as name:
        directory = Path(name)
        checks = directory / "checks"
        checks.write_bytes(checks_file(expectation.check()))
        offsets, _ = schedule.write(directory)
        try:
            seen = run_client(options, ClientFiles(template, checks, offsets))
        except ClipperError as error:
            raise LoadError(str(error)) from error
    return read_client(seen, arrivals.rate_per_s, arrivals.duration_s, max_lag_p99_us=max_lag_p99_us)
