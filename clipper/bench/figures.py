"""The plots of a result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from clipper.bench.curve import Point
from clipper.bench.histogram import LogHistogram, bucket_bounds
from clipper.bench.measure import Measurement
from clipper.bench.objective import Objective
from clipper.bench.page import Figure
from clipper.bench.stages import StageReport
from clipper.bench.svg import Axis, Plot, Series

_PERCENTILES: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
_VERDICT_STYLES: Final = (("kept the objective", "c2"), ("missed it", "c1"), ("void", "muted"))


def latency_figure(measurements: Sequence[Measurement], objective: Objective | None, most_lines: int = 6) -> Figure:
    """Return latency by percentile, the axis stretched towards 100% as the tail is what matters."""
    series = tuple(
        Series(f"{measured.label} ({measured.run.rate_per_s:,.4g}/s)", percentile_points(measured), f"c{number % 6}")
        for number, measured in enumerate(measurements[:most_lines])
    )
    labels = tuple((1 / (1 - percent / 100), f"{percent:g}%") for percent in _PERCENTILES)
    plot = Plot(
        Axis("percentile of all requests", is_log=True, least=1.0, labels=labels),
        Axis("latency, ms", is_log=True),
        series,
        levels=_level(objective),
        title="Latency by percentile",
    )
    return Figure(plot, "Latency by percentile, from the scheduled arrival; a line ends where requests were lost.")


def percentile_points(measured: Measurement) -> tuple[tuple[float, float], ...]:
    """Return (1 / (1 - share), ms) of each bucket's end, thinned; requests without an answer count as still waiting."""
    histogram: LogHistogram = measured.run.latency
    total = histogram.total + measured.run.failed
    points: list[tuple[float, float]] = []
    seen, last_x = 0, 0.0
    for bucket, count in sorted(histogram.counts.items()):
        seen += count
        # The slowest of n requests stands at 1 - 1/(2n), not at 100%, which lies infinitely far away.
        x = total / (total - seen) if seen < total else 2.0 * total
        if x >= last_x * 1.02 or seen == total:
            points.append((x, bucket_bounds(bucket)[1] / 1e6))
            last_x = x
    return tuple(points)


def search_figure(measurements: Sequence[Measurement], objective: Objective) -> Figure:
    """Return every run of a search: its rate, and the latency that the objective asks about."""
    groups: dict[str, list[tuple[float, float]]] = {title: [] for title, _ in _VERDICT_STYLES}
    finite = [measured.run.latency_us(objective.percentile) / 1e3 for measured in measurements]
    top = 2 * max((value for value in finite if math.isfinite(value)), default=objective.slo_us / 1e3)
    top = max(top, objective.slo_us / 1e3 * 2)
    for measured, value in zip(measurements, finite, strict=True):
        is_met = objective.is_met_by(measured.evidence(objective))
        title = "void" if measured.void_reason else "kept the objective" if is_met else "missed it"
        groups[title].append((measured.run.rate_per_s, value if math.isfinite(value) else top))
    series = tuple(
        Series(title, tuple(groups[title]), style, has_line=False, has_dots=True)
        for title, style in _VERDICT_STYLES
        if groups[title]
    )
    plot = Plot(
        Axis("offered rate, requests/s", is_log=True),
        Axis(f"p{objective.percentile:g}, ms", is_log=True),
        series,
        levels=_level(objective),
        title="Runs of the search",
    )
    return Figure(plot, "Every run of the search; those whose percentile falls among failed requests stand at the top.")


def curve_figures(points: Sequence[Point], objective: Objective) -> list[Figure]:
    """Return goodput and latency by offered rate."""
    goodput = Plot(
        Axis("offered rate, requests/s", least=0.0),
        Axis("requests/s", least=0.0),
        (
            Series("right and in time (goodput)", tuple((p.offered_per_s, p.goodput_per_s) for p in points), "c0",
                   has_dots=True),
            Series("right, however late", tuple((p.offered_per_s, p.answered_per_s) for p in points), "c3",
                   is_dashed=True),
            Series("offered", tuple((p.offered_per_s, p.offered_per_s) for p in points), "muted", is_dashed=True),
        ),
        title="Goodput by offered rate",
    )  # fmt: skip
    latency = Plot(
        Axis("offered rate, requests/s", least=0.0),
        Axis("latency, ms", is_log=True),
        (
            Series("p50", tuple((p.offered_per_s, _ms(p.p50_us)) for p in points), "c0", has_dots=True),
            Series("p99", tuple((p.offered_per_s, _ms(p.p99_us)) for p in points), "c1", has_dots=True),
        ),
        levels=_level(objective),
        title="Latency by offered rate",
    )
    return [
        Figure(goodput, f"Goodput: right answers within {objective.slo_us / 1e3:g} ms of their scheduled arrival."),
        Figure(latency, "Latency; a line ends where the percentile falls among requests without a right answer."),
    ]


def stage_figure(stages: StageReport) -> Figure:
    """Return the mean time in each stage, by model."""
    models = list(dict.fromkeys(stretch.of for stretch in stages.stages))
    names = list(dict.fromkeys(stretch.name for stretch in stages.stages))
    series = tuple(
        Series(
            model,
            tuple((float(names.index(s.name)), s.mean_us) for s in stages.stages if s.of == model),
            f"c{number % 6}",
            has_dots=True,
        )
        for number, model in enumerate(models)
    )
    labels = tuple((float(number), name) for number, name in enumerate(names))
    x = Axis("stage", least=-0.5, most=len(names) - 0.5, labels=labels)
    plot = Plot(x, Axis("mean, us", is_log=True), series, title="Time by stage")
    return Figure(plot, "Mean time in each stage of a query's journey, as the server measured it.")


def _level(objective: Objective | None) -> tuple[tuple[float, str], ...]:
    return () if objective is None else ((objective.slo_us / 1e3, f"objective {objective.slo_us / 1e3:g} ms"),)


def _ms(value_us: float | None) -> float:
    return math.inf if value_us is None else value_us / 1e3
