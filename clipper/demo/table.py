"""The live table: what the clients saw, and what Clipper counted meanwhile."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group
from rich.table import Table

from clipper.demo.replay import Score

Samples = Mapping[tuple[str, str], float]


def read_counts(query_url: str) -> Samples:
    """Read ``/metrics``: (sample name, model or application) -> value, histogram buckets left out."""
    with urllib.request.urlopen(f"{query_url}/metrics", timeout=10) as response:
        text = response.read().decode()
    counts: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if "le" not in sample.labels and "stage" not in sample.labels:
                name = sample.labels.get("model") or sample.labels.get("application", "")
                counts[sample.name, name] = counts.get((sample.name, name), 0) + sample.value
    return counts


def render(scores: Mapping[str, Score], models: list[str], counts: Samples, slo_us: int) -> Group:
    """Both tables, side by side in one renderable."""
    return Group(_applications(scores, slo_us), _models(models, counts))


def _applications(scores: Mapping[str, Score], slo_us: int) -> Table:
    table = Table(title=f"applications (SLO {slo_us / 1000:g} ms)", title_justify="left")
    for column in ("application", "queries", "accuracy", "p50 ms", "p99 ms", "defaults", "errors"):
        table.add_column(column, justify="left" if column == "application" else "right")
    for name, score in scores.items():
        table.add_row(
            name,
            f"{score.queries:,}",
            f"{score.accuracy_ratio:.1%}",
            f"{score.percentile_us(50) / 1000:.2f}",
            f"{score.percentile_us(99) / 1000:.2f}",
            f"{score.defaults:,}",
            f"{score.failures.total():,}",
        )
    return table


def _models(models: list[str], counts: Samples) -> Table:
    table = Table(title="models", title_justify="left")
    for column in ("model", "evaluated", "batches", "mean batch", "cache hits", "joined in flight", "dropped"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for model in models:
        batches = counts.get(("clipper_model_batches_total", model), 0)
        items = counts.get(("clipper_model_batch_size_sum", model), 0)
        table.add_row(
            model,
            f"{items:,.0f}",
            f"{batches:,.0f}",
            f"{items / batches:.1f}" if batches else "-",
            f"{counts.get(('clipper_model_cache_hits_total', model), 0):,.0f}",
            f"{counts.get(('clipper_model_cache_joins_total', model), 0):,.0f}",
            f"{counts.get(('clipper_model_early_drops_total', model), 0):,.0f}",
        )
    return table
