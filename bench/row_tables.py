"""The tables of a report that set subjects beside each other: all rows at a glance, then each row by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isinf, isnan

from bench.bars import OURS
from bench.lead import Standing, metric_of, standings
from bench.results import Cell, Run, SubjectInfo, median_of
from bench.rows import ROWS, Row
from bench.subjects.subject import Role

DISTURBED_MARK = "*"
Figure = tuple[str, Callable[[Cell], float], int]
FIGURES: tuple[Figure, ...] = (
    ("requests/s", lambda cell: cell.requests_per_s, 0),
    ("p50 ms", lambda cell: cell.p50_us / 1e3, 2),
    ("p99 ms", lambda cell: cell.p99_us / 1e3, 2),
    ("server CPU us/query", lambda cell: cell.server_cpu_us_per_query, 1),
    ("load generator, cores", lambda cell: cell.load_cores, 2),
)


def number(value: float | None, digits: int = 0) -> str:
    """Write a figure with thousands separated; a dash for none."""
    if value is None or isnan(value):
        return "-"
    return "no bound" if isinf(value) else f"{value:,.{digits}f}"


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others stand to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


def overview(run: Run) -> str:
    """Return Clipper, the best peer of each kind and nginx, by row."""
    lines = []
    for row in ROWS:
        cells = [_headline(run, row, OURS)]
        cells += [_best(run, row, Role.BATCHING), _best(run, row, Role.INLINE), _headline(run, row, "nginx")]
        if any(cell != "-" for cell in cells):
            lines.append([f"{row.title}{'' if row.connections != 1 else ': p50 us'}", *cells])
    return markdown_table(["requests/s", OURS, "best batching peer", "best inline server", "nginx"], lines)


def _headline(run: Run, row: Row, name: str) -> str:
    figure = metric_of(row).of(run, row.name, name)
    is_disturbed = any(cell.is_disturbed for cell in run.of(row.name, name))
    return number(figure) + (DISTURBED_MARK if is_disturbed else "")


def _best(run: Run, row: Row, role: Role) -> str:
    metric = metric_of(row)
    names = [subject.name for subject in run.subjects if subject.role == role]
    figures = {name: figure for name in names if (figure := metric.of(run, row.name, name)) is not None}
    if not figures:
        return "-"
    best = metric.best(figures.values())
    name = next(name for name, figure in figures.items() if figure == best)
    return f"{_headline(run, row, name)} ({name})"


def every_row(run: Run) -> str:
    """Return one table for each row that was measured, with who has no figure in it and why."""
    parts = [f"### {row.title}\n\n{table}" for row in ROWS if (table := _row_table(run, row))]
    head = f"## Each row: medians of {run.options.get('rounds', '?')} rounds"
    return "\n\n".join([head, *parts]) if parts else ""


def _row_table(run: Run, row: Row) -> str:
    lines, absent = [], []
    for subject in run.subjects:
        if row.is_open_loop:
            rates = run.best_rates(row.name, subject.name)
            is_there = any(cell.row == row.name and cell.subject == subject.name for cell in run.rates)
            figures = [number(median_of(rates)) if rates else "not shown"]
        else:
            is_there = bool(run.of(row.name, subject.name))
            figures = [_median(run, row, subject.name, *figure[1:]) for figure in FIGURES]
        if is_there:
            lines.append([subject.name, *figures])
        elif reason := _why_absent(row, subject):
            absent.append(f"{subject.name}: {reason}")
    if not lines:
        return ""
    heads = ["highest rate, requests/s"] if row.is_open_loop else [figure[0] for figure in FIGURES]
    note = f"\n\nWithout a figure: {'; '.join(absent)}." if absent else ""
    return markdown_table(["", *heads], lines) + note


def _why_absent(row: Row, subject: SubjectInfo) -> str:
    if subject.missing:
        return "not there, see Subjects"
    reasons = {subject.cannot[w] for w in row.workloads if w in subject.cannot}
    return ", ".join(sorted(reasons))


def _median(run: Run, row: Row, name: str, figure: Callable[[Cell], float], digits: int) -> str:
    cells = run.of(row.name, name)
    mark = DISTURBED_MARK if any(cell.is_disturbed for cell in cells) else ""
    return number(median_of(figure(cell) for cell in cells), digits) + mark


def lead(run: Run) -> str:
    """Return where Clipper leads every peer of the run, and where it does not and why."""
    found = standings(run)
    if not found:
        return ""
    lines = [_lead_line(one) for one in found]
    led = sum(not one.ahead for one in found)
    text = f"Clipper leads every peer on {led} of {len(found)} rows."
    table = markdown_table(["", OURS, "best peer", "how many times better", "peers ahead"], lines)
    behind = [f"* {one.row.title}: {', '.join(one.ahead)} ahead; {one.reason}." for one in found if one.ahead]
    parts = ["## Where Clipper leads, and where not", text, table, "\n".join(behind)]
    return "\n\n".join(part for part in parts if part)


def _lead_line(one: Standing) -> list[str]:
    name, figure = one.best
    unit = one.metric.unit
    ahead = ", ".join(one.ahead) or "none"
    advantage = f"{number(one.advantage, 2)}x"
    return [one.row.title, f"{number(one.ours)} {unit}", f"{number(figure)} ({name})", advantage, ahead]
