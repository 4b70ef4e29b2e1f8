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

from bench.closed_cell import CellFigures, ClosedLoad
from bench.own_dockerd import DockerDaemon
from bench.reliability.containers import DockerContainers, Processes
from bench.reliability.instance import DEFAULT, Instance
from clipper.bench.progress import Progress
from clipper.config import RpcConfig, SecurityConfig
from clipper.security.rpc_keys import make_rpc_keys

SLO_US: Final = 100_000
PATIENT, MANY = 1, 128  # connections: the one is asked for its latency, the others for throughput
MAX_FAILED_RATIO: Final = 0.001
WARMUP_S: Final = 1
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


@dataclass(frozen=True, kw_only=True)
class Cell(CellFigures):
    """One stretch of load on one model by one way."""

    way: str
    model: str
    connections: int
    round: int


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
    """Measure every cell in turn, each second round backwards.

    Raises
    ------
    LoadError
        wrk is missing, or fails.
    """
    cells: list[Cell] = []
    kinds = [(way, model, connections) for model in MODELS for way in WAYS for connections in (PATIENT, MANY)]
    progress = Progress(START_S + rounds * len(kinds) * (duration_s + WARMUP_S))
    progress.show("starting")
    with contextlib.closing(daemon.client()) as client:
        version = f"Docker {client.version()['Version']}"
    with _instances(daemon) as instances:
        progress.advance(START_S)
        load = ClosedLoad(WARMUP_S, duration_s)
        for number in range(1, rounds + 1):
            for way, model, connections in kinds if number % 2 else kinds[::-1]:
                progress.show(f"{way.name}, {model.name}, {connections} connections, round {number}")
                instance = instances[way.name]
                pids = instance.replicas(model.name)
                found = load.measure(instance, model.name, model.length, connections, pids)
                cells.append(Cell(way=way.name, model=model.name, connections=connections, round=number, **vars(found)))
                progress.advance(duration_s + WARMUP_S)
    progress.end()
    return Transports(version, duration_s, cells)


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
