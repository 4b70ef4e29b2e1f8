"""How fast the load client is beside wrk: `python -m bench.client_rate` (nginx and wrk must be installed).

Both send the same GET to nginx's `return 200`, from one thread, over the same number of connections, in turns and with
the same priority. wrk looks at no answer; the client checks each one and writes down its latency. It is offered more
than it can send, so that it never waits for an arrival. The bar is 80% of wrk's rate per core, in requests per
CPU-second of the generator; where generator and server have a core each, requests per second say the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.loadgen.wrk import LoadError
from bench.procfs import wait_with_cpu
from bench.subjects.nginx import ANSWER, Nginx
from bench.subjects.subject import Site
from bench.workloads import fit_linear_model
from clipper.bench.arrivals import Constant
from clipper.bench.load_run import run_load
from clipper.bench.targets import AnswerCheck, RequestTemplate, Target

BAR_RATIO = 0.8
OVERLOAD_RATIO = 1.5
PATH = "/noop"
CLIENT_PRIORITY = -10  # as in clipper/bench/client/load_client.cpp


@dataclass(frozen=True)
class GeneratorRate:
    """What one run came to."""

    requests_per_s: float
    requests_per_cpu_s: float


def run_wrk_plain(port: int, connections: int, duration_s: int) -> GeneratorRate:
    """Run wrk without a script, as fast as it goes.

    Raises
    ------
    LoadError
        If wrk is missing or says nothing.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadError("wrk is missing: apt-get install -y --no-install-recommends wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{duration_s}s", f"http://127.0.0.1:{port}{PATH}"]
    # Who is woken for each answer pays more for it than who comes later: with the client's priority, where it is given.
    command = ["nice", "-n", str(CLIENT_PRIORITY - os.nice(0)), *command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, load = wait_with_cpu(process)
    for line in output.splitlines():
        words = line.split()
        if words[1:3] == ["requests", "in"]:
            requests = int(words[0])
            return GeneratorRate(requests / duration_s, requests / (load.cpu_us / 1e6))
    raise LoadError(f"wrk printed no result: {output.strip()[-500:]}")


def run_client_flat_out(port: int, connections: int, duration_s: int, rate_per_s: float) -> GeneratorRate:
    """Run the client with more arrivals than it can send."""
    request = RequestTemplate(PATH, method="GET")
    target = Target(f"http://127.0.0.1:{port}", (request,), AnswerCheck(accept=(ANSWER,)))
    run = run_load(
        target, Constant(), rate_per_s=rate_per_s, duration_s=duration_s, connections=connections, drain_s=0.0
    )
    wrong = run.failed - run.outcomes["unanswered"]
    if wrong:
        raise LoadError(f"{wrong} requests failed: {run.failures}")
    return GeneratorRate(run.completed / (run.elapsed_us / 1e6), run.completed / (run.cpu_us / 1e6))


def compare(port: int, connections: int, duration_s: int, rounds: int) -> list[tuple[GeneratorRate, GeneratorRate]]:
    """Run both in turns, the order reversed in every second round; return (wrk, client) of each round."""
    warm = run_wrk_plain(port, connections, 1)
    results = []
    for number in range(rounds):
        rate_per_s = OVERLOAD_RATIO * warm.requests_per_s
        if number % 2:
            ours = run_client_flat_out(port, connections, duration_s, rate_per_s)
            wrk = run_wrk_plain(port, connections, duration_s)
        else:
            wrk = run_wrk_plain(port, connections, duration_s)
            ours = run_client_flat_out(port, connections, duration_s, rate_per_s)
        results.append((wrk, ours))
    return results


def report(results: list[tuple[GeneratorRate, GeneratorRate]]) -> tuple[str, float]:
    """Return the figures as text, and the median ratio of requests per CPU-second."""
    lines = [f"{'':14}{'wrk':>12}{'client':>12}{'ratio':>8}"]
    ratios: list[float] = []
    for name in ("requests_per_s", "requests_per_cpu_s"):
        pairs = [(float(getattr(wrk, name)), float(getattr(ours, name))) for wrk, ours in results]
        ratios.append(statistics.median(ours / wrk for wrk, ours in pairs))
        wrk_median, our_median = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        label = name.removeprefix("requests_").replace("_", " ")
        lines.append(f"{label:14}{wrk_median:12,.0f}{our_median:12,.0f}{ratios[-1]:8.2f}")
    return "\n".join(lines), ratios[-1]


def main() -> int:
    """Print the ratio; the exit status is 1 below the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--duration-s", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clipper-client-rate-") as directory:
        nginx = Nginx(Site(Path(directory), fit_linear_model()))
        if reason := nginx.missing():
            print(reason, file=sys.stderr)
            return 2
        nginx.start()
        try:
            nginx.wait_ready()
            results = compare(nginx.port, given.connections, given.duration_s, given.rounds)
        finally:
            nginx.stop()
    text, ratio = report(results)
    print(text)
    verdict = "holds" if ratio >= BAR_RATIO else "MISSED"
    print(f"bar: {BAR_RATIO:.2f} of wrk's requests per CPU-second: {ratio:.2f}, {verdict}")
    return 0 if ratio >= BAR_RATIO else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LoadError as error:
        sys.exit(str(error))
