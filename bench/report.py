"""Renders the JSON of a run as Markdown: `python -m bench.report bench/results/RUN.json`. Nothing is typed by hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.bars import OURS, Outcome, judge_all
from bench.document import DOCUMENTS, write_into
from bench.prometheus import StageSummary
from bench.results import Run, load
from bench.row_tables import DISTURBED_MARK, every_row, lead, markdown_table, number, overview
from bench.rows import ROWS

DOCUMENT = DOCUMENTS / "benchmarks.md"
README = DOCUMENTS.parent / "README.md"
MARK = "bench/report.py"


def render(run: Run) -> str:
    """Return the page of a run."""
    sections = [_head(run), *_comparison(run), _open_loop(run), _server_side(run), _subjects(run), _doubts(run)]
    return "\n\n".join(section for section in sections if section) + "\n"


def render_for_document(run: Run) -> str:
    """Return what docs/benchmarks.md holds of a run: the page without its head, the searches and the server's view."""
    sections = [_facts(run), *_comparison(run), _subjects(run), _doubts(run)]
    return "\n\n".join(section for section in sections if section) + "\n"


def render_summary(run: Run) -> str:
    """Return what README.md holds of a run: throughput by row, the bars, and what it was measured on."""
    machine = run.machine
    day = machine.started_at.split(" ")[0]
    note = (
        f"Requests per second, medians of {run.options.get('rounds', '?')} interleaved rounds, {day}, commit "
        f"`{machine.commit[:12]}`; {machine.cores} x {machine.cpu}, kernel {machine.kernel}; load generator, server "
        "and model on the same cores. nginx answers a constant: it is the floor, not a peer."
    )
    judged = [judgement for judgement in judge_all(run) if judgement.ratio is not None]
    bars = [
        [j.bar.title, f"{number(j.ratio, 2)}x", f"{'<=' if j.bar.is_ceiling else '>='} {j.bar.limit}x", j.outcome.value]
        for j in judged
    ]
    tables = [overview(run)]
    if bars:
        tables.append(markdown_table(["Clipper beside", "ratio", "wanted", "outcome"], bars))
    return "\n\n".join([note, *tables]) + "\n"


def _comparison(run: Run) -> list[str]:
    return [f"## At a glance\n\n{overview(run)}", lead(run), _bars(run), every_row(run)]


def _head(run: Run) -> str:
    return f"# Clipper beside its peers\n\n{_facts(run)}"


def _facts(run: Run) -> str:
    machine = run.machine
    changes = " with local changes" if machine.has_local_changes else ""
    facts = [
        f"{machine.started_at} UTC, commit `{machine.commit[:12]}`{changes}.",
        f"{machine.cores} x {machine.cpu}, {machine.memory_gb:.0f} GB, {machine.system}, kernel {machine.kernel}, "
        f"Python {machine.python}, {machine.compiler}, {machine.wrk.split(' Copyright')[0]}.",
        "Load generator, server and model share these cores; only ratios inside one run compare.",
        "Options: " + ", ".join(f"{name} {value}" for name, value in run.options.items()) + ".",
    ]
    if machine.tracks_connections is not None:
        facts.append(
            f"Connections over loopback are {'' if machine.tracks_connections else 'not '}tracked by the kernel."
        )
    if machine.variables:
        facts.append("Environment: " + ", ".join(f"`{k}={v}`" for k, v in machine.variables.items()) + ".")
    return "\n".join(facts)


def _bars(run: Run) -> str:
    lines = []
    for judgement in judge_all(run):
        bar, sign = judgement.bar, "<=" if judgement.bar.is_ceiling else ">="
        peer = f"{number(judgement.theirs, 1)} ({judgement.peer})" if judgement.peer else "-"
        outcome = judgement.outcome.value
        if judgement.outcome is not Outcome.NOT_JUDGED:
            outcome = f"**{outcome}**"
        if judgement.reason:
            outcome += f" ({judgement.reason})"
        ratio = f"{number(judgement.ratio, 2)}x" if judgement.ratio is not None else "-"
        wanted = f"{sign} {bar.limit}x"
        lines.append([bar.title, bar.metric.unit, number(judgement.ours, 1), peer, ratio, wanted, outcome])
    head = ["bar", "figure", OURS, "best peer", "ratio", "wanted", "outcome"]
    return "## Bars\n\n" + markdown_table(head, lines)


def _open_loop(run: Run) -> str:
    if not run.rates:
        return ""
    lines = []
    for cell in run.rates:
        for probe in cell.probes:
            lines.append(
                [
                    f"{cell.subject}, round {cell.round}",
                    number(probe.rate_per_s),
                    f"{probe.verdict}{': ' + probe.note if probe.note else ''}",
                    number(probe.p50_us / 1e3, 2),
                    number(probe.p99_us / 1e3, 2),
                    number(probe.failed),
                    number(probe.lag_p99_us / 1e3, 2),
                    number(probe.load_cores, 2),
                ]
            )
    limited = sorted({cell.subject for cell in run.rates if cell.is_limited_by_client})
    note = f"\n\nThe client, not the server, ended the search of: {', '.join(limited)}." if limited else ""
    head = ["search", "rate/s", "verdict", "p50 ms", "p99 ms", "failed", "client lag p99 ms", "client cores"]
    return "## Open loop, every run\n\n" + markdown_table(head, lines) + note


def _server_side(run: Run) -> str:
    """The server's own view: stage histograms and counters of the last round, by row."""
    parts = []
    for row in ROWS:
        cells = [cell for cell in run.of(row.name, OURS) if cell.stages or cell.counters]
        if not cells:
            continue
        cell = cells[-1]
        part = f"### {row.title}, round {cell.round}: {cell.requests:,} requests"
        if cell.stages:
            lines = [_stage_line(stage) for stage in cell.stages]
            part += "\n\n" + markdown_table(["histogram", "count", "mean", "p50", "p99"], lines)
        if cell.counters:
            lines = [[f"`{name}`", number(value)] for name, value in sorted(cell.counters.items())]
            part += "\n\n" + markdown_table(["counter", "grew by"], lines)
        parts.append(part)
    return "## What Clipper says of the same cells\n\n" + "\n\n".join(parts) if parts else ""


def _stage_line(stage: StageSummary) -> list[str]:
    figures = [scaled(stage.name, value) for value in (stage.mean, stage.p50, stage.p99)]
    return [f"`{stage.name}`", number(stage.count), *figures]


def scaled(name: str, value: float) -> str:
    """Write seconds as microseconds, anything else as it is."""
    return f"{number(value * 1e6)} us" if "_seconds" in name else number(value, 1)


def _subjects(run: Run) -> str:
    lines = [
        [subject.name, subject.role, subject.version or "-", subject.missing or subject.settings]
        for subject in run.subjects
    ]
    table = markdown_table(["subject", "as", "version", "settings, or why it is missing"], lines)
    return "## Subjects\n\n" + table.replace("---:", "---")


def _doubts(run: Run) -> str:
    """Whatever takes from the trust in the run."""
    doubts = [f"* {failure}" for failure in run.failures]
    for cell in run.cells:
        where = f"{cell.subject}, {cell.row}, round {cell.round}"
        if cell.is_disturbed:
            doubts.append(f"* {where}: disturbed ({DISTURBED_MARK}), others used {cell.other_cores:.2f} cores")
        if cell.errors or cell.misses or cell.probe_defaults:
            doubts.append(
                f"* {where}: of {cell.requests:,} requests {cell.errors:,} failed and {cell.misses:,} got a default or "
                f"error answer; of {cell.probes} probes beside them {cell.probe_defaults} got a default answer"
            )
        doubts += [f"* {where}: wrong answer: {wrong}" for wrong in cell.wrong]
    return "## Doubts\n\n" + "\n".join(doubts) if doubts else ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("file", type=Path, help="JSON of a run")
    parser.add_argument("--output", type=Path, help="where to write; default: standard output")
    parser.add_argument("--document", action="store_true", help="write the tables of docs/benchmarks.md and README.md")
    options = parser.parse_args(arguments)
    run = load(options.file)
    if options.document:
        write_into(DOCUMENT, MARK, render_for_document(run))
        write_into(README, MARK, render_summary(run))
        return 0
    page = render(run)
    if options.output:
        options.output.write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
