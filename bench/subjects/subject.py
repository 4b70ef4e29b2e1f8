"""What the harness needs to know of a server: how to start it, what to ask it, and what a right answer is."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from bench.loadgen.open_loop import Expectation
from bench.loadgen.request import FIRST_COUNTER, LAST_COUNTER, RequestTemplate
from bench.loadgen.wrk import WrkResult, run_wrk
from bench.traffic import Traffic, input_counter, shaped
from bench.workloads import (
    LinearModel,
    Part,
    Workload,
    inputs_around_hole,
    json_template,
    octet_template,
    right_answer,
    save_models,
    wrap,
)
from clipper.bench.procfs import family, read_processes

REPOSITORY = Path(__file__).resolve().parents[2]
ATTEMPTS_AT_AN_ANSWER = 5
STOP_LIMIT_S = 20
START_LIMIT_S = 90
# One BLAS thread everywhere: on two cores more of them only fight with the load generator.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Role(StrEnum):
    """What a subject is compared as."""

    OURS = "ours"
    FLOOR = "floor"  # answers without a model
    BATCHING = "batching"  # forms batches, model in a process of its own
    INLINE = "inline"  # the model runs in the web server's process, one query at a time


class SubjectError(Exception):
    """A subject did not start, died, or answers wrong."""


class WrongAnswerError(SubjectError):
    """An answer is not the model's own."""


class DefaultAnswerError(WrongAnswerError):
    """An answer is the application's default output: honest, but no success."""


@dataclass(frozen=True)
class Site:
    """Where a subject works: a directory for its files, and the model that it serves."""

    run_dir: Path
    model: LinearModel

    @property
    def models_dir(self) -> Path:
        """The saved models."""
        return self.run_dir / "models"

    def save_models(self, workloads: Collection[Workload] = ()) -> None:
        """Write the linear model, and those of other workloads, for the servers to load."""
        save_models(self.models_dir, self.model, workloads)


class Subject(ABC):
    """One server, started and stopped again for each block of measurements.

    `start` returns at once, `ready` says whether answers are right by now, `stop` leaves no process behind.
    """

    name: ClassVar[str]
    role: ClassVar[Role]
    settings: ClassVar[str]  # how it is set up, for the report
    paths: ClassVar[Mapping[Workload, str]]  # the workloads it serves, and where
    cannot: ClassVar[Mapping[Workload, str]] = {}  # workloads that it does not serve, and why
    start_limit_s: ClassVar[int] = START_LIMIT_S  # how long it may take until its answers are right
    start_cost_s: ClassVar[float] = 5.0  # how long it usually takes, for the estimate of the time left
    quick_workloads: ClassVar[frozenset[Workload]] = frozenset(Workload)  # what `--quick` measures of it
    metrics_path: ClassVar[str | None] = None  # where it tells its counters in Prometheus text format

    def __init__(self, site: Site) -> None:
        self.site = site
        self.directory = site.run_dir / self.name
        self.log_file = self.directory / "log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.serving: tuple[Workload, ...] = tuple(self.paths)
        self._next_counter = FIRST_COUNTER
        self._not_ready = "no answer yet"

    # -- what a subject says of itself ---------------------------------------------------------------------------

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot run here and how to change that, or None."""

    @abstractmethod
    def version(self) -> str:
        """Name the versions of what runs."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line that serves on `self.port`; may write files into `self.directory` first."""

    def environment(self) -> dict[str, str]:
        """Return what is added to the environment of the process."""
        return {}

    def template(self, workload: Workload) -> RequestTemplate | None:
        """Return the requests of a workload, or None where the subject does not serve it."""
        path = self.paths.get(workload)
        if path is None:
            return None
        if workload.is_binary:
            return octet_template(path, workload, self.site.model)
        return json_template(path, wrap(inputs_around_hole(workload, self.site.model), b'{"input":', b"}"))

    def requests(self, workload: Workload, traffic: Traffic) -> RequestTemplate | None:
        """Return the requests of a workload with its inputs following each other as the traffic says."""
        template = self.template(workload)
        return None if template is None else shaped(template, traffic)

    def mixed_template(self, part: Part) -> RequestTemplate | None:
        """Return the requests of one application of a mixed row; who has no objectives asks as ever."""
        return self.template(part.workload)

    def output_of(self, workload: Workload, answer: bytes) -> Any:
        """Return the model's output as it stands in an answer; raise WrongAnswerError if it was not the model's."""
        return json.loads(answer)["output"]

    def expectation(self, workload: Workload) -> Expectation:
        """Return what the open-loop client looks for in each answer."""
        return Expectation(echoes_counter=workload is Workload.NOOP)

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self, workloads: Collection[Workload] | None = None) -> None:
        """Start the server on a free port.

        Parameters
        ----------
        workloads : collection of Workload, optional
            What it is to serve; default: all that it can.
        """
        self.serving = tuple(w for w in self.paths if workloads is None or w in workloads)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = self.command()
        setpriv = shutil.which("setpriv")
        if setpriv:  # nothing outlives the harness, however that ends
            command = [setpriv, "--pdeathsig", "TERM", *command]
        environment = {**os.environ, **ONE_THREAD, "BENCH_MODELS": str(self.site.models_dir)}
        environment["BENCH_SERVES"] = ",".join(self.routes())
        environment["PYTHONPATH"] = str(REPOSITORY)
        environment.update(self.environment())
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def routes(self) -> list[str]:
        """Return the names of the endpoints that it is to have."""
        return [workload.value for workload in self.serving]

    def ready(self) -> bool:
        """Whether every workload that it was started for is answered rightly.

        Raises
        ------
        SubjectError
            If the process has died.
        """
        if not self.is_running():
            raise SubjectError(f"{self.name} died while starting; its log ends: {self.log_tail()}")
        try:
            for workload in self.serving:
                self.check(workload, 1)
        except (OSError, http.client.HTTPException, WrongAnswerError, ValueError, KeyError) as error:
            self._not_ready = str(error) or repr(error)
            return False
        return True

    def wait_ready(self) -> None:
        """Wait until it is ready, for at most `start_limit_s`.

        Raises
        ------
        SubjectError
            If it died, or is not ready by then.
        """
        deadline = time.monotonic() + self.start_limit_s
        while not self.ready():
            if time.monotonic() > deadline:
                reason = f"{self._not_ready}; its log ends: {self.log_tail()}"
                raise SubjectError(f"{self.name} is not ready after {self.start_limit_s} s: {reason}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the server and everything that descends from it."""
        if self.process is None:
            return
        members = self.pids()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            pass
        for pid in members | self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        self.process = None

    def pids(self) -> set[int]:
        """Every process of the server."""
        return family(read_processes(), self.roots())

    def roots(self) -> list[int]:
        """The process that was started, from which the others descend."""
        return [self.process.pid] if self.process else []

    def is_running(self) -> bool:
        """Whether the process that was started is still there."""
        return self.process is not None and self.process.poll() is None

    def log_tail(self) -> str:
        """Return the last lines of the server's log."""
        if not self.log_file.exists():
            return "(no log)"
        return " | ".join(self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])

    def read_metrics(self) -> str:
        """Return the text of its metrics; empty if it has none.

        Raises
        ------
        SubjectError
            If it has, but does not tell them.
        """
        if self.metrics_path is None:
            return ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", self.metrics_path)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if response.status != 200:
            raise SubjectError(f"{self.name} answers {response.status} to {self.metrics_path}: {text[:200]}")
        return text

    # -- questions and answers -----------------------------------------------------------------------------------

    def take_counters(self, count: int) -> int:
        """Reserve counters that no query had before; return the first. They begin again after ninety million."""
        if self._next_counter + count > LAST_COUNTER:
            self._next_counter = FIRST_COUNTER
        first = self._next_counter
        self._next_counter += count
        return first

    def check(self, workload: Workload, count: int) -> None:
        """Ask `count` queries one after another and compare the answers with the model's.

        A default output is asked again a few times: here it is the answers that are checked, not the speed.

        Raises
        ------
        WrongAnswerError
            At the first answer that differs.
        """
        template = self.template(workload)
        if template is None:
            return
        connection = self.connect()
        try:
            first = self.take_counters(count)
            for counter in range(first, first + count):
                for attempt in range(1, ATTEMPTS_AT_AN_ANSWER + 1):
                    try:
                        self.ask(connection, workload, template, counter)
                        break
                    except DefaultAnswerError:
                        if attempt == ATTEMPTS_AT_AN_ANSWER:
                            raise
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection on which `ask` asks."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(
        self, connection: http.client.HTTPConnection, workload: Workload, template: RequestTemplate, counter: int
    ) -> None:
        """Ask one query on a kept connection; raise WrongAnswerError if the answer is not the model's."""
        connection.request("POST", template.path, template.body(counter), dict(template.headers))
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise WrongAnswerError(f"{self.name} answers {response.status} to {workload}: {answer[:200]!r}")
        output = self.output_of(workload, answer)
        wanted = right_answer(workload, input_counter(template, counter), self.site.model)
        if output != wanted:
            raise WrongAnswerError(f"{self.name} answers {output!r} to {workload} where the model says {wanted!r}")

    def run_load(self, file: Path, connections: int, duration_s: int, first_counter: int) -> WrkResult:
        """Put a closed loop's load on the server, of the requests in a file."""
        return run_wrk(self.port, file, connections, duration_s, first_counter)


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
