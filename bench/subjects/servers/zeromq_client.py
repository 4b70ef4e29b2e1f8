"""Closed loop for the ZeroMQ echo: PORT TEMPLATE IN_FLIGHT SECONDS FIRST_COUNTER; prints a line as unique.lua does.

The template is the HTTP load's; of each request only the body is sent. Answers come in the order of the questions, so a
queue of the times at which they were sent gives each its latency.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from pathlib import Path

import zmq

SAMPLE_EVERY = 8  # latencies kept: sorting them all would take longer than the load
ANSWER_LIMIT_MS = 10_000


def load_bodies(file: Path) -> list[tuple[bytes, bytes]]:
    """Return the parts of each body around the hole; bench/loadgen/request.py writes the file."""
    content = file.read_bytes()
    first, rest = content.split(b"\n", 1)
    sizes = []
    for _ in range(int(first.split()[1])):
        line, rest = rest.split(b"\n", 1)
        sizes.append([int(size) for size in line.split()])
    bodies, position = [], 0
    for before, after in sizes:
        request = rest[position : position + before]
        body = request[request.index(b"\r\n\r\n") + 4 :]
        bodies.append((body, rest[position + before : position + before + after]))
        position += before + after
    return bodies


def main() -> None:
    port, file, in_flight, seconds, counter = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6])
    bodies = load_bodies(file)
    latencies: list[float] = []
    pending: deque[tuple[float, bytes]] = deque()
    answered = wrong = 0
    clock = time.perf_counter
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger, socket.rcvtimeo, socket.sndhwm, socket.rcvhwm = 0, ANSWER_LIMIT_MS, 0, 0
        socket.connect(f"tcp://127.0.0.1:{port}")

        def ask() -> None:
            nonlocal counter
            before, after = bodies[counter % len(bodies)]
            body = before + b"%08d" % counter + after
            counter += 1
            pending.append((clock(), body))
            socket.send(body)

        started = clock()
        end = started + seconds
        for _ in range(in_flight):
            ask()
        while pending:
            answer = socket.recv()
            asked_at, body = pending.popleft()
            now = clock()
            answered += 1
            wrong += answer != body
            if answered % SAMPLE_EVERY == 0:
                latencies.append(now - asked_at)
            if now < end:
                ask()
        duration_s = clock() - started
    latencies.sort()
    report = {f"p{name}_us": _percentile_us(latencies, ratio) for name, ratio in PERCENTILES.items()}
    report |= {
        "requests": answered,
        "duration_us": round(duration_s * 1e6),
        "status": wrong,
        "bytes": 0,
        "max_us": report["p999_us"],
    }
    report |= dict.fromkeys(("connect", "read", "write", "timeout"), 0)
    sys.stdout.write(f"BENCH {json.dumps(report)}\n")


PERCENTILES = {"50": 0.5, "90": 0.9, "99": 0.99, "999": 0.999}


def _percentile_us(ordered: list[float], ratio: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * ratio))] * 1e6 if ordered else 0.0


if __name__ == "__main__":
    main()
