"""``clipper models``: models and their versions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from clipper.cli.completion import complete_versions
from clipper.cli.group import ListGroup
from clipper.cli.options import JsonOption, ModelArgument, VersionArgument, with_server
from clipper.cli.output import print_json, print_log_tail, print_table, styled
from clipper.cli.progress import follow
from clipper.cli.server import Server
from clipper.client.api_paths import segment
from clipper.errors import ConflictError

app = typer.Typer(cls=ListGroup, help="List, show and delete models and their versions; without a command: list.")


@app.command("list")
@with_server
def list_models(server: Server, as_json: JsonOption = False) -> None:
    """List every version of every model; * marks the one that answers."""
    found = server.get("/models")
    if as_json:
        print_json(found)
        return
    columns = ("MODEL", "VERSION", "CONTAINER", "INPUT", ">REPLICAS", "LABELS", "STATE")
    rows = [_row(version) for model in found for version in model["versions"]]
    print_table(columns, rows, "There are no models: `clipper deploy` adds one.")


@app.command("show")
@with_server
def show(server: Server, model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show one model: its versions, who uses it, and why a replica failed."""
    with server.suggesting(model=model):
        found = server.get(f"/models/{segment(model)}")
    if as_json:
        print_json(found)
        return
    users = [item["name"] for item in server.get("/applications") if model in item["models"]]
    current = found["current_version"]
    answers = "no version answers" if current is None else f"version {current} answers"
    print(f"{model}: {answers}; linked to {', '.join(users) or 'no application'}")
    if found["previous_versions"]:
        print(f"`clipper rollback {model}` goes back to version {found['previous_versions'][-1]}")
    columns = ("MODEL", "VERSION", "CONTAINER", "INPUT", ">REPLICAS", "BATCH SIZE", "LABELS", "STATE")
    rows = [(*row[:5], _batch_size(version), *row[5:]) for version in found["versions"] for row in [_row(version)]]
    print_table(columns, rows, "")
    for version in found["versions"]:
        if version["last_failure"]:
            print(
                f"{model}:{version['version']} failed {version['failures']} times in a row: {version['last_failure']}"
            )
        if version.get("waiting"):
            print(f"{model}:{version['version']}: {version['waiting']}")
        if version["log_tail"]:
            print_log_tail(version["log_tail"], "its log ended with:")


@app.command("delete")
@with_server
def delete(
    server: Server,
    model: ModelArgument,
    version: Annotated[
        str | None,
        typer.Argument(
            help="The version; without it the whole model, which no application may be linked to.",
            metavar="VERSION",
            autocompletion=complete_versions,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Delete a version, or a whole model, with its replicas and files."""
    path, what = f"/models/{segment(model)}", model
    if version is not None:
        path, what = f"{path}/versions/{segment(version)}", f"{model}:{version}"
    try:
        with server.suggesting(model=model):
            follow(server.events("DELETE", path), f"deleting {what}")
    except ConflictError as error:
        hint = f"{error.hint}: clipper unlink APP {model}" if "unlink" in error.hint else error.hint
        raise ConflictError(error.message, hint=hint) from error
    print(f"deleted {what}")


@app.command("use")
@with_server
def use(server: Server, model: ModelArgument, version: VersionArgument, as_json: JsonOption = False) -> None:
    """Let a deployed version answer the queries that name none: after `deploy --not-current`, or to go back."""
    set_current(server, model, version, as_json)


def set_current(server: Server, model: str, version: str, as_json: bool) -> None:
    """Make a version the current one, and say so."""
    with server.suggesting(model=model):
        found = server.put(f"/models/{segment(model)}/current_version", {"version": version})
    if as_json:
        print_json(found)
        return
    print(f"{model}:{found['current_version']} answers now")


def state_of(version: dict[str, Any]) -> tuple[str, str]:
    """Return the state of a version in a few words, and its style."""
    if version["is_quarantined"]:
        return f"quarantined after {version['failures']} failures", "bold red"
    waits = ", waits for a device" if version.get("waiting") else ""
    if not version["is_deployed"]:
        return f"being deployed{waits}", "yellow"
    if version["ready_replicas"] < version["replicas"]:
        failures = f", {version['failures']} failures in a row" if version["failures"] else ""
        return f"{version['replicas'] - version['ready_replicas']} not ready{failures}{waits}", "yellow"
    return "ready", "green"


def _row(version: dict[str, Any]) -> tuple[Any, ...]:
    return (
        version["name"],
        f"{version['version']}{' *' if version['is_current'] else ''}",
        version["container"],
        version["input_type"],
        f"{version['ready_replicas']}/{version['replicas']}",
        ", ".join(version["labels"]) or "-",
        styled(*state_of(version)),
    )


def _batch_size(version: dict[str, Any]) -> str:
    if version["controller"] == "fixed":
        return f"{version['batch_size']} fixed"
    most = version["max_batch_size"]
    return f"{version['controller']}, at most {most}" if most else str(version["controller"])
