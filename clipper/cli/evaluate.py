"""``clipper evaluate``: what a selection policy would have earned on logged traffic."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clipper.cli.durations import format_age
from clipper.cli.instance import resolve_run_dir, running_config
from clipper.cli.moments import parse_moment_us
from clipper.cli.options import JsonOption, RunDirOption
from clipper.cli.output import console, print_json, print_table, say, warn
from clipper.errors import InvalidArgumentError

if TYPE_CHECKING:
    from clipper.evaluation import Evaluation
    from clipper.evaluation.estimates import Estimate
    from clipper.evaluation.log_files import Progress

_PROGRESS_INTERVAL_S: Final = 5.0
_TITLES: Final = {"ips": "ips", "snips": "snips", "doubly_robust": "doubly robust"}

LogArgument = Annotated[
    list[str],
    typer.Argument(
        help="A decision log: its file (.jsonl with the rotated ones beside it, or .parquet; several are one log), or "
        "the name of an application of this machine's Clipper.",
        metavar="LOG",
    ),
]


def evaluate(
    log: LogArgument,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            help="The candidate: a policy's name, package.module:Class, or JSON with name and parameters.",
            metavar="POLICY",
        ),
    ],
    parameters: Annotated[
        str | None,
        typer.Option("--parameters", help='Its parameters as JSON: {"discount": 0.99}.', metavar="JSON"),
    ] = None,
    application: Annotated[
        str | None,
        typer.Option("--application", help="Which one, where the log holds several.", metavar="APP"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Only decisions from then on: 2026-11-15, 2026-11-15T12:00, 7d.", metavar="WHEN"),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Only decisions before then, likewise.", metavar="WHEN")
    ] = None,
    per_context: Annotated[
        bool, typer.Option("--per-context", help="The candidate learns for each context apart.", show_default=False)
    ] = False,
    loss: Annotated[
        str | None,
        typer.Option(
            "--loss",
            help="How labels judge outputs: zero_one, squared, log or package.module:function. Default: as the log "
            "says, else zero_one.",
            metavar="LOSS",
        ),
    ] = None,
    loss_bound: Annotated[
        float | None,
        typer.Option("--loss-bound", help="Losses are divided by it and clipped to 0..1.", metavar="NUMBER"),
    ] = None,
    label_field: Annotated[
        str, typer.Option("--label-field", help="Of an output that is an object: what is compared.", metavar="KEY")
    ] = "label",
    confidence: Annotated[float, typer.Option("--confidence", help="Of the intervals.", metavar="RATIO")] = 0.95,
    as_json: JsonOption = False,
    run_dir: RunDirOption = None,
) -> None:
    """Estimate what a policy would have earned on logged traffic."""
    from clipper.evaluation import Question

    now_us = time.time_ns() // 1000
    question = Question(
        logs=log_paths(log, run_dir),
        policy=policy_document(policy, parameters),
        application=application,
        since_us=None if since is None else parse_moment_us(since, "--since", now_us),
        until_us=None if until is None else parse_moment_us(until, "--until", now_us),
        per_context=per_context,
        loss=loss,
        loss_bound=loss_bound,
        label_field=label_field,
        confidence=confidence,
    )
    with showing_progress() as progress:
        answer = question.answer(progress)
    if as_json:
        print_json(answer.to_json())
    else:
        _print(answer)


def policy_document(policy: str, parameters: str | None) -> dict[str, Any]:
    """Return the policy of ``--policy`` and ``--parameters`` as an application has it.

    Raises
    ------
    InvalidArgumentError
        One of them is no JSON object.
    """
    document = _object(policy, "--policy") if policy.lstrip().startswith("{") else {"name": policy}
    return document | ({} if parameters is None else _object(parameters, "--parameters"))


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{option}={text!r} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"{option}={text!r} is no JSON object", hint="for example '{\"discount\": 0.99}'")
    return value


def log_paths(logs: Sequence[str], run_dir: Path | None) -> list[Path]:
    """Return the files of logs; a bare name that is no file here means the log of an application of that name."""
    paths = []
    for log in logs:
        path = Path(log)
        if not path.exists() and path.name == log and not path.suffix:
            directory = resolve_run_dir(run_dir)
            config = running_config(directory)
            path = (directory / "logs" if config is None else config.log_dir) / "decisions" / f"{log}.jsonl"
        paths.append(path)
    return paths


@contextlib.contextmanager
def showing_progress() -> Iterator[Progress]:
    """Give what shows progress on stderr: a bar on a terminal, elsewhere a line now and then."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(text: str, done: int, total: int) -> None:
            if text not in tasks:
                tasks[text] = bar.add_task(text, total=max(1, total))
            bar.update(tasks[text], completed=done, total=max(1, total))

        yield show


def _lines() -> Progress:
    next_s = time.monotonic() + _PROGRESS_INTERVAL_S

    def show(text: str, done: int, total: int) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s and total:
            say(f"{text}: {100 * done // total}%")
            next_s = time.monotonic() + _PROGRESS_INTERVAL_S

    return show


def _print(answer: Evaluation) -> None:
    log = answer.log
    span_s = (log["last_at_us"] - log["first_at_us"]) / 1e6
    begin = datetime.fromtimestamp(log["first_at_us"] // 1_000_000, UTC)
    ran = ", ".join(name for name in log["policies"] if name) or "?"
    decisions = f"{log['decisions']:,} decisions of {ran}"
    print(f"{log['application']}: {decisions}, in {format_age(span_s)} from {begin:%Y-%m-%dT%H:%M:%SZ}")
    print(f"{answer.queries:,} with feedback ({answer.queries / max(1, log['decisions']):.1%})\n")
    rows = [] if answer.earned is None else [("what ran", *_cells(answer.earned), "")]
    for name, estimate in answer.estimates.items():
        rows.append((_TITLES[name], *_cells(estimate), _difference(answer.differences[name])))
    print_table(("ESTIMATE", ">REWARD", f"{answer.confidence:.0%} INTERVAL", "AGAINST WHAT RAN"), rows, "")
    weights = f"largest weight {answer.largest_weight:.3g}, mean weight {answer.mean_weight:.3f}"
    print(f"\neffective sample size {answer.effective_sample_size:,.0f} of {answer.queries:,}; {weights}")
    if any(answer.shares.values()):
        shares = ", ".join(f"{arm} {share:.1%}" for arm, share in answer.shares.items())
        print(f"{answer.policy['name']} would have asked: {shares}")
    sys.stdout.flush()
    for remark in answer.remarks:
        warn(remark)


def _cells(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.reward:.4f}", f"{_number(estimate.low)} to {_number(estimate.high)}"


def _difference(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.reward:+.4f} ({_number(estimate.low, '+')} to {_number(estimate.high, '+')})"


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.4f}" if math.isfinite(value) else "?"
