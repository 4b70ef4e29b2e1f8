"""When requests arrive: processes of a given mean rate, pure functions of their seed.

| text | arrivals |
|---|---|
| `constant` | evenly spaced |
| `poisson` | independent of each other: the gaps are exponential |
| `gamma:cv=2` | gaps of a Gamma distribution with this coefficient of variation; 1 is Poisson, more is burstier |
| `onoff:on_s=1,off_s=4` | Poisson while on, nothing while off; the rate is the mean of both |
| `steps:0.5@10,1.5@5` | Poisson at multiples of the rate, each for so many seconds, again from the first at the end |
| `trace:FILE` | recorded arrivals, stretched in time to the rate, again from the first at the end |
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from clipper.bench.trace import read_trace
from clipper.errors import InvalidArgumentError

NS_PER_S = 1_000_000_000

MAX_ARRIVALS = 100_000_000
"""Of one run: eight bytes each, so 800 MB at most."""

MAX_CV = 100.0
"""Burstier than this, nearly every run of minutes would see either nothing or one burst."""

Offsets = NDArray[np.int64]
Draw = Callable[[int], NDArray[np.float64]]
"""How many -> that many random gaps of mean 1."""


class Arrivals(ABC):
    """A process of arrivals; the same arguments always give the same arrivals."""

    kind: ClassVar[str]

    def offsets_ns(self, rate_per_s: float, duration_s: float, seed: int) -> Offsets:
        """Return when requests arrive.

        Parameters
        ----------
        rate_per_s : float
            Mean rate; above 0.
        duration_s : float
            No arrival is at or after this; above 0.
        seed : int
            0 or more.

        Returns
        -------
        ndarray, shape (arrivals,), int64
            Nanoseconds from the start, sorted, 0 or more.

        Raises
        ------
        InvalidArgumentError
            If an argument is out of its range, or there would be more than `MAX_ARRIVALS`.
        """
        for name, value in (("rate_per_s", rate_per_s), ("duration_s", duration_s)):
            if not (math.isfinite(value) and value > 0):
                raise InvalidArgumentError(f"{name} is {value!r}, expected a number above 0")
        if seed < 0:
            raise InvalidArgumentError(f"seed is {seed!r}, expected an integer of 0 or more")
        if self.expected_count(rate_per_s, duration_s) > MAX_ARRIVALS:
            raise InvalidArgumentError(
                f"{rate_per_s:g} requests/s for {duration_s:g} s are more than {MAX_ARRIVALS} arrivals",
                hint="measure for a shorter time",
            )
        times_s = self.times_s(rate_per_s, duration_s, np.random.Generator(np.random.PCG64(seed)))
        offsets = np.floor(times_s * NS_PER_S).astype(np.int64)
        return offsets[offsets < math.ceil(duration_s * NS_PER_S)]

    def expected_count(self, rate_per_s: float, duration_s: float) -> float:
        """Return about how many arrivals there will be."""
        return rate_per_s * duration_s

    @abstractmethod
    def times_s(self, rate_per_s: float, duration_s: float, random: np.random.Generator) -> NDArray[np.float64]:
        """Return sorted times in seconds that cover the duration; later ones are cut off."""

    @abstractmethod
    def __str__(self) -> str:
        """Return the text that `parse_arrivals` reads."""


@dataclass(frozen=True)
class Constant(Arrivals):
    """Evenly spaced arrivals, the first at 0; the seed means nothing."""

    kind: ClassVar[str] = "constant"

    def times_s(self, rate_per_s: float, duration_s: float, random: np.random.Generator) -> NDArray[np.float64]:
        """Return multiples of the gap."""
        return np.arange(math.ceil(rate_per_s * duration_s), dtype=np.float64) / rate_per_s

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Poisson(Arrivals):
    """Arrivals that know nothing of each other."""

    kind: ClassVar[str] = "poisson"

    def times_s(self, rate_per_s: float, duration_s: float, random: np.random.Generator) -> NDArray[np.float64]:
        """Return the sums of exponential gaps."""
        return _unit_poisson(rate_per_s * duration_s, random) / rate_per_s

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Gamma(Arrivals):
    """Gaps of a Gamma distribution.

    Parameters
    ----------
    cv : float
        Coefficient of variation of the gaps, standard deviation over mean; above 0 and at most `MAX_CV`.
    """

    cv: float
    kind: ClassVar[str] = "gamma"

    def __post_init__(self) -> None:
        _require(0 < self.cv <= MAX_CV, f"cv is {self.cv!r}, expected a number above 0 and at most {MAX_CV:g}")

    def times_s(self, rate_per_s: float, duration_s: float, random: np.random.Generator) -> NDArray[np.float64]:
        """Return the sums of the gaps, of a process that has run for a while before.

        One that began with an arrival would have (cv^2 - 1) / 2 arrivals too many, as bursts begin with one.
        """
        shape = 1 / self.cv**2
        before = 20 * (1 + self.cv**2)  # mean gaps; by then the start is forgotten
        sums = _sums_beyond(before + rate_per_s * duration_s, lambda n: random.standard_gamma(shape, n) / shape)
        return (sums[sums >= before] - before) / rate_per_s

    def __str__(self) -> str:
        return f"{self.kind}:cv={self.cv:g}"


@dataclass(frozen=True)
class OnOff(Arrivals):
    """Bursts: Poisson arrivals for `on_s`, silence for `off_s`, and again; the mean over both is the rate."""

    on_s: float
    off_s: float
    kind: ClassVar[str] = "onoff"

    def __post_init__(self) -> None:
        _require(_is_positive(self.on_s), f"on_s is {self.on_s!r}, expected seconds above 0")
        _require(_is_positive(self.off_s), f"off_s is {self.off_s!r}, expected seconds above 0")

    def times_s(self, rate_per_s: float, duration_s: float, random: np.random.Generator) -> NDArray[np.float64]:
        """Return arrivals of the time that is on, put where that time lies."""
        cycle_s = self.on_s + self.off_s
        burst_rate_per_s = rate_per_s * cycle_s / self.on_s
        whole, rest_s = divmod(duration_s, cycle_s)
        on_time_s = whole * self.on_s + min(rest_s, self.on_s)
        on = _unit_poisson(burst_rate_per_s * on_time_s, random) / burst_rate_per_s
        cycles = np.floor(on / self.on_s)
        return cycles * cycle_s + np.minimum(on - cycles * self.on_s, np.nextafter(self.on_s, 0))

    def __str__(self) -> str:
        return f"{self.kind}:on_s={self.on_s:g},off_s={self.off_s:g}"


@dataclass(frozen=True)
class Steps(Arrivals):
    """Poisson arrivals whose rate goes in steps.

    Parameters
    ----------
    steps : tuple of (float, float)
        Multiple of the rate (0 or more, not all 0), and for how many seconds. The mean rate is that of the multiples.
    """

    steps: tuple[tuple[float, float], ...]
    kind: ClassVar[str] = "steps"

    def __post_init__(self) -> None:
        _require(bool(self.steps), "there are no steps, expected one or more, such as 0.5@10")
        for ratio, seconds in self.steps:
            _require(math.isfinite(ratio) and ratio >= 0, f"a step's multiple is {ratio!r}, expected 0 or more")
            _require(_is_positive(seconds), f"a step lasts {seconds!r} s, expected more than 0")
        _require(any(ratio > 0 for ratio, _ in self.steps), "all steps have the rate 0, expected one above it")

    def times_s(self, rate_per_s: float, duration_s: float, random: np.random.Generator) -> NDArray[np.float64]:
        """Return a Poisson process of rate 1, bent so that its rate is that of the steps (time rescaling)."""
        edges_s, expected = self._cumulative(rate_per_s, duration_s)
        unit = _unit_poisson(float(expected[-1]), random)
        unit = unit[unit < expected[-1]]
        # Where a step has the rate 0 the expected count stands still; an arrival belongs to the step that follows.
        step = np.searchsorted(expected, unit, side="right") - 1
        share = (unit - expected[step]) / (expected[step + 1] - expected[step])
        times: NDArray[np.float64] = edges_s[step] + share * (edges_s[step + 1] - edges_s[step])
        return times

    def expected_count(self, rate_per_s: float, duration_s: float) -> float:
        """Return the count that the steps come to."""
        return float(self._cumulative(rate_per_s, duration_s)[1][-1])

    def _cumulative(self, rate_per_s: float, duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the edges of the steps in seconds, and how many arrivals are expected up to each."""
        cycle_s = sum(seconds for _, seconds in self.steps)
        cycles = math.ceil(duration_s / cycle_s)
        _require(
            cycles * len(self.steps) <= MAX_ARRIVALS // 10,
            f"the steps last {cycle_s:g} s in all and would be repeated {cycles} times, expected longer ones",
        )
        ratios, lengths = (np.tile([step[i] for step in self.steps], cycles) for i in (0, 1))
        edges_s = np.minimum(np.concatenate([[0.0], np.cumsum(lengths)]), duration_s)
        expected = np.concatenate([[0.0], np.cumsum(np.diff(edges_s) * ratios * rate_per_s)])
        return edges_s, expected

    def __str__(self) -> str:
        return f"{self.kind}:" + ",".join(f"{ratio:g}@{seconds:g}" for ratio, seconds in self.steps)


@dataclass(frozen=True)
class Trace(Arrivals):
    """Recorded arrivals; `trace.read_trace` says what the file may be."""

    file: str
    kind: ClassVar[str] = "trace"

    @property
    def recorded_rate_per_s(self) -> float:
        """Mean rate of the recording: at this rate it is replayed as it was."""
        times_s = read_trace(self.file)
        return (len(times_s) - 1) / float(times_s[-1] - times_s[0])

    def times_s(self, rate_per_s: float, duration_s: float, random: np.random.Generator) -> NDArray[np.float64]:
        """Return the recorded times, stretched; the gap between two rounds is the mean one."""
        recorded = read_trace(self.file)
        round_s = len(recorded) / rate_per_s
        gaps = float(recorded[-1] - recorded[0]) / (len(recorded) - 1)
        one = (recorded - recorded[0]) / gaps / rate_per_s
        rounds = math.ceil(duration_s / round_s)
        times: NDArray[np.float64] = (np.arange(rounds)[:, None] * round_s + one[None, :]).ravel()
        return times

    def __str__(self) -> str:
        return f"{self.kind}:{self.file}"


def parse_arrivals(text: str) -> Arrivals:
    """Read the text form of a process; the module's docstring lists them.

    Raises
    ------
    InvalidArgumentError
        If there is no such process, or its parameters are not such.
    """
    kind, _, rest = text.strip().partition(":")
    if kind in ("constant", "poisson"):
        _require(not rest, f"arrivals {text!r}: {kind} takes no parameters, expected {kind!r} alone")
        return Constant() if kind == "constant" else Poisson()
    if kind == "gamma":
        (cv,) = _parameters(text, rest, ("cv",))
        return Gamma(cv)
    if kind == "onoff":
        on_s, off_s = _parameters(text, rest, ("on_s", "off_s"))
        return OnOff(on_s, off_s)
    if kind == "steps":
        return Steps(tuple(_step(text, step) for step in rest.split(",")))
    if kind == "trace":
        _require(bool(rest), f"arrivals {text!r}: the file is missing, expected trace:FILE")
        read_trace(rest)
        return Trace(rest)
    raise InvalidArgumentError(
        f"arrivals {text!r}: there is no process {kind!r}, expected constant, poisson, gamma, onoff, steps or trace",
        hint="for example gamma:cv=2, onoff:on_s=1,off_s=4, steps:0.5@10,1.5@5, trace:FILE",
    )


def _parameters(text: str, rest: str, names: tuple[str, ...]) -> list[float]:
    given = dict(part.partition("=")[::2] for part in rest.split(",") if part)
    form = ",".join(f"{name}=NUMBER" for name in names)
    _require(set(given) == set(names), f"arrivals {text!r}: expected {text.partition(':')[0]}:{form}")
    return [_number(text, given[name]) for name in names]


def _step(text: str, step: str) -> tuple[float, float]:
    ratio, at, seconds = step.partition("@")
    _require(bool(at), f"arrivals {text!r}: the step {step!r} is no multiple and seconds, expected such as 0.5@10")
    return _number(text, ratio), _number(text, seconds)


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidArgumentError(f"arrivals {text!r}: {value!r} is not a number") from None


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InvalidArgumentError(message)


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _unit_poisson(length: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the arrivals of a Poisson process of rate 1 up to `length` and somewhat beyond."""
    # From uniform numbers by hand: numpy promises those of a bit generator for ever, not its exponential ones (NEP 19).
    return _sums_beyond(length, lambda n: -np.log1p(-random.random(n)))


def _sums_beyond(length: float, draw: Draw) -> NDArray[np.float64]:
    """Return cumulative sums of draws of mean 1 until they pass `length`."""
    sums: NDArray[np.float64] = np.cumsum(draw(_draw_count(length)))
    while sums[-1] < length:
        more = np.cumsum(draw(_draw_count(length - sums[-1])))
        sums = np.concatenate([sums, sums[-1] + more])
    return sums


def _draw_count(length: float) -> int:
    return math.ceil(length + 4 * math.sqrt(length)) + 16
