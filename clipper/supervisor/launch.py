"""Start a supervisor from the process that embeds Clipper, and wait until it serves."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from clipper.config import MAX_SOCKET_PATH_BYTES, ClipperConfig
from clipper.errors import InvalidArgumentError, StartError
from clipper.log_file import is_start_line, read_tail
from clipper.security.certificates import trusting_own
from clipper.security.private_directory import make_private
from clipper.supervisor.health import HealthProbe

# A process that ended this often before it ever answered will not come up by being started again.
_MAX_EARLY_EXITS: Final = 3
_LOG_TAIL_LINES: Final = 20
# Beside the options, which are named CLIPPER_<SECTION>__<FIELD>.
_CALLERS_VARIABLES: Final = frozenset({"CLIPPER_CONFIG", "CLIPPER_TOKEN", "CLIPPER_TOKEN_FILE"})
# "/rpc-NN.sock" and "/control.sock" must still fit behind a run directory.
_SOCKET_NAME_BYTES: Final = 16


@dataclass(slots=True)
class RunningSupervisor:
    """A started instance of Clipper, as its owner sees it."""

    config: ClipperConfig  # with the real ports
    process: subprocess.Popen[bytes]

    def stop(self) -> int:
        """Drain, and return the supervisor's exit code; 0 again when it is called again.

        An instance that does not end within the sum of its own limits is killed.
        """
        options = self.config.supervisor
        limit_us = options.frontend_drain_limit_us + options.container_stop_limit_us + options.management_stop_limit_us
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit_us / 1e6 + 5)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children die with it
            return self.process.wait()


def make_run_dir() -> Path:
    """Return a fresh directory that only this user can enter, with a path short enough for Unix sockets."""
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]
    for parent in candidates:
        usable = bool(parent) and Path(parent).is_absolute() and os.access(parent, os.W_OK | os.X_OK)
        if usable and len(os.fsencode(parent)) + len("/clipper-12345678") + _SOCKET_NAME_BYTES <= MAX_SOCKET_PATH_BYTES:
            return Path(tempfile.mkdtemp(prefix="clipper-", dir=parent))  # mkdtemp makes it with mode 0700
    raise StartError(f"no directory for the sockets can be made: tried {candidates}", hint="give a run_dir")


def launch(config: ClipperConfig, start_limit_us: int, *, outlives_caller: bool = False) -> RunningSupervisor:
    """Spawn a supervisor that ends with this process (unless it shall outlive it); return when both ports answer.

    Raises
    ------
    StartError
        A port is taken, the run directory cannot be used, or a process did not come up within ``start_limit_us``;
        nothing is left running.
    """
    make_private(config.run_dir)
    try:
        (config.run_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        stderr_path = config.log_dir / "supervisor.stderr"
        stderr_fd = os.open(stderr_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"run_dir={str(config.run_dir)!r} cannot be used: {error}", hint="choose another") from error
    process: subprocess.Popen[bytes] | None = None
    report_fd, report_write_fd = os.pipe()
    owner_pidfd = os.pidfd_open(os.getpid())
    config_fd = _memory_file(config.to_json())
    start: _Start | None = None
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "clipper.supervisor", "--run-dir", str(config.run_dir)),
                *(() if outlives_caller else ("--owner-pidfd", str(owner_pidfd))),
                *("--report-fd", str(report_write_fd), "--config-fd", str(config_fd)),
            ],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=stderr_fd,
            stderr=stderr_fd,
            pass_fds=(owner_pidfd, report_write_fd, config_fd),
            start_new_session=True,
        )
        os.close(report_write_fd)
        report_write_fd = -1
        start = _Start(config, process, report_fd, time.monotonic() + start_limit_us / 1e6)
        start.wait()
        return RunningSupervisor(start.config, process)
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
        if config.remove_run_dir and (start is None or start.owns_run_dir):
            shutil.rmtree(config.run_dir, ignore_errors=True)
        raise
    finally:
        for descriptor in (report_fd, report_write_fd, owner_pidfd, config_fd, stderr_fd):
            if descriptor >= 0:
                os.close(descriptor)


def child_environment() -> dict[str, str]:
    """Return the environment in which ``python -m clipper...`` finds this very package, and nothing by accident.

    The directory of the caller's script is kept off the path of the children: a file ``json.py`` beside it must not
    replace the standard library's. Options and tokens are kept from them, too: they have been read by now, a model has
    no business with them, and ``/proc`` shows an environment for as long as the process lives.
    """
    environment = {name: value for name, value in os.environ.items() if not _is_for_the_caller(name)}
    environment["PYTHONSAFEPATH"] = "1"
    root = str(Path(__file__).resolve().parents[2])
    if root not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        known = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{known}" if known else root
    return environment


def _is_for_the_caller(name: str) -> bool:
    return name.startswith("CLIPPER_") and ("__" in name or name in _CALLERS_VARIABLES)


def _memory_file(text: str) -> int:
    """Return a descriptor from which a child reads ``text``; the run directory may belong to another instance."""
    descriptor = os.memfd_create("clipper-config")
    with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class _Start:
    """The wait for a supervisor: its report, its death and the two health probes, whichever comes first."""

    def __init__(
        self, config: ClipperConfig, process: subprocess.Popen[bytes], report_fd: int, deadline_s: float
    ) -> None:
        self.config = config
        self.owns_run_dir = True
        self._process = process
        self._report_fd = report_fd
        self._deadline_s = deadline_s
        self._received = b""
        self._exits: dict[str, int] = {}
        self._probes: dict[str, HealthProbe] = {}

    def wait(self) -> None:
        """Return when both ports answer.

        Raises
        ------
        StartError
            They will not, or have not within the limit.
        """
        try:
            while not (self._probes and all(probe.is_healthy for probe in self._probes.values())):
                self._turn()
        finally:
            for probe in self._probes.values():
                probe.close()

    def _turn(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._deadline_s:
            silent = [name for name, probe in self._probes.items() if not probe.is_healthy] or ["supervisor"]
            raise self._error(f"the {silent[0]} did not come up within the limit of the start", silent[0])
        poller = select.poll()
        poller.register(self._report_fd, select.POLLIN)
        for probe in self._probes.values():
            if probe.descriptor >= 0:
                poller.register(probe.descriptor, select.POLLIN)
        # A probe whose connection was cut is made anew every 50 ms; everything else wakes the poll.
        retrying = any(probe.descriptor < 0 and not probe.is_healthy for probe in self._probes.values())
        wait_s = min(self._deadline_s - now_s, 0.05 if retrying else 60)
        ready = {descriptor for descriptor, _ in poller.poll(wait_s * 1000)}
        if self._report_fd in ready:
            self._read_report()
        for probe in self._probes.values():
            if probe.descriptor < 0 and not probe.is_healthy:
                probe.connect()
            elif probe.descriptor in ready:
                probe.receive()

    def _read_report(self) -> None:
        data = os.read(self._report_fd, 65536)
        if not data:
            raise self._error(f"the supervisor ended with code {self._process.wait()}", "supervisor")
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._on_event(json.loads(line))

    def _on_event(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "failed":
                self.owns_run_dir = event["owns_run_dir"]
                kind = InvalidArgumentError if event["code"] == InvalidArgumentError.code else StartError
                raise kind(event["error"], hint=event["hint"])
            case "listening":
                listen = replace(
                    self.config.listen, query_port=event["query_port"], management_port=event["management_port"]
                )
                self.config = replace(self.config, listen=listen)
                certificate = self.config.security.tls_certificate_file
                tls = None if certificate is None else trusting_own(certificate)
                self._probes["query"] = HealthProbe(listen.query_host, listen.query_port, tls)
                self._probes["management"] = HealthProbe(listen.management_host, listen.management_port, tls)
                for probe in self._probes.values():
                    probe.connect()
            case "exited":
                name = event["name"]
                self._exits[name] = self._exits.get(name, 0) + 1
                if event["code"] == os.EX_CONFIG:  # it knows that it cannot, and its log says why
                    raise self._error(f"the process {name!r} cannot start", name)
                if self._exits[name] >= _MAX_EARLY_EXITS:
                    raise self._error(f"the process {name!r} ends with code {event['code']} each time it starts", name)

    def _error(self, message: str, name: str) -> StartError:
        log_name = {"query": "frontend-0.log", "supervisor": "supervisor.stderr"}.get(name, f"{name}.log")
        path = self.config.log_dir / log_name
        lines = read_tail(path, _LOG_TAIL_LINES).split("\n")
        starts = [number for number, line in enumerate(lines) if is_start_line(line)]
        tail = "\n".join(lines[starts[-1] + 1 :] if starts else lines).strip()
        if tail:
            message = f"{message}; its log ends with:\n{tail}\n"
        return StartError(message, hint="" if self.config.remove_run_dir else f"see {path}")
