"""The page of a result: nothing in it is typed by hand."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable

from clipper.bench.figures import curve_figures, latency_figure, search_figure, stage_figure
from clipper.bench.measure import Measurement
from clipper.bench.objective import Objective
from clipper.bench.page import Block, Figure, Heading, Points, Table, Text
from clipper.bench.results import Result
from clipper.bench.search import Capacity

_TITLES = {"run": "Load at one rate", "search": "Highest rate within the objective", "curve": "Goodput by load"}
_MIB = 1 << 20


def blocks_of(result: Result) -> list[Block]:
    """Return the page of a result."""
    parts: Iterable[Iterable[Block]] = (
        _head(result),
        _answer(result),
        _doubts(result),
        _plots(result),
        _runs(result),
        _stages(result),
        _cost(result),
        _origin(result),
    )
    return [block for part in parts for block in part]


def answer_lines(result: Result) -> list[str]:
    """Return what was found, in a few sentences: the head of the page, and what the command prints."""
    if result.void_reason is not None:
        return [f"VOID: {result.void_reason}. Nothing can be said of the server."]
    if result.kind == "search" and result.capacity is not None and result.objective is not None:
        return _search_lines(result.capacity, result.objective)
    if result.kind == "curve" and result.capacity_per_s is not None:
        return _curve_lines(result)
    return [line for measured in result.believed for line in _run_lines(measured, result.objective)]


def _search_lines(capacity: Capacity, objective: Objective) -> list[str]:
    if capacity.rate_per_s is None:
        return [f"{capacity.remarks[0] if capacity.remarks else 'no rate kept the objective'} ({objective})."]
    sure = "confirmed" if capacity.is_confirmed else "NOT confirmed"
    lines = [f"{number(capacity.rate_per_s)} requests/s with {objective}: {sure}."]
    if capacity.low_per_s is not None and capacity.high_per_s is not None:
        low, high = number(capacity.low_per_s), number(capacity.high_per_s)
        lines.append(f"95% interval {low} to {high} requests/s, from {len(capacity.brackets)} searches.")
    if capacity.limited_by == "client":
        lines.append(
            "A lower bound: the load generator, or other work on its machine, ended the search. --threads, or a "
            "machine of its own, may show more."
        )
    elif capacity.limited_by == "most_rate":
        lines.append("A lower bound: the rate was not to be higher (--max-rate).")
    return [*lines, *(f"{remark[0].upper()}{remark[1:]}." for remark in capacity.remarks)]


def _curve_lines(result: Result) -> list[str]:
    if not result.points:
        return ["no run of the curve can be believed."]
    best = max(result.points, key=lambda point: point.goodput_per_s)
    last = result.points[-1]
    kept = last.goodput_per_s / best.goodput_per_s if best.goodput_per_s else 0.0
    return [
        f"Most goodput: {number(best.goodput_per_s)} requests/s, at {best.share:.0%} of capacity.",
        f"At {last.share:.0%}: {number(last.goodput_per_s)} requests/s, {kept:.0%} of that.",
    ]


def _run_lines(measured: Measurement, objective: Objective | None) -> list[str]:
    run = measured.run
    shown = ", ".join(f"p{percent:g} {milliseconds(run.latency_us(percent))}" for percent in (50, 99, 99.9))
    lines = [f"{number(run.rate_per_s)} requests/s for {run.duration_s:g} s: {shown}."]
    if run.failed:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in run.failures.items())
        lines.append(f"Without a right answer: {run.failed / max(1, run.scheduled):.2%} ({kinds}).")
    if objective is not None:
        counts = measured.evidence(objective)
        verdict = "met" if objective.is_met_by(counts) else "MISSED"
        missed = counts.misses / max(1, counts.scheduled)
        goodput = number(run.goodput_per_s(objective.slo_us))
        lines.append(f"Objective {verdict} ({objective}): {missed:.2%} late or failed, goodput {goodput} requests/s.")
    return lines


def number(value: float | None, digits: int = 4) -> str:
    """Write a rate with so many significant digits, and thousands apart."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(value_us: float | None) -> str:
    """Write a latency."""
    if value_us is None or math.isnan(value_us):
        return "-"
    if math.isinf(value_us):
        return "failed"
    return f"{value_us / 1e3:.3g} ms" if value_us < 1e5 else f"{value_us / 1e3:,.0f} ms"


def terminal_tables(result: Result) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Return the tables that the command prints: (heads, rows), as `clipper.cli.output.print_table` takes them."""
    tables: list[tuple[tuple[str, ...], list[tuple[str, ...]]]] = []
    if result.points:
        table = _points_table(result)
        tables.append((tuple(head.upper() for head in table.head), list(table.rows)))
    for block in (*_stages(result), *_cost(result)):
        if isinstance(block, Table):
            rows = [tuple(cell.strip("`") for cell in row) for row in block.rows]
            tables.append((tuple(head.upper() for head in block.head), rows))
    return tables


def _head(result: Result) -> Iterable[Block]:
    yield Heading(f"{_TITLES[result.kind]}: {result.target['url']}", 1)


def _answer(result: Result) -> Iterable[Block]:
    for line in answer_lines(result):
        yield Text(line, is_warning=result.void_reason is not None)


def _doubts(result: Result) -> Iterable[Block]:
    doubts = list(result.doubts)
    for measured in result.measurements:
        where = f"{measured.label}, {number(measured.run.rate_per_s)}/s"
        if measured.void_reason is not None:
            doubts.append(f"{where}: void: {measured.void_reason}")
        doubts += [f"{where}: {doubt}" for doubt in measured.doubts]
    examples = {kind: text for measured in result.measurements for kind, text in measured.run.examples.items()}
    doubts += [f"an answer counted as {kind}: `{text[:200]}`" for kind, text in examples.items()]
    if doubts:
        yield Heading("Doubts")
        yield Points(tuple(doubts))


def _plots(result: Result) -> Iterable[Block]:
    figures: list[Figure] = []
    believed = list(result.believed)
    if result.kind == "search" and result.objective is not None and result.measurements:
        figures.append(search_figure(result.measurements, result.objective))
    if result.points and result.objective is not None:
        figures += curve_figures(result.points, result.objective)
    shown = believed if result.kind == "run" else believed[-1:] if result.kind == "search" else []
    if shown:
        figures.append(latency_figure(shown, result.objective))
    return figures


def _runs(result: Result) -> Iterable[Block]:
    if result.points:
        yield Heading("Points")
        yield Text("Medians of the runs at each rate; goodput with the least and the most of them.")
        yield _points_table(result)
    yield Heading("Runs")
    figures = (">requests/s", ">s", ">p50", ">p90", ">p99", ">p99.9", ">max", ">failed", ">late or failed")
    yield Table(
        ("run", *figures, "verdict", ">generator's lag p99", ">its cores"),
        tuple(_run_row(measured, result.objective) for measured in result.measurements),
    )


def _points_table(result: Result) -> Table:
    rows = tuple(
        (
            f"{point.share:.0%}",
            number(point.offered_per_s),
            number(point.goodput_per_s),
            f"{number(point.goodput_low_per_s)} to {number(point.goodput_high_per_s)}",
            number(point.answered_per_s),
            f"{point.failed_ratio:.2%}",
            milliseconds(math.inf if point.p50_us is None else point.p50_us),
            milliseconds(math.inf if point.p99_us is None else point.p99_us),
            str(point.runs),
        )
        for point in result.points
    )
    head = ("of capacity", ">offered/s", ">goodput/s", ">least to most", ">answered/s", ">failed", ">p50", ">p99")
    return Table((*head, ">runs"), rows)


def _run_row(measured: Measurement, objective: Objective | None) -> tuple[str, ...]:
    run = measured.run
    late, verdict = "-", "-"
    if objective is not None:
        counts = measured.evidence(objective)
        late = f"{counts.misses / max(1, counts.scheduled):.2%}"
        verdict = "met" if objective.is_met_by(counts) else "missed"
    if measured.void_reason is not None:
        verdict = "void"
    return (
        measured.label,
        number(run.rate_per_s),
        f"{run.duration_s:.3g}",
        *(milliseconds(run.latency_us(percent)) for percent in (50, 90, 99, 99.9, 100)),
        f"{run.failed:,}",
        late,
        verdict,
        milliseconds(run.lag_p99_us),
        f"{run.cpu_us / max(1, run.elapsed_us):.2f}",
    )


def chosen(result: Result) -> Measurement | None:
    """Return the run whose cost and stages are told: the last that can be believed, at the claimed rate of a search."""
    believed = result.believed
    if result.kind == "curve" and result.capacity_per_s is not None:
        at = result.capacity_per_s
        return min(believed, key=lambda measured: abs(measured.run.rate_per_s - at), default=None)
    return believed[-1] if believed else None


def _stages(result: Result) -> Iterable[Block]:
    measured = chosen(result)
    if measured is None or measured.stages is None:
        return
    stages = measured.stages
    yield Heading("Where the time went")
    yield Text(f"The server's own histograms, over the run {measured.label!r} with its warm-up.")
    rows = [(s.of, s.name, f"{s.count:,}", *_us(s.mean_us, s.p50_us, s.p99_us)) for s in stages.applications]
    rows += [(s.of, s.name, f"{s.count:,}", *_us(s.mean_us, s.p50_us, s.p99_us)) for s in stages.stages]
    yield Table(("of", "stage", ">count", ">mean us", ">p50 us", ">p99 us"), tuple(rows))
    notes = [f"mean batch of {model}: {size:.1f}" for model, size in stages.mean_batch_sizes.items()]
    if stages.cache_hit_ratio is not None:
        notes.append(f"answered from the prediction cache: {stages.cache_hit_ratio:.1%}")
    notes += [f"not answered by a model, {reason}: {count:,.0f}" for reason, count in stages.misses.items()]
    if stages.applications and measured.run.latency.total:
        client_us = measured.run.latency.mean / 1e3
        inside = sum(s.mean_us * s.count for s in stages.applications) / sum(s.count for s in stages.applications)
        notes.append(
            f"mean seen by the client: {client_us:,.0f} us, of which outside the server {client_us - inside:,.0f}"
        )
    if notes:
        yield Points(tuple(notes))
    if stages.stages:
        yield stage_figure(stages)


def _us(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:,.0f}" for value in values)


def _cost(result: Result) -> Iterable[Block]:
    measured = chosen(result)
    if measured is None or measured.cost is None:
        return
    cost = measured.cost
    yield Heading("What it cost the server")
    yield Text(
        f"{cost.cpu_s_per_million:,.1f} seconds of processor time for a million queries, "
        f"{cost.peak_rss_bytes / _MIB:,.0f} MiB at most, over the run {measured.label!r} with its warm-up "
        f"({cost.queries:,} queries)."
    )
    rows = [
        (str(one.pid), f"`{one.command}`", f"{one.cpu_s:.2f}", f"{one.cpu_s_per_million:,.1f}",
         f"{one.peak_rss_bytes / _MIB:,.0f}")
        for one in cost.processes
    ]  # fmt: skip
    yield Table(("pid", "process", ">CPU s", ">CPU s per million", ">peak MiB"), tuple(rows))
    since = "of this run" if cost.is_peak_of_run else "since each process was started, as the kernel would not forget"
    yield Text(
        f"Peaks are {since}; pages that processes share count in each. Processor time comes in ticks of 10 ms, so "
        "short runs are coarse."
    )


def _origin(result: Result) -> Iterable[Block]:
    host, target, setup = result.host, result.target, result.setup
    yield Heading("How it was measured")
    shared = "the server ran on the same cores" if host["is_servers"] else "the server ran elsewhere"
    facts = [
        f"`{shlex.join(result.command)}`",
        f"{result.finished_at} UTC, clipper {result.version}",
        f"load from {host['cores']} x {host['cpu']}, {host['memory_gb']:.0f} GB, {host['system']}, kernel "
        f"{host['kernel']}, Python {host['python']}; {shared}",
        f"to {target['url']}: {target['sends']}; {target['expects']}",
        f"arrivals: {setup['arrivals']}, inputs: {setup['keys']}, seeds from {setup['seed']}; {setup['connections']} "
        f"connections, {setup['threads']} thread(s)",
        f"{setup['duration_s']:g} s a run, {setup['warmup_s']:g} s of warm-up before each, at its rate and not counted",
        "latency from the scheduled arrival; failed requests count as infinitely late",
        f"a run is void if the generator lagged more than {setup['most_lag_us'] / 1e3:g} ms (p99)"
        + ("" if setup["watched_processes"] else "; no process of the server was watched"),
    ]
    if target.get("server"):
        facts.append(f"the server calls itself {target['server']}")
    yield Points(tuple(facts))
