"""Runs the compiled load client: its files, its command line, its progress and its end."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipper.errors import InternalError, StartError, UnavailableError

PROGRAM = Path(__file__).with_name("load_client")
PROGRESS_S = 0.5
GRACE_S = 30.0
"""Beyond the time that the run takes: connecting takes up to 10 s, and a busy machine is slow."""


@dataclass(frozen=True)
class ClientFiles:
    """What the client reads."""

    requests: Path
    checks: Path
    offsets: Path
    keys: Path | None = None


@dataclass(frozen=True)
class ClientOptions:
    """How the client is to run; `clipper/bench/client/options.hpp` is the twin."""

    host: str
    port: int
    duration_s: float
    warmup_s: float
    connections: int
    threads: int
    first_counter: int
    drain_s: float


def client_program() -> Path:
    """Return the compiled client.

    Raises
    ------
    StartError
        If it was not built.
    """
    if not PROGRAM.is_file():
        raise StartError(
            f"the load client {PROGRAM} is not there",
            hint="in a checkout `make build` compiles it; an installed package brings it along",
        )
    return PROGRAM


def run_client(
    options: ClientOptions, files: ClientFiles, on_line: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any]:
    """Run the client once, and return what it printed last.

    Parameters
    ----------
    on_line : callable, optional
        Called with each report while the client runs, every `PROGRESS_S`; the load goes on meanwhile.

    Raises
    ------
    StartError
        If the client was not built.
    UnavailableError
        If it could not connect to the server, or says of anything else why it gave up.
    InternalError
        If it did not end in time, or died.
    """
    limit_s = options.warmup_s + options.duration_s + options.drain_s + GRACE_S
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(client_program()), *_arguments(options, files, has_progress=on_line is not None)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        ran_out = threading.Event()

        def stop() -> None:
            ran_out.set()
            process.kill()

        watchdog = threading.Timer(limit_s, stop)
        watchdog.start()
        try:
            result = _read_lines(process, on_line)
            process.wait()
        finally:
            watchdog.cancel()
            if process.poll() is None:  # interrupted: no load without someone who reads of it
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if result is not None and process.returncode == 0:
            return result
        said.seek(0)
        message = said.read().decode("utf-8", "replace").strip()
    if ran_out.is_set():
        raise InternalError(f"the load client did not end within {limit_s:.0f} s")
    if message:
        raise UnavailableError(message)
    raise InternalError(f"the load client ended with {process.returncode} and no result")


def _read_lines(
    process: subprocess.Popen[bytes], on_line: Callable[[dict[str, Any]], None] | None
) -> dict[str, Any] | None:
    """Return the result, the one line that is no progress; None if it never came."""
    if process.stdout is None:
        return None
    for line in process.stdout:
        seen: dict[str, Any] = json.loads(line)
        if "progress" not in seen:
            return seen
        if on_line is not None:
            on_line(seen)
    return None


def _arguments(options: ClientOptions, files: ClientFiles, has_progress: bool) -> list[str]:
    given: dict[str, object] = {
        "host": options.host,
        "port": options.port,
        "requests": files.requests,
        "checks": files.checks,
        "offsets": files.offsets,
        "warmup-s": repr(options.warmup_s),
        "duration-s": repr(options.duration_s),
        "drain-s": repr(options.drain_s),
        "connections": options.connections,
        "threads": options.threads,
        "first-counter": options.first_counter,
    }
    if files.keys is not None:
        given["keys"] = files.keys
    if has_progress:
        given["progress-s"] = PROGRESS_S
    return [text for name, value in given.items() for text in (f"--{name}", str(value))]
