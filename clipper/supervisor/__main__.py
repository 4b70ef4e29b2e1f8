"""``python -m clipper.supervisor --run-dir D``: run one instance of Clipper as configured in ``D/config.json``."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from clipper.config import ClipperConfig, parse_config, read_config
from clipper.errors import ClipperError, StartError
from clipper.log_file import RotatingLog
from clipper.logs import RotatingHandler, start_logging
from clipper.security.private_directory import PRIVATE_UMASK, make_private
from clipper.security.start_checks import check_security
from clipper.supervisor.listeners import Listeners, address_of, open_listeners
from clipper.supervisor.lock_file import take_lock
from clipper.supervisor.orphans import end_orphans, read_mark
from clipper.supervisor.supervisor import Supervisor

_ORPHANS_LIMIT_US: Final = 5_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, claim the run directory and run until told to stop."""
    parser = argparse.ArgumentParser(prog="clipper.supervisor", description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="directory that holds config.json")
    parser.add_argument("--config-fd", type=int, default=-1, help="has the configuration instead of config.json")
    parser.add_argument("--owner-pidfd", type=int, default=-1, help="pidfd of the process whose death ends Clipper")
    parser.add_argument("--report-fd", type=int, default=-1, help="gets events of the start as JSON lines")
    options = parser.parse_args(arguments)
    os.umask(PRIVATE_UMASK)  # also of every child
    for descriptor in (options.owner_pidfd, options.report_fd):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    if options.report_fd >= 0:
        os.set_blocking(options.report_fd, False)
    owns_run_dir = False
    try:
        config = _read_config(options.run_dir, options.config_fd)
        mark = _prepare(config)
        owns_run_dir = True
        _end_orphans(mark)
        for warning in check_security(config):
            logging.getLogger("clipper.supervisor").warning("%s", warning)
        listeners = open_listeners(config.listen)
        config = _with_real_ports(config, listeners)
        _write(config)
    except ClipperError as error:
        _fail(error, options.report_fd, owns_run_dir)
        return 1
    supervisor = Supervisor(config, listeners, owner_pidfd=options.owner_pidfd, report_fd=options.report_fd, mark=mark)
    return supervisor.run()


def _read_config(run_dir: Path, config_fd: int) -> ClipperConfig:
    if config_fd < 0:
        return read_config(run_dir)
    with os.fdopen(config_fd, encoding="utf-8") as file:
        return parse_config(file.read(), run_dir, "the configuration")


def _end_orphans(mark: str) -> None:
    killed = end_orphans(mark, _ORPHANS_LIMIT_US)
    if killed:
        logging.getLogger("clipper.supervisor").warning(
            "an earlier life of this run directory had left processes behind: killed %s", ", ".join(map(str, killed))
        )


def _prepare(config: ClipperConfig) -> str:
    """Make the directories, take the lock of the run directory, open the log; return the directory's mark."""
    make_private(config.run_dir)
    try:
        for directory in (config.log_dir, config.model_dir, config.staging_dir, config.rpc_socket_dir):
            directory.mkdir(mode=0o700, exist_ok=True)
        take_lock(config.run_dir)
        mark = read_mark(config.run_dir)
    except OSError as error:
        raise _unusable(config, error) from error
    log = RotatingLog(config.log_dir / "supervisor.log", config.logs.max_bytes, config.logs.keep_count)
    start_logging(config.logs, "supervisor", RotatingHandler(log))
    return mark


def _write(config: ClipperConfig) -> None:
    try:
        config.write()
    except OSError as error:
        raise _unusable(config, error) from error


def _unusable(config: ClipperConfig, error: OSError) -> StartError:
    return StartError(
        f"run_dir={str(config.run_dir)!r} cannot be used: {error}", hint="see its free space, or choose another"
    )


def _with_real_ports(config: ClipperConfig, listeners: Listeners) -> ClipperConfig:
    _, query_port = address_of(listeners.query)
    _, management_port = address_of(listeners.management)
    return replace(config, listen=replace(config.listen, query_port=query_port, management_port=management_port))


def _fail(error: ClipperError, report_fd: int, owns_run_dir: bool) -> None:
    if report_fd >= 0:
        report: dict[str, object] = {"event": "failed", "code": error.code, "error": error.message, "hint": error.hint}
        report["owns_run_dir"] = owns_run_dir
        os.write(report_fd, json.dumps(report).encode() + b"\n")
    with contextlib.suppress(OSError):  # a file on the disk that may be full
        sys.stderr.write(f"clipper: {error}\n")


if __name__ == "__main__":
    sys.exit(main())
