"""A stand-in for a model container: announces itself as `fake_frontend` expects, and waits for SIGTERM.

``CLIPPER_FAKE`` chooses how it misbehaves: ``raise`` at load, ``silent`` (never ready), ``crash`` (dies while there is
a file ``<run_dir>/crash``), ``stubborn`` (ignores SIGTERM).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Behave as told."""
    replica_id = os.environ["CLIPPER_REPLICA_ID"]
    run_dir = Path(os.environ["CLIPPER_MODEL_PATH"]).parents[2]
    mode = os.environ.get("CLIPPER_FAKE", "")
    sys.stderr.write(f"loading {replica_id} from {os.environ['CLIPPER_RPC_ADDRESS']}\n")
    if mode == "raise":
        raise RuntimeError("the model is broken on purpose")
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: end(run_dir))
    if mode != "silent":
        (run_dir / f"ready-{replica_id}").touch()
    while mode == "crash":
        if (run_dir / "crash").exists():
            sys.exit(3)
        time.sleep(0.005)
    while True:
        signal.pause()


def end(run_dir: Path) -> None:
    """Note the order of ends."""
    with (run_dir / "ended.txt").open("a") as file:
        file.write("container\n")
    sys.exit(0)


if __name__ == "__main__":
    main()
