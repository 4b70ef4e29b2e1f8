"""The picture of ``clipper top``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from clipper.cli.activity import Activity, ApplicationActivity, ModelActivity
from clipper.cli.durations import format_slo, format_us
from clipper.cli.output import make_table

_APPLICATIONS: Final = (
    "APPLICATION",
    ">RATE/S",
    ">P50",
    ">P99",
    ">SLO",
    "",
    ">DEFAULTS",
    ">ERRORS",
    ">LATE",
    "WHY",
)
_MODELS: Final = (
    "MODEL",
    ">READY",
    ">TASKS/S",
    ">BATCH",
    ">P99",
    ">COMPUTE",
    ">QUEUED",
    ">CACHED",
    ">DROPPED",
    ">FAILED",
)
_REPLICAS: Final = ("REPLICA", "PID", "STATE", "REASON")
_STATE_STYLES: Final = {"ready": "green", "loading": "yellow", "starting": "yellow", "suspect": "bold red"}


def render(measured: Activity, url: str) -> RenderableType:
    """Return the picture of one interval."""
    rate = sum(item.queries_per_s for item in measured.applications)
    head = Text.assemble(
        ("Clipper ", "bold"),
        url,
        f"   {rate:,.0f} queries/s   {measured.connections_open:.0f} connections   ",
        f"cache {_mib(measured.cache_bytes)} of {_mib(measured.cache_budget_bytes)} MiB   ",
        (f"last {measured.window_us / 1e6:.1f} s", "dim"),
    )
    parts: list[RenderableType] = [head, Text()]
    if measured.applications:
        parts += [make_table(_APPLICATIONS, [_application(item) for item in measured.applications]), Text()]
    else:
        parts.append(Text("no applications: `clipper apps register` makes one", "dim"))
    if measured.models:
        parts += [make_table(_MODELS, [_model(item) for item in measured.models]), Text()]
    else:
        parts.append(Text("no models: `clipper deploy` adds one", "dim"))
    if measured.replicas:
        parts.append(make_table(_REPLICAS, [_replica(item) for item in measured.replicas]))
    return Group(*parts)


def render_trouble(message: str) -> RenderableType:
    """Return what is shown while nothing answers."""
    return Group(Text(message, "bold red"), Text("trying again; q quits", "dim"))


def _application(item: ApplicationActivity) -> tuple[Any, ...]:
    mark, style = {None: ("·", "dim"), True: ("✓", "green"), False: ("✗", "bold red")}[item.meets_slo]
    why = ", ".join(f"{reason} {count:.0f}" for reason, count in item.miss_reasons.items())
    return (
        item.name,
        f"{item.queries_per_s:,.0f}",
        format_us(item.p50_us),
        Text(format_us(item.p99_us), style),
        format_slo(item.slo_us),
        Text(mark, style),
        _alarming(item.defaults),
        _alarming(item.errors),
        _alarming(item.late),
        why if item.models else "no model is linked",
    )


def _model(item: ModelActivity) -> tuple[Any, ...]:
    ready = f"{item.ready_replicas}/{item.replicas}"
    style = "bold red" if item.is_quarantined else "yellow" if item.ready_replicas < item.replicas else "green"
    return (
        f"{item.model}:{item.version}{' *' if item.is_current else ''}",
        Text(f"{ready} quarantined" if item.is_quarantined else ready, style),
        f"{item.tasks_per_s:,.0f}",
        "-" if item.mean_batch_size is None else f"{item.mean_batch_size:.1f}",
        "-" if item.p99_batch_size is None else f"{item.p99_batch_size:.0f}",
        format_us(item.compute_p50_us),
        f"{item.queue_depth:.0f}",
        "-" if item.cache_hit_ratio is None else f"{item.cache_hit_ratio:.1%}",
        _alarming(item.dropped),
        _alarming(item.failures),
    )


def _replica(item: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        item["replica_id"],
        item["pid"] or "-",
        Text(item["state"], _STATE_STYLES.get(item["state"], "")),
        item["reason"],
    )


def _alarming(count: float) -> Text:
    return Text(f"{count:.0f}", "bold red" if count else "dim")


def _mib(size_bytes: float) -> str:
    return f"{size_bytes / (1 << 20):.1f}"
