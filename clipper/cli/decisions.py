"""``clipper decisions``: decision logs as files for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clipper.cli.evaluate import LogArgument, log_paths, showing_progress
from clipper.cli.options import RunDirOption
from clipper.cli.output import count, print_json, warn
from clipper.errors import InvalidArgumentError

app = typer.Typer(help="Convert decision logs.", no_args_is_help=True)


@app.callback()
def decisions() -> None:
    """Convert decision logs."""


@app.command("export")
def export(
    log: LogArgument,
    to: Annotated[Path, typer.Option("--to", help="The file to write; its name ends with .parquet.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.", show_default=False)] = False,
    run_dir: RunDirOption = None,
) -> None:
    """Write a decision log as Parquet: one row a decision, with its feedback beside it."""
    from clipper.evaluation.joined_log import JoinedLog
    from clipper.evaluation.parquet import pyarrow, write_parquet
    from clipper.evaluation.read_log import PARQUET, joined_decisions

    if to.suffix != PARQUET:
        raise InvalidArgumentError(f"--to={str(to)!r} does not end with {PARQUET}", hint="only Parquet is written")
    pyarrow()  # before minutes of reading
    counts = JoinedLog()
    with showing_progress() as progress:
        written = write_parquet(joined_decisions(log_paths(log, run_dir), counts, progress), to)
    if as_json:
        print_json({"file": str(to), "decisions": written, "lost": counts.lost, "damaged": counts.damaged})
        return
    if counts.damaged:
        warn(f"{count(counts.damaged, 'line')} damaged and left out: {counts.damaged_example}")
    print(f"{to}: {written:,} decisions")
