"""The network of Figure 11 in a loop without any server: ``python -m bench.paper.in_process RUNTIME BATCH SECONDS``.

A process of its own, since how many threads a library starts is decided when it is loaded. Prints inputs a second, and
whether the classes were those that numpy gives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Final

import numpy as np

from bench.paper import small_network
from bench.subjects.subject import ONE_THREAD, REPOSITORY

RUNTIMES: Final = {
    "numpy": small_network.served_by_numpy,
    "onnxruntime": small_network.served_by_onnx_runtime,
}


def rate_of(runtime: str, batch: int, seconds: float) -> tuple[float, bool]:
    """Return inputs a second in batches of this size, and whether the answers are right."""
    model = RUNTIMES[runtime]()
    inputs = np.resize(small_network.images(), (batch, small_network.INPUTS))
    wanted = small_network.predict(small_network.weights(), inputs)
    is_right = bool((np.asarray(model(inputs)) == wanted).all())
    count, started_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - started_s) < seconds:
        model(inputs)
        count += batch
    return count / elapsed_s, is_right


def measure_apart(runtime: str, batch: int, seconds: float) -> tuple[float, bool]:
    """Return the same of a process with one thread.

    Raises
    ------
    RuntimeError
        It failed: the runtime is not installed, for one.
    """
    command = [sys.executable, "-m", "bench.paper.in_process", runtime, str(batch), str(seconds)]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{runtime} in a process of its own: {done.stderr.strip().splitlines()[-1:]}")
    rate, is_right = json.loads(done.stdout)
    return float(rate), bool(is_right)


if __name__ == "__main__":
    print(json.dumps(rate_of(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
