"""``python -m clipper.frontend``: one frontend worker, started by the supervisor."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from clipper.config import LogConfig, read_config
from clipper.errors import ClipperError
from clipper.frontend.worker import WorkerOptions, run_worker
from clipper.logs import start_logging


def main(arguments: list[str] | None = None) -> int:
    """Parse the supervisor's arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m clipper.frontend", description=__doc__)
    parser.add_argument("--worker", type=int, required=True, help="number of this worker, from 0")
    parser.add_argument("--run-dir", type=Path, required=True, help="directory with the sockets of this Clipper")
    parser.add_argument("--query-fd", type=int, required=True, help="listening socket for queries")
    parsed = parser.parse_args(arguments)
    process = f"frontend-{parsed.worker}"
    start_logging(LogConfig(), process)
    try:
        config = read_config(parsed.run_dir.absolute())
        start_logging(config.logs, process)
        return run_worker(WorkerOptions(parsed.worker, parsed.query_fd, config))
    except ClipperError as error:
        logging.getLogger("clipper.frontend").critical("%s", error)
        return os.EX_CONFIG  # nobody need try that again at once


if __name__ == "__main__":
    sys.exit(main())
