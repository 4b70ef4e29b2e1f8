"""The Clipper of a run directory, seen from outside: whether it runs, its process, its addresses."""

from __future__ import annotations

import os
from pathlib import Path

from clipper.client.urls import local_url
from clipper.config import (
    CONFIG_FILE_NAME,
    ClipperConfig,
    default_run_dir,
    find_config_file,
    load_config,
    read_config,
)
from clipper.config.locations import FILE_VARIABLE
from clipper.errors import ClipperError


def resolve_run_dir(run_dir: Path | None) -> Path:
    """Return the run directory that is meant: the given one, that of the configuration file, or this user's default.

    Raises
    ------
    InvalidArgumentError
        The configuration file is not valid.
    """
    if run_dir is not None:
        return run_dir.absolute()
    if os.environ.get(FILE_VARIABLE) or find_config_file(os.environ) is not None:
        return load_config(environment=os.environ, overrides={}).config.run_dir
    return default_run_dir(os.environ)


def management_url_of(config: ClipperConfig) -> str:
    """Return where the management of an instance is reached from this machine."""
    return local_url(config.management_url)


def query_url_of(config: ClipperConfig) -> str:
    """Return where its queries go, likewise."""
    return local_url(config.query_url)


def running_config(run_dir: Path) -> ClipperConfig | None:
    """Return the configuration that a start wrote to ``run_dir``, with its real ports; None if there is none."""
    if not (run_dir / CONFIG_FILE_NAME).is_file():
        return None
    try:
        return read_config(run_dir)
    except (ClipperError, OSError):  # of another version, or another user's
        return None


def started_s(pid: int) -> float | None:
    """Return when a process was started, as seconds since the epoch."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        boot_s = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, ValueError, StopIteration):
        return None
    return int(boot_s.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
