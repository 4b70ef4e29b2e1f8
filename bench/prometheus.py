"""Reads Prometheus text format: what counters grew by between two scrapes, and the stage histograms among them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.loadgen.histogram import quantile_of_cumulative

SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
BUCKET_SUFFIX = "_bucket"

# Answers that are no success, in clipper's own names (clipper/metrics/names.py).
MISS_COUNTERS = ("clipper_default_answers_total", "clipper_error_answers_total")
STAGE_HISTOGRAMS = ("clipper_stage_seconds", "clipper_query_latency_seconds", "clipper_model_batch_size")

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[tuple[str, Labels], float]


def parse_metrics(text: str) -> dict[tuple[str, Labels], float]:
    """Return every sample by name and labels."""
    samples = {}
    for line in text.splitlines():
        match = None if line.startswith("#") else SAMPLE.match(line)
        if match:
            labels = tuple(sorted((found[1], found[2]) for found in LABEL.finditer(match[2] or "")))
            samples[match[1], labels] = float(match[3])
    return samples


def growth(before: Samples, after: Samples) -> dict[tuple[str, Labels], float]:
    """Return what each cumulative sample grew by; gauges, which may shrink, are left out."""
    return {
        key: value - before.get(key, 0.0)
        for key, value in after.items()
        if key[0].endswith(("_total", "_count", "_sum", BUCKET_SUFFIX))
    }


def misses(grown: Samples) -> int:
    """Return how many queries got the default output or an error."""
    return round(sum(value for (name, _), value in grown.items() if name in MISS_COUNTERS))


@dataclass(frozen=True)
class StageSummary:
    """One histogram of the server, over one cell; in the unit that its name says."""

    name: str  # histogram and labels
    count: int
    mean: float
    p50: float
    p99: float


def stage_summaries(grown: Samples) -> list[StageSummary]:
    """Summarise the histograms named in STAGE_HISTOGRAMS that saw anything."""
    buckets: dict[tuple[str, Labels], dict[float, float]] = {}
    for (name, labels), value in grown.items():
        base = name.removesuffix(BUCKET_SUFFIX)
        if name.endswith(BUCKET_SUFFIX) and base in STAGE_HISTOGRAMS:
            rest = tuple(label for label in labels if label[0] != "le")
            bound = float(dict(labels)["le"].replace("+Inf", "inf"))
            buckets.setdefault((base, rest), {})[bound] = value
    summaries = []
    for (base, labels), cumulative in buckets.items():
        count = max(cumulative.values())
        if count > 0:
            total = grown.get((f"{base}_sum", labels), math.nan)
            summaries.append(
                StageSummary(
                    name=" ".join([base, *(value for _, value in labels)]),
                    count=round(count),
                    mean=total / count,
                    p50=quantile_of_cumulative(cumulative, 0.50),
                    p99=quantile_of_cumulative(cumulative, 0.99),
                )
            )
    return summaries


def counter_lines(grown: Samples) -> dict[str, float]:
    """Return the counters that moved, written as in the exposition."""
    lines = {}
    for (name, labels), value in grown.items():
        if name.endswith("_total") and value:
            text = ",".join(f'{label}="{content}"' for label, content in labels)
            lines[f"{name}{{{text}}}" if text else name] = value
    return lines
