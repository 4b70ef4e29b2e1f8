"""``clipper stop``: end the Clipper of a run directory, and return when it is gone."""

from __future__ import annotations

import signal
from typing import Annotated, Final

import typer

from clipper.cli.options import JsonOption, RunDirOption
from clipper.cli.output import print_json
from clipper.cli.progress import progress
from clipper.errors import ServerError

# What the supervisor needs beside the limits of its own steps.
_REAP_LIMIT_US: Final = 5_000_000
_UNKNOWN_LIMIT_US: Final = 40_000_000
_POLL_INTERVAL_US: Final = 200_000


def stop(
    run_dir: RunDirOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do not wait for queries in flight.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop Clipper; returns when all of it is gone.

    Queries in flight are answered first. What is registered stays in the directory for the next start. Where
    nothing runs, there is nothing to do.
    """
    from clipper.cli.instance import resolve_run_dir, running_config
    from clipper.supervisor.running import find_running

    directory = resolve_run_dir(run_dir)
    instance = find_running(directory)
    if instance is None:
        _tell(as_json, False, str(directory), f"Clipper is not running in {str(directory)!r}")
        return
    config = running_config(directory)
    limit_us = _UNKNOWN_LIMIT_US
    if config is not None:
        options = config.supervisor
        limit_us = options.frontend_drain_limit_us + options.container_stop_limit_us + options.management_stop_limit_us
    try:
        with progress("stopping Clipper") as show:
            show("killing what is left" if force else "draining")
            instance.send_signal(signal.SIGTERM)
            if force:  # the supervisor kills at the second signal; of the same number it might see but one
                instance.send_signal(signal.SIGINT)
            waited_us = 0
            # In steps, so that Ctrl-C ends the wait.
            while not instance.wait(_POLL_INTERVAL_US):
                waited_us += _POLL_INTERVAL_US
                if waited_us > limit_us + _REAP_LIMIT_US:
                    if not force:
                        raise ServerError(
                            f"Clipper in {str(directory)!r} (pid {instance.pid}) has not ended within "
                            f"{waited_us / 1e6:.0f} s",
                            hint="clipper stop --force does not wait for it; see logs/supervisor.log there",
                        )
                    instance.send_signal(signal.SIGKILL)  # its children die with it
    finally:
        instance.close()
    _tell(as_json, True, str(directory), "stopped")


def _tell(as_json: bool, was_running: bool, run_dir: str, text: str) -> None:
    if as_json:
        print_json({"was_running": was_running, "run_dir": run_dir})
    else:
        print(text)
