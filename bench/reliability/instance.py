"""A whole Clipper with the defaults as shipped, and its processes by name, so that a row can break them."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.procfs import processes_of
from bench.query_client import port_of
from bench.reliability import commanded_container
from bench.reliability.containers import Containers, Processes
from clipper import Clipper, ClipperError
from clipper.bench.procfs import rss_bytes
from clipper.config import ClipperConfig, ListenConfig, ManagementConfig
from clipper.supervisor.launch import make_run_dir

FRONTEND: Final = "clipper.frontend"
MANAGEMENT: Final = "clipper.management"
SUPERVISOR: Final = "clipper.supervisor"
COMMANDED: Final = "commanded"  # a container that obeys `Instance.command`
COMMANDS: Final = "commands"  # where the commands lie, below the run directory
DEFAULT: Final = "default"  # the default output of every application here
_NUMBERS: Final = itertools.count(1)


@dataclass
class Instance:
    """A Clipper that this process has started, and the applications that rows have it serve."""

    clipper: Clipper
    run_dir: Path
    config: ClipperConfig
    containers: Containers

    @classmethod
    def start(cls, containers: Containers | None = None, **sections: Any) -> Instance:
        """Start one on free ports; ``sections`` replace those of the configuration, see `ClipperConfig`."""
        run_dir = make_run_dir()
        containers = containers or Processes()
        commands = run_dir / COMMANDS
        commands.mkdir()
        programs = {COMMANDED: (sys.executable, commanded_container.__file__)}
        config = ClipperConfig(
            run_dir,
            listen=ListenConfig(query_port=0, management_port=0),
            management=ManagementConfig(containers=programs),
        )
        config = containers.configured(replace(config, **sections), commands)
        try:
            return cls(Clipper.start(config=config), run_dir, config, containers)
        except BaseException:
            containers.close()
            shutil.rmtree(run_dir, ignore_errors=True)
            raise

    def start_again(self) -> None:
        """Start another Clipper in the run directory of one that has ended, however it did."""
        with contextlib.suppress(ClipperError):
            self.clipper.stop()  # its connections
        self.clipper = Clipper.start(config=self.config)

    def close(self) -> None:
        """End what is left of it."""
        with contextlib.suppress(ClipperError):
            self.clipper.stop()
        for pid in processes_of(self.run_dir):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.containers.close()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    # -- processes -----------------------------------------------------------------------------------------------

    def pid_of(self, module: str) -> int:
        """Return the process that runs ``python -m module`` for this instance.

        Raises
        ------
        LookupError
            There is none, or more than one.
        """
        matching = [pid for pid, command in processes_of(self.run_dir).items() if f"-m {module} " in command]
        if len(matching) != 1:
            raise LookupError(f"{len(matching)} processes run {module}")
        return matching[0]

    @property
    def is_running(self) -> bool:
        """Whether its supervisor lives."""
        with contextlib.suppress(LookupError):
            return self.pid_of(SUPERVISOR) > 0
        return False

    @property
    def port(self) -> int:
        """The query port."""
        return port_of(self.clipper.query_url)

    def memory_bytes(self) -> int:
        """Return the resident size of the frontend."""
        return rss_bytes(self.pid_of(FRONTEND))

    def log(self, process: str) -> str:
        """Return what a process has logged: ``supervisor``, ``management``, ``frontend-0``."""
        return (self.run_dir / "logs" / f"{process}.log").read_text(encoding="utf-8", errors="replace")

    # -- models --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def serving(
        self,
        slo_us: int,
        replicas: int = 1,
        *,
        container: str = "simulated",
        model: Mapping[str, Any] | None = None,
        **simulated: Any,
    ) -> Iterator[str]:
        """Serve one model by one application, both of the name that is given, for the length of a block.

        Parameters
        ----------
        model : mapping, optional
            More options of `Clipper.deploy_model`.
        simulated : Any
            Parameters of the simulated container, such as ``base_us=5000``.
        """
        name = f"row{next(_NUMBERS)}"
        environment = {f"CLIPPER_SIMULATED_{key.upper()}": str(value) for key, value in simulated.items()}
        environment[commanded_container.COMMAND_VARIABLE] = str(self._command_file(name))
        self.clipper.register_application(name, "doubles", DEFAULT, slo_us, cache=False, shape=1)
        self.clipper.deploy_model(
            name, 1, None, "doubles", replicas, container=container, environment=environment, **(model or {})
        )
        self.clipper.link_model_to_app(name, name)
        yield name
        if not self.is_running:  # that was the point of the row
            return
        self.clipper.unlink_model_from_app(name, name)
        self.clipper.delete_model_version(name, 1)
        self.clipper.delete_application(name)

    def command(self, model: str, order: str) -> None:
        """Have one batch of one replica of a `COMMANDED` model carry out an order, see `commanded_container`."""
        file = self._command_file(model)
        unfinished = file.with_suffix(".new")
        unfinished.write_text(order, encoding="ascii")
        unfinished.rename(file)

    def break_starts(self, model: str, *, is_broken: bool = True) -> None:
        """From now on no replica of a `COMMANDED` model can be loaded, or it can again."""
        file = self._command_file(model).with_suffix(commanded_container.BROKEN_SUFFIX)
        if is_broken:
            file.touch()
        else:
            file.unlink()

    def _command_file(self, model: str) -> Path:
        return self.run_dir / COMMANDS / model

    def replicas(self, model: str, states: Collection[str] = ("ready",)) -> dict[int, str]:
        """Return pid -> replica id of a model's replicas in one of the states, as management sees them."""
        return {
            one["pid"]: one["replica_id"]
            for one in self.clipper.status()["replicas"]
            if one["model"] == model and one["state"] in states
        }

    def version(self, model: str) -> dict[str, Any]:
        """Return what management says of the one version of a model."""
        (found,) = (one for one in self.clipper.status()["models"] if one["name"] == model)
        return dict(found["versions"][0])

    def status_text(self) -> str:
        """Return what ``clipper status`` shows."""
        command = [sys.executable, "-m", "clipper", "status", "--url", self.clipper.management_url]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout

    def count(self, model: str, state: str = "ready") -> int:
        """Return how many replicas the frontend has in a state."""
        return int(self.metric("clipper_model_replicas", model=model, state=state))

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric of the query port over all samples with these labels."""
        return _sum_of(self.clipper.metrics(), name, labels)

    def management_metric(self, name: str, **labels: str) -> float:
        """Return the same of the management port."""
        return _sum_of(self.clipper.exchange("GET", "/metrics")[1], name, labels)


def _sum_of(text: str, name: str, labels: Mapping[str, str]) -> float:
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in wanted))


def wait_ends(pids: Collection[int], limit_s: float) -> list[int]:
    """Wait for processes of any parent; return those that still live after ``limit_s``."""
    poller, alive = select.poll(), {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            alive[descriptor] = pid
            poller.register(descriptor, select.POLLIN)
    try:
        end_s = time.monotonic() + limit_s
        left = dict(alive)
        while left and (rest_s := end_s - time.monotonic()) > 0:
            for descriptor, _ in poller.poll(rest_s * 1000):
                poller.unregister(descriptor)
                left.pop(descriptor, None)
        return list(left.values())
    finally:
        for descriptor in alive:
            os.close(descriptor)
