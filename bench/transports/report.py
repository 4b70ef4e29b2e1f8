"""Writes the tables of docs/docker.md from what was measured."""

from __future__ import annotations

from bench.document import table
from bench.transports.measure import MANY, MODELS, PATIENT, PROCESS_IPC, WAYS, Model, Transports

HEADS = (
    "the replica is",
    "p50 us, alone",
    "p99 us, alone",
    f"queries/s, {MANY} connections",
    "of rounds",
    "of a process",
    f"p99 ms, {MANY} connections",
    "CPU us/query",
)


def render(found: Transports) -> str:
    """Return a table a model, and what makes figures of no use, if anything does."""
    parts = [f"{model.title[0].upper()}{model.title[1:]}:\n\n{_table(found, model)}" for model in MODELS]
    if found.faults:
        parts.append("What does not hold:\n\n" + "\n".join(f"* {fault}" for fault in found.faults))
    return "\n\n".join(parts)


def _table(found: Transports, model: Model) -> str:
    rows = []
    reference = found.median(PROCESS_IPC, model, MANY, "requests_per_s")
    for way in WAYS:
        alone = [f"{found.median(way, model, PATIENT, name):,.0f}" for name in ("p50_us", "p99_us")]
        rates = [cell.requests_per_s for cell in found.of(way, model, MANY)]
        rate = found.median(way, model, MANY, "requests_per_s")
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        tail_ms = found.median(way, model, MANY, "p99_us") / 1e3
        cpu_us = found.median(way, model, MANY, "server_us_per_query")
        cells = [f"{rate:,.0f}", spread, f"{rate / max(1.0, reference):.0%}", f"{tail_ms:.1f}", f"{cpu_us:.0f}"]
        rows.append([way.title, *alone, *cells])
    return table(HEADS, rows)
