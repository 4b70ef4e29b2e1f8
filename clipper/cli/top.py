"""``clipper top``: what applications, models and replicas are doing, live."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clipper.cli.options import JsonOption, with_server
from clipper.cli.output import console, print_json, show
from clipper.cli.server import Server
from clipper.errors import UnavailableError

if TYPE_CHECKING:
    from clipper.cli.activity import Activity, Reading

_LEAST_INTERVAL_S: Final = 0.1


@with_server
def top(
    server: Server,
    interval_s: Annotated[
        float, typer.Option("--interval", help="Seconds between two readings.", min=_LEAST_INTERVAL_S, metavar="S")
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Measure one interval, print it and end.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show live rates, latencies and batches; q quits.

    Latencies are told against the SLO. Every number is of the last interval. Without a terminal, or with --json,
    one interval is measured and printed.
    """
    from clipper.cli.activity import activity
    from clipper.cli.readings import read
    from clipper.cli.top_view import render

    first = read(server)
    if not (once or as_json) and sys.stdout.isatty():
        _run(server, first, interval_s)
        return
    time.sleep(interval_s)
    measured = activity(read(server), first)
    if as_json:
        print_json(asdict(measured))
    else:
        show(render(measured, server.management_url))


def _run(server: Server, first: Reading, interval_s: float) -> None:
    """Show one interval after the other until q, Escape or Ctrl-C."""
    from rich.live import Live

    from clipper.cli.activity import activity
    from clipper.cli.keyboard import Keyboard
    from clipper.cli.readings import read
    from clipper.cli.top_view import render, render_trouble

    then: Reading | None = first
    last: Activity = activity(first, first)
    picture = render(last, server.management_url)
    with (
        Keyboard() as keyboard,
        Live(picture, console=console(), screen=True, auto_refresh=False, transient=True) as live,
    ):
        live.refresh()
        while not keyboard.wait_for_quit(interval_s):
            try:
                now = read(server)
                last = activity(now, then)
                then = now
                picture = render(last, server.management_url)
            except UnavailableError as error:
                picture = render_trouble(error.message)
            live.update(picture, refresh=True)
