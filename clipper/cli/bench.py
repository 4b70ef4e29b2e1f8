"""``clipper bench``: what a server can do within a latency objective, measured so that it may be believed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from clipper.cli.bench_checkout import PASS_ON, compare, install, paper
from clipper.cli.bench_options import LoadOptions, TargetArgument, with_load_options
from clipper.cli.bench_progress import BenchProgress
from clipper.cli.bench_setup import Plan, plan_of
from clipper.cli.exit_codes import ExitCode
from clipper.cli.output import print_json, say, warn
from clipper.cli.ratios import parse_ratio
from clipper.errors import InvalidArgumentError

if TYPE_CHECKING:
    from clipper.bench.measure import Bench
    from clipper.bench.results import Result
    from clipper.bench.search import SearchOptions

_SUFFIXES: Final = (".json", ".md", ".html")


class BenchGroup(TyperGroup):
    """A target without a command is searched: ``clipper bench digits``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``search`` in front of what is no command."""
        if not ctx.resilient_parsing and args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["search", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=BenchGroup,
    no_args_is_help=True,
    help="Measure any server under open-loop load; `clipper bench TARGET` searches its highest rate.",
)

RepeatsOption = Annotated[int, typer.Option("--repeats", metavar="N", help="Searches; their spread is the interval.")]
ResolutionOption = Annotated[
    str, typer.Option("--resolution", metavar="RATIO", help="How closely a search encloses the rate.")
]
MinQueriesOption = Annotated[
    int,
    typer.Option(
        "--min-queries",
        min=1,
        metavar="N",
        help="A run lasts longer, a minute at most, where its rate is too low for so many.",
    ),
]
StartRateOption = Annotated[
    float, typer.Option("--start-rate", metavar="RATE", help="Where the search begins, requests a second.")
]
MaxRateOption = Annotated[
    float | None, typer.Option("--max-rate", metavar="RATE", help="Not beyond it. Default: until the server misses.")
]


@app.command("run")
@with_load_options
def run(
    target: TargetArgument,
    options: LoadOptions,
    rate: Annotated[float, typer.Option("--rate", "-r", metavar="RATE", help="Requests a second, on average.")],
    repeats: Annotated[int, typer.Option("--repeats", metavar="N", help="Runs, each with arrivals of its own.")] = 1,
) -> None:
    """Send load at one rate, and tell latencies, failures, stages and cost.

    With --slo the exit code is 8 if the objective is missed.
    """
    if not rate > 0:
        raise InvalidArgumentError(f"--rate={rate:g} is not possible: expected requests a second, more than 0")
    if repeats < 1:
        raise InvalidArgumentError(f"--repeats={repeats} is not possible: expected 1 or more")
    plan = plan_of(target, options, is_slo_needed=False)
    a_run_s = plan.setup.warmup_s + plan.setup.duration_at(rate)
    with _measuring(plan) as (bench, progress):
        made = []
        for number in range(repeats):
            progress.say(f"{rate:,.4g} requests/s", a_run_s * (repeats - number))
            made.append(bench.measure(rate, f"run {number + 1}" if repeats > 1 else "run", number))
    is_believed = any(one.void_reason is None for one in made)
    void = None if is_believed else made[0].void_reason
    _finish(_result(plan, "run", made, void_reason=void), options)


@app.command("search")
@with_load_options
def search(
    target: TargetArgument,
    options: LoadOptions,
    repeats: RepeatsOption = 3,
    resolution: ResolutionOption = "5%",
    start_rate: StartRateOption = 100.0,
    max_rate: MaxRateOption = None,
    min_queries: MinQueriesOption = 500,
) -> None:
    """Find the highest rate that keeps a latency objective, with a confidence interval.

    Bisection, repeated; the rate that is told was then confirmed by longer runs, as MLPerf's Server scenario asks. The
    exit code is 8 if no rate keeps the objective.
    """
    from clipper.bench.capacity import find_capacity

    how = _search_options(repeats, resolution, start_rate, max_rate)
    plan = plan_of(target, options, is_slo_needed=True, least_queries=min_queries)
    if plan.objective is None:
        raise InvalidArgumentError("a search needs an objective", hint="--slo 20ms")
    with _measuring(plan) as (bench, progress):
        found = find_capacity(bench, plan.objective, how, progress.say)
    rate = None if found.capacity is None else found.capacity.rate_per_s
    about = {"capacity": found.capacity, "capacity_per_s": rate, "void_reason": found.void_reason}
    _finish(_result(plan, "search", found.measurements, **about), options)


@app.command("curve")
@with_load_options
def curve(
    target: TargetArgument,
    options: LoadOptions,
    capacity: Annotated[
        float | None,
        typer.Option("--capacity", metavar="RATE", help="What is 100%. Default: searched for first, once."),
    ] = None,
    first: Annotated[str, typer.Option("--from", metavar="RATIO", help="Of the capacity.")] = "10%",
    last: Annotated[str, typer.Option("--to", metavar="RATIO", help="Of the capacity.")] = "200%",
    points: Annotated[int, typer.Option("--points", metavar="N", help="Rates from the one to the other.")] = 20,
    repeats: Annotated[
        int, typer.Option("--repeats", metavar="N", help="Runs at each; every other time downwards.")
    ] = 2,
    start_rate: StartRateOption = 100.0,
    max_rate: MaxRateOption = None,
    min_queries: MinQueriesOption = 500,
) -> None:
    """Measure goodput and latency from a part of the capacity to beyond it."""
    from clipper.bench.capacity import find_capacity
    from clipper.bench.curve import measure_curve, points_of, shares_between

    shares = shares_between(parse_ratio(first, "--from"), parse_ratio(last, "--to"), points)
    if repeats < 1 or (capacity is not None and not capacity > 0):
        raise InvalidArgumentError("--repeats must be 1 or more, and --capacity more than 0")
    how = _search_options(1, "5%", start_rate, max_rate)
    plan = plan_of(target, options, is_slo_needed=True, least_queries=min_queries)
    if plan.objective is None:
        raise InvalidArgumentError("a curve needs an objective", hint="--slo 20ms")
    searched: Sequence[Any] = ()
    found = None
    with _measuring(plan) as (bench, progress):
        if capacity is None:
            found = find_capacity(bench, plan.objective, how, progress.say)
            searched = found.measurements
            capacity = None if found.capacity is None else found.capacity.rate_per_s
            if capacity is None:
                void = found.void_reason
                _finish(_result(plan, "search", searched, capacity=found.capacity, void_reason=void), options)
        made = measure_curve(bench, capacity or 0.0, shares, repeats, progress.say, first_number=len(searched))
    drawn = points_of(made, capacity or 0.0, plan.objective)
    void = None if drawn else next((one.void_reason for one in made if one.void_reason), None)
    about = {
        "capacity": None if found is None else found.capacity,
        "capacity_per_s": capacity,
        "points": drawn,
        "void_reason": void,
    }
    _finish(_result(plan, "curve", [*searched, *made], **about), options)


@app.command("report")
def report(
    file: Annotated[Path, typer.Argument(help="A record, NAME.json, that --output wrote.", metavar="FILE")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="NAME", help="Write NAME.md and NAME.html. Default: print Markdown."),
    ] = None,
) -> None:
    """Render a record again: to Markdown, and to HTML with plots."""
    from clipper.bench.page import markdown
    from clipper.bench.report import blocks_of
    from clipper.bench.results import read_result

    result = read_result(file)
    if output is None:
        print(markdown(blocks_of(result)), end="")
        return
    _write_pages(result, _base_of(output))


for command in (install, compare, paper):
    app.command(command.__name__, context_settings=PASS_ON)(command)


def _search_options(repeats: int, resolution: str, start_rate: float, max_rate: float | None) -> SearchOptions:
    from clipper.bench.search import SearchOptions

    return SearchOptions(
        first_rate_per_s=start_rate,
        most_rate_per_s=float("inf") if max_rate is None else max_rate,
        repeats=repeats,
        resolution_ratio=1 + parse_ratio(resolution, "--resolution"),
    )


@contextlib.contextmanager
def _measuring(plan: Plan) -> Iterator[tuple[Bench, BenchProgress]]:
    """Give what measures, and its progress bar."""
    from clipper.bench.measure import Bench

    progress = BenchProgress()
    try:
        yield Bench(plan.setup, progress.tick), progress
    finally:
        progress.end()


def _result(plan: Plan, kind: str, measurements: Sequence[Any], **found: Any) -> Result:
    from clipper.bench.machine import describe_host, doubts_about_host
    from clipper.bench.results import Result
    from clipper.version import VERSION

    return Result(
        kind=kind,
        version=VERSION,
        command=("clipper", *sys.argv[1:]),
        finished_at=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        host={**describe_host(), "is_servers": plan.setup.is_local},
        target=dict(plan.about),
        setup=plan.setup.to_json(),
        objective=plan.objective,
        measurements=tuple(measurements),
        doubts=(*plan.doubts, *doubts_about_host(is_loopback=plan.setup.is_local)),
        **found,
    )


def _finish(result: Result, options: LoadOptions) -> None:
    """Write, print, and end with the code that tells what was found."""
    from clipper.bench.results import write_result

    if options.output is not None:
        base = _base_of(options.output)
        write_result(result, base.with_name(f"{base.name}.json"))
        _write_pages(result, base)
    if options.as_json:
        record = result.to_json()
        del record["measurements"]  # histograms of every run: --output keeps them
        print_json(record)
    else:
        _print(result)
    if result.void_reason is not None:
        raise typer.Exit(ExitCode.VOID)
    if result.is_met is False:
        raise typer.Exit(ExitCode.MISSED)


def _print(result: Result) -> None:
    from clipper.bench.report import answer_lines, chosen, terminal_tables
    from clipper.cli.output import print_table

    for line in answer_lines(result):
        print(line)
    for head, rows in terminal_tables(result):
        print()
        print_table(head, rows, "")
    sys.stdout.flush()
    shown = chosen(result)
    doubts = [*result.doubts, *(() if shown is None else shown.doubts)]
    if result.void_reason is None:
        void = sum(one.void_reason is not None for one in result.measurements)
        if void:
            doubts.append(f"{void} of {len(result.measurements)} runs were void, and nothing was concluded from them")
    for doubt in doubts:
        warn(doubt)
    for measured in result.measurements[-1:]:
        for kind, text in measured.run.examples.items():
            say(f"an answer counted as {kind}: {text[:200]}")


def _base_of(output: Path) -> Path:
    return output.with_suffix("") if output.suffix in _SUFFIXES else output


def _write_pages(result: Result, base: Path) -> None:
    from clipper.bench.page import html, markdown
    from clipper.bench.report import blocks_of

    blocks = blocks_of(result)
    base.parent.mkdir(parents=True, exist_ok=True)
    base.with_name(f"{base.name}.md").write_text(markdown(blocks), encoding="utf-8")
    base.with_name(f"{base.name}.html").write_text(html(blocks), encoding="utf-8")
    say(f"written: {base}.md and {base}.html (with plots)")
