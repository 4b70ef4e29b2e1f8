"""Runs every subject on every case, in turns, and checks that they all compute the same."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from bench.machine import describe_machine
from bench.preprocessing.run_record import Cell, Run
from bench.preprocessing.subjects import SUBJECTS, Subject

BATCH: Final = 32
ROUNDS: Final = 5
ROUND_S: Final = 0.7  # at least; and at least one batch
PACKAGES: Final = (
    "numpy",
    "pillow",
    "scikit-image",
    "torch",
    "torchvision",
    "cupy-cuda13x",
    "cupy-cuda12x",
    "onnxruntime",
    "onnxruntime-gpu",
)
JPEG_QUALITY: Final = 90


@dataclass(frozen=True)
class Case:
    """What is prepared."""

    name: str
    sizes: tuple[tuple[int, int], ...]  # height, width; taken in turns
    is_encoded: bool


CASES: Final = (
    Case("arrays of 256 x 256", ((256, 256),), False),
    Case("arrays of 375 x 500, 500 x 375, 480 x 640 mixed", ((375, 500), (500, 375), (480, 640)), False),
    Case("arrays of 1080 x 1920", ((1080, 1920),), False),
    Case("JPEG of 375 x 500", ((375, 500),), True),
)


def make_batch(case: Case, count: int = BATCH) -> list[Any]:
    """Return smooth pictures with some noise: what compresses and resizes as photographs do."""
    random, images = np.random.default_rng(7), list[Any]()
    for number in range(count):
        height, width = case.sizes[number % len(case.sizes)]
        y, x = np.mgrid[0:height, 0:width] / 40.0
        phases = random.random(3) * 6
        waves = np.stack([127 + 90 * np.sin(y + phase) * np.cos(x * (1 + phase / 9)) for phase in phases], axis=2)
        image = np.clip(waves + random.normal(0, 8, waves.shape), 0, 255).astype(np.uint8)
        images.append(_encoded(image) if case.is_encoded else image)
    return images


def _encoded(image: Any) -> bytes:
    buffer = io.BytesIO()
    importlib.import_module("PIL.Image").fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def measure(
    subjects: Sequence[str] | None = None,
    cases: Sequence[str] | None = None,
    *,
    is_quick: bool = False,
    commit: str = "",
) -> Run:
    """Measure the named subjects and cases (None: all)."""
    machine = describe_machine()
    if commit:
        machine = dataclasses.replace(machine, commit=commit)
    run = Run(machine, device_name(), installed_versions(), BATCH)
    chosen = [subject for subject in SUBJECTS if subjects is None or subject.name in subjects]
    taking_part = [subject for subject in chosen if _is_there(subject, run)]
    for case in CASES:
        if cases is None or case.name in cases:
            _measure_case(case, taking_part, run, is_quick)
    return run


def _is_there(subject: Subject, run: Run) -> bool:
    lacking = [name for name in subject.packages if importlib.util.find_spec(name) is None]
    if lacking:
        run.missing[subject.name] = f"not installed: {', '.join(lacking)}"
    elif subject.needs_device and not run.device:
        run.missing[subject.name] = "no CUDA device"
    return subject.name not in run.missing


def _measure_case(case: Case, subjects: Sequence[Subject], run: Run, is_quick: bool) -> None:
    images = make_batch(case, 4 if is_quick else BATCH)
    rates: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    differences: dict[str, float] = {}
    wanted: Any = None
    for subject in subjects:  # warm: code compiled, buffers there
        subject.start(case.is_encoded)
        found = subject.to_host(subject.prepare(images))
        wanted = found if wanted is None else wanted
        difference = np.abs(found - wanted)
        differences[subject.name] = float(difference.max())
        if difference.max() > subject.tolerance or difference.mean() > subject.mean_tolerance:
            run.failures.append(
                f"{subject.name} on {case.name}: off by {difference.max():.3f}, mean {difference.mean():.4f}"
            )
    for number in range(1 if is_quick else ROUNDS):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            rates[subject.name].append(_rate(subject, images, 0.0 if is_quick else ROUND_S))
    for name, found_rates in rates.items():
        low, high = min(found_rates), max(found_rates)
        run.cells.append(Cell(case.name, name, median(found_rates), low, high, len(found_rates), differences[name]))


def _rate(subject: Subject, images: Sequence[Any], least_s: float) -> float:
    subject.wait()
    batches, begin_s = 0, time.perf_counter()
    while True:
        subject.prepare(images)
        batches += 1
        if time.perf_counter() - begin_s >= least_s:
            break
    subject.wait()
    return batches * len(images) / (time.perf_counter() - begin_s)


def device_name() -> str:
    """Return the name of the first CUDA device; empty if there is none, or no cupy."""
    if not Path("/dev/nvidiactl").exists() or importlib.util.find_spec("cupy") is None:
        return ""
    properties = importlib.import_module("cupy").cuda.runtime.getDeviceProperties(0)
    name: str = properties["name"].decode()
    return name


def installed_versions() -> dict[str, str]:
    """Return the versions of the libraries that matter here."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
