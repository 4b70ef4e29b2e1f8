"""Figure 3: how long a batch takes by its size, and how large it may hence be within the objective.

Each batch is one request of that many inputs, one at a time, and how long it took is read off the frontend's own
counters (sent to answered), one batch at a time: exact, not from a histogram.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.lines import FOREST, KERNEL_SVM, LINEAR, LOGISTIC, NOOP, SLO_US, SPARK, Line
from bench.paper.large_digits import FITTED, LARGE, fit, large_split
from bench.paper.probes import batches_of
from bench.paper.stage import Stage, StageError
from bench.prometheus import Samples, growth, parse_metrics
from bench.query_client import QueryConnection

LONG_US: Final = 60_000_000  # the objective of the applications: nothing is dropped while it is profiled
SIZES: Final = tuple(2**power for power in range(12))
FULL_REPEATS, QUICK_REPEATS = 60, 4
QUICK_SIZES: Final = (1, 8, 64)
MAX_OVERHEAD_US: Final = 1_500.0  # of the frontend, RPC and wake-ups on what a line says, at batches of one
LEAST_RATIO: Final = 100.0  # of the linear SVM's batch to the kernel SVM's; the paper's is 241
REAL: Final = "real-"


@dataclass(frozen=True)
class Profile:
    """Durations of batches of one container.

    Parameters
    ----------
    asked : (float, float) or None
        Base and cost per item in us that a simulated container was told.
    sizes : list of int
    mean_us, p99_us : list of float
        One for each size; the percentile of fewer than a hundred batches is the longest of them.
    """

    name: str
    title: str
    asked: tuple[float, float] | None
    sizes: list[int]
    mean_us: list[float]
    p99_us: list[float]

    @property
    def line(self) -> Line:
        """The line through the means."""
        return fit_through(self.name, self.sizes, self.mean_us)

    @property
    def p99_line(self) -> Line:
        """The line through the 99th percentiles."""
        return fit_through(self.name, self.sizes, self.p99_us)

    @property
    def max_batch(self) -> int:
        """Largest batch whose 99th percentile stays within the objective, by the line."""
        return self.p99_line.size_within(SLO_US)

    @property
    def capacity_per_s(self) -> float:
        """Queries a second in batches of that size."""
        return self.line.capacity_per_s(self.max_batch)


def fit_through(name: str, sizes: Sequence[int], times_us: Sequence[float]) -> Line:
    """Return the line with the least squares of *relative* errors: small batches count as much as large ones."""
    size, time_us = np.asarray(sizes, np.float64), np.asarray(times_us, np.float64)
    if len(size) == 1:
        return Line(name, 0.0, float(time_us[0] / size[0]))
    slope, base = np.polyfit(size, time_us, 1, w=1 / time_us)
    return Line(name, float(base), max(1e-3, float(slope)))


@dataclass(frozen=True)
class Figure3:
    """The whole figure."""

    slo_us: int
    repeats: int
    profiles: list[Profile]
    is_judged: bool

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Figure3:
        """Read what `dataclasses.asdict` wrote."""
        profiles = [
            Profile(**{**one, "asked": tuple(one["asked"]) if one["asked"] else None}) for one in content["profiles"]
        ]
        return cls(**{**content, "profiles": profiles})

    def of(self, name: str) -> Profile | None:
        """Return a container's profile, None if it was not measured."""
        return next((profile for profile in self.profiles if profile.name == name), None)

    @property
    def batch_ratio(self) -> float | None:
        """How many times larger the linear SVM's batches may be than the kernel SVM's, of the paper's lines."""
        linear, kernel = self.of(LINEAR.name), self.of(KERNEL_SVM.name)
        return linear.max_batch / kernel.max_batch if linear and kernel else None

    @property
    def faults(self) -> list[str]:
        """What does not hold of what is promised."""
        if not self.is_judged:
            return []
        found = []
        for profile in self.profiles:
            if profile.asked:
                overhead_us = profile.mean_us[0] - Line(profile.name, *profile.asked).duration_us(profile.sizes[0])
                if overhead_us > MAX_OVERHEAD_US:
                    found.append(f"{profile.title}: a batch of one takes {overhead_us:,.0f} us beyond its line")
        if self.batch_ratio is not None and self.batch_ratio < LEAST_RATIO:
            found.append(
                f"the linear SVM's batches are {self.batch_ratio:.0f}x the kernel SVM's, not {LEAST_RATIO:.0f}x"
            )
        return found


@dataclass(frozen=True)
class Subject:
    """A container that is profiled: a line of the paper's, or a fitted model with the images it is asked about."""

    name: str
    title: str
    line: Line | None

    def deploy(self, stage: Stage) -> str:
        """Deploy it and its application, of the name that is returned."""
        application = f"profile-{self.name}"
        options: dict[str, Any] = {"batch_size": max(SIZES)}
        if self.line is not None:
            stage.deploy_line(application, self.line, **options)
        else:
            stage.deploy_fitted(application, fit(self.name.removeprefix(REAL)), LARGE, **options)
        stage.register(application, [application], {"name": "static"}, LONG_US, self.length, cache=False)
        return application

    @property
    def length(self) -> int:
        """Of an input."""
        return 1 if self.line is not None else LARGE

    def inputs(self, size: int) -> bytes:
        """Return a batch as raw doubles."""
        if self.line is not None:
            return np.arange(size, dtype="<f8").tobytes()
        images = large_split()[1].pixels
        return images[np.arange(size) % len(images)].astype("<f8").tobytes()


SIMULATED: Final = tuple(
    Subject(line.name, title, line)
    for line, title in (
        (NOOP, "no-op"),
        (LINEAR, "linear SVM (scikit-learn)"),
        (LOGISTIC, "logistic regression (scikit-learn)"),
        (FOREST, "random forest (scikit-learn)"),
        (SPARK, "linear SVM (PySpark)"),
        (KERNEL_SVM, "kernel SVM (scikit-learn)"),
    )
)
FITTED_SUBJECTS: Final = tuple(Subject(REAL + name, title, None) for name, title in FITTED.items())


def subjects(is_full: bool) -> Sequence[Subject]:
    """Return the containers of one form of the figure."""
    return (*SIMULATED, *FITTED_SUBJECTS) if is_full else (SIMULATED[1], FITTED_SUBJECTS[0])


def measure(stage: Stage) -> Figure3:
    """Profile every container, one after the other."""
    repeats = FULL_REPEATS if stage.is_full else QUICK_REPEATS
    sizes = SIZES if stage.is_full else QUICK_SIZES
    profiles = []
    for subject in subjects(stage.is_full):
        application = subject.deploy(stage)
        profile = asyncio.run(_profile(stage, subject, application, sizes, repeats))
        stage.tell(f"{profile.title}: {profile.line}, at most {profile.max_batch:,} within the objective")
        profiles.append(profile)
        stage.clipper.unlink_model_from_app(application, application)
        stage.clipper.delete_model(application)
    return Figure3(SLO_US, repeats, profiles, is_judged=stage.is_full)


async def _profile(stage: Stage, subject: Subject, application: str, sizes: Sequence[int], repeats: int) -> Profile:
    seen: dict[int, list[float]] = {}
    async with QueryConnection(stage.port) as connection:
        for size in sizes:
            request = _batch_request(application, subject.inputs(size), size)
            seen[size] = await _durations_us(stage, application, connection, request, size, repeats)
            if float(np.mean(seen[size])) > SLO_US and len(seen) > 1:
                break
    return Profile(
        subject.name,
        subject.title if subject.line is not None else f"{subject.title}, fitted",
        (subject.line.base_us, subject.line.per_item_us) if subject.line else None,
        list(seen),
        [float(np.mean(times)) for times in seen.values()],
        [float(np.quantile(times, 0.99, method="higher")) for times in seen.values()],
    )


def _batch_request(application: str, inputs: bytes, size: int) -> bytes:
    head = (
        f"POST /{application}/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
        f"Clipper-Batch: {size}\r\nContent-Length: {len(inputs)}\r\n\r\n"
    )
    return head.encode("ascii") + inputs


async def _durations_us(
    stage: Stage, application: str, connection: QueryConnection, request: bytes, size: int, repeats: int
) -> list[float]:
    """Send batches one at a time, and return how long each took from sent to answered."""
    durations_us = []
    before = _samples_of(stage, application)
    for _ in range(repeats):
        (answer,) = await connection.exchange(request)
        defaults = sum(bool(output["default"]) for output in answer.or_raise()["batch_predictions"])
        after = _samples_of(stage, application)
        seen = batches_of(growth(before, after), application)
        if defaults or round(seen.count) != 1 or round(seen.items) != size:
            raise StageError(
                f"{application}: {size} inputs were answered in {seen.count:.0f} batches of {seen.items:.0f} in all, "
                f"{defaults} of them with the default output; expected one batch"
            )
        durations_us.append(seen.duration_us)
        before = after
    return durations_us


def _samples_of(stage: Stage, model: str) -> Samples:
    """Scrape what is told of one model: a scrape stands between two batches, and most of its lines are of others."""
    lines = (line for line in stage.clipper.metrics().splitlines() if f'model="{model}"' in line)
    return parse_metrics("\n".join(lines))
