"""Whether every process of a server made progress throughout a run: a figure of half a server is none of the server.

The processor time of each process is the counter that is watched. A run is void if a process ended, was stopped, or
took next to no processor time for a while in which requests came and the other processes went on. If all of them rest
at once, the server as a whole was slow: that is what latencies are there to show, and the run stands.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from clipper.bench.procfs import command_line, family, read_process, read_processes, run_time_ns

SAMPLE_INTERVAL_S: Final = 0.2
STALL_S: Final = 1.0
"""A process that rests for so long, while it had work, has stalled; garbage collectors are done sooner."""
RESTING_RATIO: Final = 0.05
"""Of its usual processor time: heartbeats and timers of a stalled process go on."""
LEAST_CORES: Final = 0.002
"""A process that usually takes less is too idle to tell a stall from rest."""
LEAST_ARRIVALS: Final = 10
_STOPPED_STATES: Final = frozenset("Tt")
_GONE_STATES: Final = frozenset("ZX")

Key = tuple[int, int]
"""(pid, start in ticks): a pid that is used again is another process."""


@dataclass(frozen=True)
class Sight:
    """A process at one moment."""

    run_ns: int
    state: str


@dataclass(frozen=True)
class Sample:
    """All watched processes at one moment; seconds since the first arrival was due."""

    at_s: float
    processes: Mapping[Key, Sight]


@dataclass(frozen=True)
class Finding:
    """What was seen of a process that should not be; ``is_void`` says whether the run tells nothing of the server."""

    text: str
    is_void: bool


def processes_under(roots: Collection[int]) -> list[Key]:
    """Return whatever descends from the roots now, and themselves."""
    every = read_processes()
    return [(pid, every[pid].started_ticks) for pid in sorted(family(every, roots))]


def take_sample(keys: Collection[Key], at_s: float) -> Sample:
    """Look at these processes now; only at these, as a machine may have thousands of others."""
    seen = {}
    for pid, started_ticks in keys:
        stat = read_process(pid)
        if stat is not None and stat.started_ticks == started_ticks:
            seen[pid, started_ticks] = Sight(run_time_ns(pid), stat.state)
    return Sample(at_s, seen)


def findings_of(
    samples: Sequence[Sample], arrivals_s: NDArray[np.float64], names: Mapping[int, str], stall_s: float = STALL_S
) -> list[Finding]:
    """Judge what was seen during a run.

    Parameters
    ----------
    samples : sequence of Sample
        By time; the first from before the run.
    arrivals_s : ndarray, shape (requests,), float64
        When requests were scheduled, sorted.
    names : mapping
        What to call the processes, by pid.
    """
    if not samples:
        return []
    found: list[Finding] = []
    for key in samples[0].processes:
        name = f"process {key[0]} ({names.get(key[0], '?')})"
        found += _changes_of_state(key, name, samples, arrivals_s)
    found += _stalls(samples, arrivals_s, names, stall_s)
    return found


def _changes_of_state(
    key: Key, name: str, samples: Sequence[Sample], arrivals_s: NDArray[np.float64]
) -> Iterable[Finding]:
    end_s = float(arrivals_s[-1]) if len(arrivals_s) else 0.0
    for sample in samples:
        sight = sample.processes.get(key)
        at = "before the first request" if sample.at_s <= 0 else f"{sample.at_s:.1f} s after the first request"
        if sight is None or sight.state in _GONE_STATES:
            # Helpers come and go; who did no work in this run is not missed.
            if _cores_of(key, samples) >= LEAST_CORES and sample.at_s <= end_s:
                yield Finding(f"{name} ended, {at}", is_void=True)
            return
        if sight.state in _STOPPED_STATES:
            yield Finding(f"{name} was stopped (by a signal or a debugger), {at}", is_void=True)
            return


def _cores_of(key: Key, samples: Sequence[Sample]) -> float:
    seen = [(sample.at_s, sample.processes[key].run_ns) for sample in samples if key in sample.processes]
    span_s = seen[-1][0] - seen[0][0]
    return (seen[-1][1] - seen[0][1]) / 1e9 / span_s if span_s > 0 else 0.0


@dataclass(frozen=True)
class _Window:
    """A stretch of a run that is long enough to tell a stall."""

    begin: int
    end: int
    begin_s: float
    end_s: float


def _stalls(
    samples: Sequence[Sample], arrivals_s: NDArray[np.float64], names: Mapping[int, str], stall_s: float
) -> list[Finding]:
    windows = _windows(samples, arrivals_s, stall_s)
    if len(windows) < 2:
        return []
    cores = {
        key: [_cores_in(samples, window, key) for window in windows]
        for key in samples[0].processes
        if all(key in sample.processes for sample in samples)
    }
    usual = {key: median(values) for key, values in cores.items()}
    workers = [key for key, value in usual.items() if value >= LEAST_CORES]
    resting = {key: [value < RESTING_RATIO * usual[key] for value in cores[key]] for key in workers}
    found: list[Finding] = []
    is_whole_told = False
    for key in workers:
        at = next((number for number, is_resting in enumerate(resting[key]) if is_resting), None)
        if at is None:
            continue
        others = [other for other in workers if other != key]
        length_s = windows[at].end_s - windows[at].begin_s
        where = f"for {length_s:.1f} s, {windows[at].begin_s:.1f} s after the first request"
        if others and not all(resting[other][at] for other in others):
            text = f"process {key[0]} ({names.get(key[0], '?')}) stalled {where}: it took no processor time"
            found.append(Finding(f"{text}, while requests came and others went on", is_void=True))
        elif not is_whole_told:
            found.append(Finding(f"the whole server rested {where}, although requests came", is_void=False))
            is_whole_told = True
    return found


def _windows(samples: Sequence[Sample], arrivals_s: NDArray[np.float64], stall_s: float) -> list[_Window]:
    """Return every stretch of at least ``stall_s`` in which enough requests were due that nobody should rest."""
    windows = []
    last_s = float(arrivals_s[-1]) if len(arrivals_s) else 0.0
    mean_rate = len(arrivals_s) / last_s if last_s > 0 else 0.0
    end = 0
    for begin, first in enumerate(samples):
        while end < len(samples) and samples[end].at_s - first.at_s < stall_s:
            end += 1
        if end == len(samples) or samples[end].at_s > last_s:
            break
        if first.at_s < 0:
            continue
        span_s = samples[end].at_s - first.at_s
        due = int(np.searchsorted(arrivals_s, samples[end].at_s) - np.searchsorted(arrivals_s, first.at_s))
        if due >= max(LEAST_ARRIVALS, mean_rate * span_s / 4):
            windows.append(_Window(begin, end, first.at_s, samples[end].at_s))
    return windows


def _cores_in(samples: Sequence[Sample], window: _Window, key: Key) -> float:
    used_ns = samples[window.end].processes[key].run_ns - samples[window.begin].processes[key].run_ns
    return max(0.0, used_ns / 1e9 / (window.end_s - window.begin_s))


class Watch:
    """Takes samples in a thread of its own while a run lasts.

    Parameters
    ----------
    roots : collection of int
        The server's processes; those that descend from them at the begin are watched, too.
    """

    def __init__(self, roots: Collection[int], interval_s: float = SAMPLE_INTERVAL_S) -> None:
        self.samples: list[Sample] = []
        self.names: dict[int, str] = {}
        self._roots = tuple(roots)
        self._keys: list[Key] = []
        self._interval_s = interval_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-watch", daemon=True)
        self._started_s = 0.0

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        if self._roots:
            self._keys = processes_under(self._roots)
            self.names = {pid: short_command(pid) for pid, _ in self._keys}
            self.samples.append(take_sample(self._keys, 0.0))
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        if self._roots:
            self._thread.join()

    def findings(self, arrivals_s: NDArray[np.float64]) -> list[Finding]:
        """Judge what was seen; arrivals in seconds since the run began."""
        return findings_of(self.samples, arrivals_s, self.names)

    def _run(self) -> None:
        while not self._is_over.wait(self._interval_s):
            self.samples.append(take_sample(self._keys, time.monotonic() - self._started_s))


def short_command(pid: int, most_characters: int = 60) -> str:
    """Return what a process is called in a report: its command line, cut; the name of its program if that is empty."""
    command = command_line(pid)
    if not command and (stat := read_process(pid)) is not None:
        command = f"[{stat.pid}]"
    return command if len(command) <= most_characters else f"{command[:most_characters]}..."
