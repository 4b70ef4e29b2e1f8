"""``python -m clipper.demo``: start Clipper, deploy, replay, learn from labels, roll a bad version back."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from clipper import Clipper
from clipper.demo.digits import PIXELS, Digits, fit_models
from clipper.demo.learning import APPLICATION as LEARNING
from clipper.demo.learning import show_learning
from clipper.demo.preprocessing import UPRIGHT, with_pixel_order, write_pixel_order
from clipper.demo.replay import Replay, Score
from clipper.demo.rollback import show_rollback
from clipper.demo.table import read_counts, render

SLO_US = 20_000
ENSEMBLE = "digits"
CLIENTS = 8
DEFAULT_SECONDS = 6.0
_MOST_DEFAULTS_RATIO = 0.05  # above it the demo says so and fails: it has not shown what it promises


def main() -> int:
    """Run the demo; returns its exit code."""
    console = Console()
    started_s = time.monotonic()
    with console.status("fitting two classifiers on scikit-learn's digits"):
        models, digits = fit_models()
    query_port = _free_or_any(1337)
    with console.status("starting Clipper"):
        clipper = Clipper.start(query_port, _free_or_any(1338))
    with clipper, tempfile.TemporaryDirectory(prefix="clipper-demo-") as directory:
        pixel_order = Path(directory, "svm-pixel-order.json")
        write_pixel_order(pixel_order, UPRIGHT)
        models["svm"] = with_pixel_order(models["svm"], pixel_order)
        for name, model in models.items():
            with console.status(f"deploying model {name!r}"):
                _serve(clipper, name, model)
        console.print(f"Clipper serves {clipper.query_url}/{ENSEMBLE}/predict with the models {', '.join(models)}")
        failed = _show(console, clipper, list(models), digits, pixel_order)
        verdict = "[red]failed[/red]" if failed else "all as it should be"
        console.print(f"\n{verdict}, in {time.monotonic() - started_s:.0f} s")
        if os.environ.get("KEEP", "") not in ("", "0") and not failed:
            _stay(console, clipper, digits)
    return 1 if failed else 0


def _show(console: Console, clipper: Clipper, models: list[str], digits: Digits, pixel_order: Path) -> bool:
    """Show the three acts; True if one of them is not as it should be."""
    seconds = float(os.environ.get("CLIPPER_DEMO_SECONDS", DEFAULT_SECONDS))
    console.rule("two models, each alone and both together", align="left")
    scores = _replay(console, clipper, models, digits, seconds)
    failed = _sum_up(console, scores, clipper.query_url)
    console.rule("labels flow back", align="left")
    failed = show_learning(console, clipper, digits, pixel_order) or failed
    console.rule("versions come and go", align="left")
    return show_rollback(console, clipper, digits) or failed


def _free_or_any(port: int) -> int:
    """The port if nobody listens there, else 0: the demo should also run beside another Clipper."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _serve(clipper: Clipper, name: str, model: object) -> None:
    """Deploy a model, ask it alone under its own name, and let it vote in the ensemble."""
    clipper.deploy_model(name, version=1, model=model, input_type="doubles")
    if not clipper.status()["applications"]:
        clipper.register_application(ENSEMBLE, "doubles", -1, SLO_US, shape=PIXELS)
    clipper.register_application(f"{name}-alone", "doubles", -1, SLO_US, shape=PIXELS)
    clipper.link_model_to_app(ENSEMBLE, name)
    clipper.link_model_to_app(f"{name}-alone", name)


def _replay(console: Console, clipper: Clipper, models: list[str], digits: Digits, seconds: float) -> dict[str, Score]:
    applications = [ENSEMBLE, *(f"{name}-alone" for name in models)]
    replay = Replay(clipper.query_url, digits, applications, CLIENTS)
    end_s = time.monotonic() + seconds

    def picture() -> object:
        return render(replay.scores, models, read_counts(clipper.query_url), SLO_US)

    replay.start()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while time.monotonic() < end_s:
            time.sleep(0.5)
            live.update(picture(), refresh=True)  # type: ignore[arg-type]
    replay.stop()
    console.print(picture())
    return replay.scores


def _sum_up(console: Console, scores: dict[str, Score], query_url: str) -> bool:
    """Print what was seen; True if it is not what the demo promises."""
    total = sum(score.queries for score in scores.values())
    defaults = sum(score.defaults for score in scores.values())
    errors = sum((score.failures for score in scores.values()), start=next(iter(scores.values())).failures.__class__())
    best = max(scores, key=lambda name: scores[name].accuracy_ratio)
    console.print(
        f"{total:,} queries from {CLIENTS} clients, {defaults:,} default answers, {errors.total():,} errors; "
        f"most accurate: {best} ({scores[best].accuracy_ratio:.1%})"
    )
    if not total or errors or defaults > _MOST_DEFAULTS_RATIO * total:
        console.print(f"[red]that is not as it should be[/red]: {dict(errors)}; see {query_url}/metrics")
        return True
    return False


def _stay(console: Console, clipper: Clipper, digits: Digits) -> None:
    body = json.dumps({"input": digits.inputs[0].astype(int).tolist()}, separators=(",", ":"))
    console.print(f"\nthis is a {digits.labels[0]}:")
    console.print(f"curl -s {clipper.query_url}/{ENSEMBLE}/predict -d '{body}'", soft_wrap=True, highlight=False)
    console.print("\nand this is what has been learned of the two models:")
    shown = f"{Path(sys.executable).parent}/clipper policy show {LEARNING} --url {clipper.management_url}"
    console.print(shown, soft_wrap=True, highlight=False)
    console.print("\nserving until Ctrl-C")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
