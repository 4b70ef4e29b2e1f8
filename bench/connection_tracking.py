"""What the kernel's tracking of connections costs a query: `python -m bench.connection_tracking`.

NAT rules, such as those that Docker and Podman leave behind, make the kernel look up the connection of each packet,
over loopback as well. Here the same closed loop asks the same Clipper in two networks that take turns, both new and
with nothing in them but loopback; one has a NAT rule that no packet matches. Medians over the rounds are printed, and
with ``--record`` written into docs/tuning.md. Needs ``unshare``, ``ip``, ``iptables`` and wrk.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from bench.closed_cell import ClosedLoad
from bench.document import DOCUMENTS, table, write_into
from bench.machine import Machine, describe_machine
from bench.reliability.context import Bench
from clipper.bench.machine import tracks_connections

OWN_NETWORK: Final = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")
NAT_RULE: Final = "iptables -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE"  # RFC 5737: nobody's addresses
SLO_US: Final = 1_000_000
LENGTH: Final = 1
MOST_FAILED: Final = 0.01
WARMUP_S: Final = 1
CONNECTIONS: Final = (128, 512)
DOCUMENT: Final = DOCUMENTS / "tuning.md"
MARK: Final = "bench/connection_tracking.py --record"


@dataclass(frozen=True)
class TrackingCell:
    """A cell in one of the networks."""

    is_tracked: bool
    connections: int
    requests_per_s: float
    server_us_per_query: float


def measure_here(duration_s: int) -> list[TrackingCell]:
    """Measure in the network in which this process is.

    Raises
    ------
    RuntimeError
        If queries are not answered by the model.
    """
    is_tracked, cells = bool(tracks_connections()), []
    bench, load = Bench(), ClosedLoad(WARMUP_S, duration_s)
    with bench.own() as instance, instance.serving(SLO_US, container="noop") as app:
        for connections in CONNECTIONS:
            seen = load.measure(instance, app, LENGTH, connections)
            if seen.failed_ratio > MOST_FAILED:
                raise RuntimeError(f"{seen.failed_ratio:.1%} of the queries got no prediction")
            cells.append(TrackingCell(is_tracked, connections, seen.requests_per_s, seen.server_us_per_query))
    return cells


def measure(rounds: int, duration_s: int) -> list[TrackingCell]:
    """Measure in both networks in turn, each second round the other way round.

    Raises
    ------
    RuntimeError
        If such a network cannot be made here, or does not do what it is made for.
    """
    cells = []
    for turn in range(rounds):
        for is_tracked in (False, True) if turn % 2 == 0 else (True, False):
            found = _measure_in_own_network(is_tracked, duration_s)
            if any(cell.is_tracked != is_tracked for cell in found):
                raise RuntimeError(f"connections should be {'' if is_tracked else 'un'}tracked there, and are not so")
            cells += found
    return cells


def _measure_in_own_network(is_tracked: bool, duration_s: int) -> list[TrackingCell]:
    measuring = shlex.join([sys.executable, "-m", "bench.connection_tracking", "--here", "--seconds", str(duration_s)])
    steps = ["ip link set lo up", *([NAT_RULE] if is_tracked else []), f"exec {measuring}"]
    done = subprocess.run([*OWN_NETWORK, "sh", "-c", " && ".join(steps)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"cannot measure in a network of its own: {done.stderr.strip()[-500:]}")
    return [TrackingCell(**cell) for cell in json.loads(done.stdout.splitlines()[-1])]


def render(cells: Sequence[TrackingCell]) -> str:
    """Return a table of medians, a row for each number of connections in each network."""
    rows = []
    for connections in CONNECTIONS:
        for is_tracked in (False, True):
            of = [cell for cell in cells if (cell.connections, cell.is_tracked) == (connections, is_tracked)]
            rates = statistics.median(cell.requests_per_s for cell in of)
            server_us = statistics.median(cell.server_us_per_query for cell in of)
            rows.append([str(connections), "yes" if is_tracked else "no", f"{rates:,.0f}", f"{server_us:.1f}"])
    return table(["connections", "tracked", "requests/s", "server CPU us/query"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.connection_tracking", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="%(default)s")
    parser.add_argument("--seconds", type=int, default=3, help="of a cell (%(default)s)")
    parser.add_argument("--here", action="store_true", help="in this network alone; prints JSON")
    parser.add_argument("--record", action="store_true", help=f"write the table into docs/{DOCUMENT.name}")
    options = parser.parse_args(arguments)
    if options.here:
        print(json.dumps([asdict(cell) for cell in measure_here(options.seconds)]))
        return 0
    machine = describe_machine()
    figures = render(measure(options.rounds, options.seconds))
    print(figures)
    if options.record:
        write_into(DOCUMENT, MARK, f"{figures}\n\n{_source(machine, options.rounds, options.seconds)}")
    return 0


def _source(machine: Machine, rounds: int, duration_s: int) -> str:
    return (
        f"Medians of {rounds} rounds of {duration_s} s that took turns; {machine.started_at} UTC, commit "
        f"`{machine.commit[:12]}`, {machine.cores} x {machine.cpu}, kernel {machine.kernel}, which load, server and "
        f"model share."
    )


if __name__ == "__main__":
    sys.exit(main())
