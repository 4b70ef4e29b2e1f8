"""``clipper status``: health at a glance."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import typer

from clipper.cli.durations import format_age, format_slo, format_us
from clipper.cli.exit_codes import ExitCode
from clipper.cli.models import state_of
from clipper.cli.monitor import shown_event
from clipper.cli.options import JsonOption, with_server
from clipper.cli.output import print_json, print_log_tail, print_table, styled
from clipper.cli.server import Server
from clipper.errors import ClipperError

if TYPE_CHECKING:
    from clipper.cli.activity import Activity, ApplicationActivity


_RECENT_US: Final = 24 * 3_600_000_000
_TOLD_EVENTS: Final = ("rolled_back", "quarantined", "withheld", "failed")


@with_server
def status(server: Server, as_json: JsonOption = False) -> None:
    """Show what runs and what needs attention.

    Latencies are of all queries since the frontend was started. The exit code is 0 if nothing does, 1 if
    something does, and 3 if Clipper is not running.
    """
    from clipper.cli.activity import activity
    from clipper.cli.readings import read

    found = server.status()
    since_start: Activity | None = None
    problems: list[str] = []
    try:
        since_start = activity(read(server, found), None)
    except ClipperError as error:
        problems.append(f"the query port does not answer: {error.message}")
    problems += problems_of(found)
    remarks = [] if since_start is None else [text for item in since_start.applications for text in _remarks(item)]
    remarks += _recent_events(found)
    remarks += [
        f"{version['name']}:{version['version']} is being deployed: {version['waiting']}"
        for model in found["models"]
        for version in model["versions"]
        if version.get("waiting") and not version["is_deployed"]
    ]
    if as_json:
        applications = [] if since_start is None else [asdict(item) for item in since_start.applications]
        print_json(
            {"healthy": not problems, "problems": problems, "remarks": remarks, "traffic": applications, **found}
        )
    else:
        _print(server, found, since_start, problems, remarks)
    if problems:
        raise typer.Exit(ExitCode.FAILURE)


def problems_of(found: Mapping[str, Any]) -> list[str]:
    """Return what keeps the instance from serving as it should, each in a sentence."""
    problems = []
    if not found["workers"]:
        problems.append("no frontend worker is connected: `clipper logs frontend`")
    for worker in found["workers"]:
        if worker["applied_revision"] < found["revision"]:
            problems.append(
                f"frontend worker {worker['worker']} serves revision {worker['applied_revision']}, and management has "
                f"{found['revision']}"
            )
    for model in found["models"]:
        for version in model["versions"]:
            name = f"{model['name']}:{version['version']}"
            if version["is_quarantined"]:
                problems.append(
                    f"{name} is quarantined after {version['failures']} failures in a row: {version['last_failure']}; "
                    f"`clipper scale {model['name']} {version['replicas']} --version {version['version']}` tries again"
                )
            elif version["is_deployed"] and version["ready_replicas"] < version["replicas"]:
                cause = version.get("waiting") or version["last_failure"]
                why = f": {cause}" if cause else ", they are being started"
                problems.append(f"{name} has {version['ready_replicas']} of {version['replicas']} replicas ready{why}")
    for watched in found.get("monitoring", ()):
        problems += _problems_of_models(watched)
    return problems


def _problems_of_models(watched: Mapping[str, Any]) -> list[str]:
    application, quarantined = watched["application"], watched["quarantined"]
    problems = [
        f"{arm} answers no queries of {application}, it is quarantined: {why}; "
        f"`clipper monitor lift {application} {arm}` lets it back"
        for arm, why in quarantined.items()
    ]
    problems += [
        f"{arm} is degraded in {application}: {how}; `clipper monitor show {application}`"
        for arm, how in watched["degraded"].items()
        if arm not in quarantined
    ]
    return problems


def _recent_events(found: Mapping[str, Any]) -> list[str]:
    """Return what was done about models lately, and what could not be: nobody may have looked since."""
    since_us = time.time_ns() // 1000 - _RECENT_US
    return [
        f"{watched['application']}: {shown_event(event)}"
        for watched in found.get("monitoring", ())
        for event in watched["events"]
        if event["kind"] in _TOLD_EVENTS and event["at_us"] >= since_us
    ]


def _remarks(item: ApplicationActivity) -> list[str]:
    """Return what is worth a look, and may be as it should."""
    remarks = []
    if not item.models:
        remarks.append(
            f"no model is linked to {item.name}: every query gets the default output; `clipper link {item.name} MODEL`"
        )
    elif item.meets_slo is False:
        remarks.append(f"{item.name} is slower than its SLO: p99 {format_us(item.p99_us)}")
    misses = item.defaults + item.errors
    if misses and item.models:
        reasons = ", ".join(f"{reason} {count:.0f}" for reason, count in item.miss_reasons.items())
        remarks.append(f"{misses:.0f} of {item.queries:.0f} queries of {item.name} missed: {reasons}")
    return remarks


def _print(
    server: Server,
    found: Mapping[str, Any],
    since_start: Activity | None,
    problems: list[str],
    remarks: list[str],
) -> None:
    print("Clipper is running" + _process_of(server))
    print(f"  queries     {found['query_url']}" + ("" if since_start else "  (does not answer)"))
    print(f"  management  {server.management_url}")
    print(f"  directory   {found['run_dir']}")
    workers = ", ".join(f"pid {worker['pid']}" for worker in found["workers"])
    print(f"  workers     {len(found['workers'])} ({workers})" if workers else "  workers     none")
    print(f"  revision    {found['revision']}\n")
    if since_start is None or not since_start.applications:
        print("no applications" if not found["applications"] else f"{len(found['applications'])} applications")
    else:
        columns = ("APPLICATION", ">SLO", ">P50", ">P99", ">QUERIES", ">DEFAULTS", ">ERRORS", "MODELS")
        print_table(columns, [_application_row(item) for item in since_start.applications], "")
    versions = [version for model in found["models"] for version in model["versions"]]
    print()
    if versions:
        print_table(("MODEL", "VERSION", ">READY", "CONTAINER", "STATE"), [_model_row(item) for item in versions], "")
    else:
        print("no models")
    if found.get("devices"):
        print()
        rows = [_device_row(device) for device in found["devices"]]
        print_table(("DEVICE", "NAME", ">FREE", "REPLICAS"), rows, "")
    for text in remarks:
        print(f"\n! {text}")
    for text in problems:
        print(f"\n✗ {text}")
    for version in versions:
        if version["log_tail"] and (version["is_quarantined"] or version["ready_replicas"] < version["replicas"]):
            print_log_tail(version["log_tail"], f"the log of {version['name']}:{version['version']} ended with:")


def _process_of(server: Server) -> str:
    from clipper.cli.instance import started_s
    from clipper.supervisor.running import find_running

    instance = None if server.run_dir is None else find_running(server.run_dir)
    if instance is None:
        return ""
    began_s = started_s(instance.pid)
    instance.close()
    return f" (pid {instance.pid}" + ("" if began_s is None else f", for {format_age(time.time() - began_s)}") + ")"


def _application_row(item: ApplicationActivity) -> tuple[Any, ...]:
    style = {None: "", True: "green", False: "bold red"}[item.meets_slo]
    mark = {None: "", True: " ✓", False: " ✗"}[item.meets_slo]
    return (
        item.name,
        format_slo(item.slo_us),
        format_us(item.p50_us),
        styled(format_us(item.p99_us) + mark, style),
        f"{item.queries:.0f}",
        f"{item.defaults:.0f}",
        f"{item.errors:.0f}",
        ", ".join(item.models) or "-",
    )


def _device_row(device: Mapping[str, Any]) -> tuple[Any, ...]:
    holders = [
        holder if share == 1 else f"{holder} ({share:g})" for holder, share in sorted(device["replicas"].items())
    ]
    return device["device"], device["name"] or "-", f"{device['free']:g}", ", ".join(holders) or "-"


def _model_row(version: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        version["name"],
        f"{version['version']}{' *' if version['is_current'] else ''}",
        f"{version['ready_replicas']}/{version['replicas']}",
        version["container"],
        styled(*state_of(dict(version))),
    )
