"""The same models behind three transports, each with a Clipper of its own; cells take turns."""

from __future__ import annotations

import contextlib
import shutil
import socket
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.loadgen.request import FIRST_COUNTER, Body, CounterForm, RequestTemplate
from bench.loadgen.wrk import run_wrk
from bench.own_dockerd import DockerDaemon
from bench.prometheus import growth, misses, parse_metrics
from bench.reliability.containers import DockerContainers, Processes
from bench.reliability.instance import DEFAULT, SUPERVISOR, Instance
from clipper.bench.progress import Progress
from clipper.bench.usage import Snapshot, usage_between
from clipper.config import RpcConfig, SecurityConfig
from clipper.security.rpc_keys import make_rpc_keys

SLO_US: Final = 100_000
PATIENT, MANY = 1, 128  # connections: the one is asked for its latency, the others for throughput
MAX_FAILED_RATIO: Final = 0.001
START_S: Final = 12.0  # of the daemon and the three instances, about


@dataclass(frozen=True)
class Way:
    """Where the replica runs, and how it is reached."""

    name: str
    title: str


PROCESS_IPC: Final = Way("process-ipc", "a process, by its socket")
DOCKER_IPC: Final = Way("docker-ipc", "Docker, `docker.rpc = ipc`")
DOCKER_TCP: Final = Way("docker-tcp", "Docker, `docker.rpc = tcp`, CURVE")
WAYS: Final = (PROCESS_IPC, DOCKER_IPC, DOCKER_TCP)


@dataclass(frozen=True)
class Model:
    """What answers, and how many doubles a query has."""

    name: str
    title: str
    length: int


NOOP: Final = Model("noop", "no-op, 4 doubles", 4)
LINEAR: Final = Model("linear", "linear, 10 classes of 784 doubles", 784)
MODELS: Final = (NOOP, LINEAR)


@dataclass(frozen=True)
class Cell:
    """One stretch of load on one model by one way."""

    way: str
    model: str
    connections: int
    round: int
    requests_per_s: float  # of good answers: failed requests, default outputs and errors are not throughput
    failed_ratio: float
    p50_us: float
    p99_us: float
    server_us_per_query: float  # CPU time of Clipper's processes and of the replica, but not of the daemon
    other_cores: float


@dataclass(frozen=True)
class Transports:
    """The whole measurement."""

    daemon: str
    duration_s: int
    cells: list[Cell]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Transports:
        """Read what `dataclasses.asdict` wrote."""
        return cls(content["daemon"], content["duration_s"], [Cell(**cell) for cell in content["cells"]])

    def of(self, way: Way, model: Model, connections: int) -> list[Cell]:
        """Return the cells of one kind, in the order of the rounds."""
        wanted = (way.name, model.name, connections)
        return [cell for cell in self.cells if (cell.way, cell.model, cell.connections) == wanted]

    def median(self, way: Way, model: Model, connections: int, field: str) -> float:
        """Return the median of a figure over the rounds."""
        return float(statistics.median(getattr(cell, field) for cell in self.of(way, model, connections)))

    @property
    def faults(self) -> list[str]:
        """Cells whose figures are of no use: too many queries got no answer of the model."""
        return [
            f"{way.title}, {model.title}, {connections} connections: {failed:.2%} of the queries got no prediction"
            for model in MODELS
            for way in WAYS
            for connections in (PATIENT, MANY)
            if (failed := self.median(way, model, connections, "failed_ratio")) > MAX_FAILED_RATIO
        ]


def measure(daemon: DockerDaemon, rounds: int, duration_s: int) -> Transports:
    """Measure every cell in turn, each second round backwards; the first second of each is no part of it.

    Raises
    ------
    LoadError
        wrk is missing, or fails.
    """
    cells: list[Cell] = []
    kinds = [(way, model, connections) for model in MODELS for way in WAYS for connections in (PATIENT, MANY)]
    progress = Progress(START_S + rounds * len(kinds) * (duration_s + 1))
    progress.show("starting")
    with contextlib.closing(daemon.client()) as client:
        version = f"Docker {client.version()['Version']}"
    with _instances(daemon) as instances:
        progress.advance(START_S)
        sent = FIRST_COUNTER
        for number in range(1, rounds + 1):
            for way, model, connections in kinds if number % 2 else kinds[::-1]:
                progress.show(f"{way.name}, {model.name}, {connections} connections, round {number}")
                load = _Load(instances[way.name], model, connections)
                cell, sent = load.measure(way, number, duration_s, sent)
                cells.append(cell)
                progress.advance(duration_s + 1)
    progress.end()
    return Transports(version, duration_s, cells)


class _Load:
    """Closed-loop load on one model of one instance."""

    def __init__(self, instance: Instance, model: Model, connections: int) -> None:
        self._instance, self._model, self._connections = instance, model, connections
        rest = b"".join(b",%d" % (place % 10) for place in range(1, model.length))
        body = Body(b'{"input":[', b".5" + rest + b"]}")
        self._template = RequestTemplate(f"/{model.name}/predict", (), (body,), CounterForm.DIGITS)

    def measure(self, way: Way, number: int, duration_s: int, sent: int) -> tuple[Cell, int]:
        """Return the cell, and the next counter that no query has had."""
        instance = self._instance
        with tempfile.TemporaryDirectory(prefix="clipper-transports-") as directory:
            file = Path(directory) / "requests"
            self._template.write(file, instance.port)
            warm_up = run_wrk(instance.port, file, self._connections, 1, sent)
            sent += warm_up.requests + self._connections
            roots = [instance.pid_of(SUPERVISOR), *instance.replicas(self._model.name)]
            before, usage_before = parse_metrics(instance.clipper.metrics()), Snapshot.take(roots)
            load = run_wrk(instance.port, file, self._connections, duration_s, sent)
            usage = usage_between(usage_before, Snapshot.take(roots), load.load.cpu_us)
            failed = load.errors + misses(growth(before, parse_metrics(instance.clipper.metrics())))
        cell = Cell(
            way=way.name,
            model=self._model.name,
            connections=self._connections,
            round=number,
            requests_per_s=max(0, load.requests - failed) / (load.duration_us / 1e6),
            failed_ratio=failed / max(1, load.requests),
            p50_us=load.p50_us,
            p99_us=load.p99_us,
            server_us_per_query=usage.server_cpu_us / max(1, load.requests),
            other_cores=usage.other_cores,
        )
        return cell, sent + load.requests + self._connections


@contextlib.contextmanager
def _instances(daemon: DockerDaemon) -> Iterator[dict[str, Instance]]:
    """Start one Clipper a way, with both models."""
    keys = Path(tempfile.mkdtemp(prefix="clipper-transports-keys-"))
    with contextlib.ExitStack() as held:
        held.callback(shutil.rmtree, keys, ignore_errors=True)
        make_rpc_keys(keys / "keys")
        tcp = {
            "rpc": RpcConfig(tcp_host="0.0.0.0", tcp_port=_free_port()),
            "security": SecurityConfig(rpc_keys_dir=keys / "keys"),
        }
        found = {}
        for way, containers, sections in (
            (PROCESS_IPC, Processes(), {}),
            (DOCKER_IPC, DockerContainers(daemon), {}),
            (DOCKER_TCP, DockerContainers(daemon, rpc="tcp"), tcp),
        ):
            found[way.name] = Instance.start(containers, **sections)
            held.callback(found[way.name].close)
            _register(found[way.name])
        yield found


def _register(instance: Instance) -> None:
    for model in MODELS:
        options: dict[str, Any] = {"container": "noop"} if model is NOOP else {"model": make_linear(model.length)}
        instance.clipper.register_application(model.name, "doubles", DEFAULT, SLO_US, cache=False, shape=model.length)
        instance.clipper.deploy_model(model.name, 1, **options)
        instance.clipper.link_model_to_app(model.name, model.name)


def make_linear(length: int) -> Callable[[Sequence[Any]], list[int]]:
    """Return a function that names the best of ten classes by fixed weights."""
    weights = np.random.default_rng(0).standard_normal((length, 10))

    def linear(inputs: Sequence[Any]) -> list[int]:
        return [int(place) for place in (np.asarray(inputs) @ weights).argmax(axis=1)]

    return linear


def _free_port() -> int:
    with socket.create_server(("0.0.0.0", 0)) as free:
        return int(free.getsockname()[1])
