"""Start each subject and check its answers, without measuring anything: `python -m bench.check_subjects`.

Says of each workload whether 64 answers are the model's own, and why not where they are not. The exit code is 1 if a
subject that is installed does not start or answers wrong.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.subjects.registry import SUBJECTS
from bench.subjects.subject import Site, Subject, SubjectError
from bench.workloads import Workload, fit_linear_model, missing_module

ANSWERS = 64


def check(subject: Subject, workloads: Sequence[Workload], answers: int = ANSWERS) -> tuple[dict[Workload, str], float]:
    """Start a subject, ask, stop it.

    Returns
    -------
    dict, float
        Of each workload "right", or what is wrong; and how long the start took, in seconds.

    Raises
    ------
    SubjectError
        If it does not start.
    """
    started_s = time.monotonic()
    outcomes = {}
    try:
        subject.start(workloads)
        subject.wait_ready()
        start_s = time.monotonic() - started_s
        for workload in subject.serving:
            try:
                subject.check(workload, answers)
                outcomes[workload] = "right"
            except (SubjectError, OSError, http.client.HTTPException, ValueError, KeyError) as error:
                outcomes[workload] = f"WRONG: {error!s:.300}"
    finally:
        subject.stop()
    return outcomes, start_s


def main(arguments: Sequence[str] | None = None) -> int:
    names = [kind.name for kind in SUBJECTS]
    parser = argparse.ArgumentParser(prog="python -m bench.check_subjects", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--workloads", nargs="+", choices=list(Workload), default=list(Workload), metavar="WORKLOAD")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no subject called {', '.join(unknown)}; there are {', '.join(names)}")
    workloads = [w for w in map(Workload, options.workloads) if missing_module(w) is None]
    failures = 0
    with tempfile.TemporaryDirectory(prefix="clipper-bench-") as directory:
        site = Site(Path(directory), fit_linear_model())
        site.save_models(workloads)
        for kind in SUBJECTS:
            if not options.names or kind.name in options.names:
                text, is_right = report(kind(site), workloads)
                failures += not is_right
                sys.stdout.write(f"{kind.name}: {text}\n")
                sys.stdout.flush()
    return 1 if failures else 0


def report(subject: Subject, workloads: Sequence[Workload]) -> tuple[str, bool]:
    """Return what is to be said of a subject, and whether that is good; one that is not installed is no failure."""
    missing = subject.missing()
    if missing:
        return missing, True
    try:
        outcomes, start_s = check(subject, workloads)
    except SubjectError as error:
        return f"NOT STARTED: {error}", False
    by_outcome: dict[str, list[str]] = {}
    for workload, outcome in outcomes.items():
        by_outcome.setdefault(outcome, []).append(workload.value)
    text = "; ".join(f"{outcome}: {', '.join(names)}" for outcome, names in by_outcome.items())
    return f"{text} (ready after {start_s:.1f} s)", set(by_outcome) <= {"right"}


if __name__ == "__main__":
    sys.exit(main())
