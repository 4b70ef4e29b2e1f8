"""Small plots as SVG text: lines, steps and dots over linear or logarithmic axes.

Drawn here and not with matplotlib: the command ships with the product, whose users should not need 60 MB for three
plots; the same record gives the same bytes everywhere; and text stays text, in the page's own font and colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 16, 46
_MOST_TICKS: Final = 7
_LEAST_SPAN_RATIO: Final = 1e-6  # of an axis, of its values: closer than that they are one
_LEAST_LOG: Final = 1e-12  # what is less has no place on a logarithmic axis
_ROOM_RATIO: Final = 0.04  # between the points and the frame
_LINE_PX: Final = 16


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Parameters
    ----------
    points : tuple of (float, float)
        In the units of the axes; those that are not finite are left out, and end the line there.
    style : str
        A class of the page's style sheet: c0 to c5, or "muted".
    """

    title: str
    points: tuple[tuple[float, float], ...]
    style: str = "c0"
    has_line: bool = True
    has_dots: bool = False
    is_dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis: what stands beside it, and where it begins and ends (None: with the points)."""

    title: str
    is_log: bool = False
    least: float | None = None
    most: float | None = None
    labels: tuple[tuple[float, str], ...] = ()  # instead of numbers


@dataclass(frozen=True)
class Plot:
    """A plot.

    Parameters
    ----------
    levels : tuple of (float, str)
        Horizontal lines with their names, such as an objective.
    """

    x: Axis
    y: Axis
    series: tuple[Series, ...]
    levels: tuple[tuple[float, str], ...] = ()
    title: str = ""  # for who cannot see it


@dataclass
class _Scale:
    """Maps the values of an axis to pixels."""

    axis: Axis
    values: Iterable[float]
    begin_px: float
    end_px: float
    low: float = field(init=False)
    high: float = field(init=False)

    def __post_init__(self) -> None:
        usable = [value for value in self.values if self.has(value)]
        low = min(usable, default=1.0) if self.axis.least is None else self.axis.least
        high = max(usable, default=10.0) if self.axis.most is None else self.axis.most
        if self.axis.is_log:
            low, high = (low, high) if high > low else (low / 2, low * 2)
            room = (high / low) ** _ROOM_RATIO
            self.low = low / room if self.axis.least is None else low
            self.high = high * room if self.axis.most is None else high
        else:
            least_span = _LEAST_SPAN_RATIO * max(abs(low), abs(high))
            if high - low <= least_span:
                low, high = low - max(1.0, least_span), low + max(1.0, least_span)
            room = (high - low) * _ROOM_RATIO
            self.low = low - room if self.axis.least is None else low
            self.high = high + room if self.axis.most is None else high

    def px(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.axis.is_log:
            low, high, at = math.log(low), math.log(high), math.log(max(value, 1e-300))
        share = (at - low) / (high - low)
        return self.begin_px + (self.end_px - self.begin_px) * share

    def has(self, value: float) -> bool:
        return math.isfinite(value) and (value > _LEAST_LOG or not self.axis.is_log)

    def ticks(self) -> list[tuple[float, str]]:
        if self.axis.labels:
            return [(at, text) for at, text in self.axis.labels if self.low <= at <= self.high]
        found = log_ticks(self.low, self.high) if self.axis.is_log else linear_ticks(self.low, self.high)
        return [(at, short_number(at)) for at in found]


def linear_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two, at most seven or so."""
    rough = (high - low) / _MOST_TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two numbers; the powers alone, or some, where these are many."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    for factors, stride in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 4)):
        found = [f * 10.0**power for power in powers if power % stride == 0 for f in factors]
        found = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if len(found) <= _MOST_TICKS + 2:
            break
    return found


def short_number(value: float) -> str:
    """Write a tick: 0.5, 20, 1.5k, 2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def draw(plot: Plot) -> str:
    """Return a plot as one SVG element; its colours are classes of the page."""
    x = _Scale(plot.x, [px for one in plot.series for px, _ in one.points], _LEFT, WIDTH - _RIGHT)
    heights = [py for one in plot.series for _, py in one.points] + [level for level, _ in plot.levels]
    y = _Scale(plot.y, heights, HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title)}" '
        'xmlns="http://www.w3.org/2000/svg">',
        *_axes(plot, x, y),
        *_levels(plot, y),
        *(part for one in plot.series for part in _series(one, x, y)),
        *_legend(plot.series),
        "</svg>",
    ]
    return "\n".join(parts)


def _axes(plot: Plot, x: _Scale, y: _Scale) -> Iterable[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    for value, text in y.ticks():
        at = y.px(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{at + 4:.1f}">{escape(text)}</text>'
    for value, text in x.ticks():
        at = x.px(value)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}"/>'
        yield f'<text class="tick" text-anchor="middle" x="{at:.1f}" y="{bottom + 16}">{escape(text)}</text>'
    yield f'<path class="frame" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>'
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
    yield f'<text text-anchor="middle" x="{middle_x:.0f}" y="{HEIGHT - 8}">{escape(plot.x.title)}</text>'
    yield (
        f'<text text-anchor="middle" transform="translate(16 {middle_y:.0f}) rotate(-90)">{escape(plot.y.title)}</text>'
    )


def _levels(plot: Plot, y: _Scale) -> Iterable[str]:
    for value, text in plot.levels:
        if y.has(value) and y.low <= value <= y.high:
            at = y.px(value)
            yield f'<line class="level" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            yield f'<text class="tick" text-anchor="end" x="{WIDTH - _RIGHT}" y="{at - 4:.1f}">{escape(text)}</text>'


def _series(one: Series, x: _Scale, y: _Scale) -> Iterable[str]:
    if one.has_line:
        commands, is_begun = [], False
        for at_x, at_y in one.points:
            if x.has(at_x) and y.has(at_y):
                commands.append(f"{'L' if is_begun else 'M'}{x.px(at_x):.1f} {y.px(at_y):.1f}")
                is_begun = True
            else:
                is_begun = False
        dashes = ' stroke-dasharray="5 4"' if one.is_dashed else ""
        yield f'<path class="line {one.style}"{dashes} d="{"".join(commands)}"/>'
    if one.has_dots:
        for at_x, at_y in one.points:
            if x.has(at_x) and y.has(at_y):
                shown = f"{one.title}: {short_number(at_x)}, {short_number(at_y)}"
                yield (
                    f'<circle class="dot {one.style}" r="3.5" cx="{x.px(at_x):.1f}" cy="{y.px(at_y):.1f}">'
                    f"<title>{escape(shown)}</title></circle>"
                )


def _legend(series: Sequence[Series]) -> Iterable[str]:
    named = [one for one in series if one.title]
    if len(named) < 2:
        return
    for number, one in enumerate(named):
        at = _TOP + 12 + number * _LINE_PX
        yield f'<rect class="fill {one.style}" x="{_LEFT + 10}" y="{at - 8}" width="12" height="8"/>'
        yield f'<text class="tick" x="{_LEFT + 27}" y="{at}">{escape(one.title)}</text>'
