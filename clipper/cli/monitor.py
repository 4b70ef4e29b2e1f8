"""``clipper monitor``: how the models of an application are doing, and their quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from clipper.cli.options import ApplicationArgument, JsonOption, with_server
from clipper.cli.output import print_json, print_table, styled
from clipper.cli.server import Server
from clipper.client.api_paths import segment

_SHOWN_EVENTS: Final = 10  # the latest; --json has those before

app = typer.Typer(help="Show how models are doing, take one out of the plans, and let it back.", no_args_is_help=True)

ArmArgument = Annotated[
    str, typer.Argument(help="A linked model and its current version: svm:2.", metavar="MODEL:VERSION")
]


@app.command("show")
@with_server
def show(server: Server, application: ApplicationArgument, as_json: JsonOption = False) -> None:
    """Show what feedback and outputs say of each model.

    The loss is the mean of the latest feedback, with its 95% interval; the baseline is what it is held to. The
    distance is that of the latest outputs from the model's first ones, with the limit above which they have changed.
    """
    with server.suggesting(application=application):
        found = server.get(f"/applications/{segment(application)}/monitoring")
    if as_json:
        print_json(found)
        return
    columns = ("MODEL", "STATE", ">LOSS", "95% INTERVAL", ">BASELINE", ">FEEDBACK", "OUTPUTS", ">SAMPLES")
    print_table(
        columns, [_row(arm) for arm in found["arms"]], f"no model is linked: `clipper link {application} MODEL`"
    )
    for arm, why in found["quarantined"].items():
        print(f"{arm} is quarantined: {why}; `clipper monitor lift {application} {arm}` lets it back")
    for event in found["events"][-_SHOWN_EVENTS:]:
        print(shown_event(event))


@app.command("quarantine")
@with_server
def quarantine(server: Server, application: ApplicationArgument, arm: ArmArgument, as_json: JsonOption = False) -> None:
    """Let no plan use a model until that is lifted, or another version is current."""
    with server.suggesting(application=application):
        found = server.put(_path(application, arm))
    if as_json:
        print_json(found)
        return
    left = [each["arm"] for each in found["arms"] if not each["is_quarantined"]]
    print(f"{application} does without {arm}; left: {', '.join(left)}")


@app.command("lift")
@with_server
def lift(
    server: Server,
    application: ApplicationArgument,
    arm: ArmArgument,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Learn its baseline anew: what it does now is how it should be."),
    ] = False,
) -> None:
    """Let plans use a quarantined model again.

    It is held to what it was before, and nothing is done about it by itself before the cool-down is over.
    """
    with server.suggesting(application=application):
        server.delete(_path(application, arm) + ("?forget=true" if forget else ""))
    print(f"{application} uses {arm} again")


def shown_event(event: Mapping[str, Any]) -> str:
    """Return an event in a line: when, what, of whom and why."""
    at = datetime.fromtimestamp(event["at_us"] / 1e6, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}Z  {event['kind']}  {event['text']}"


def _path(application: str, arm: str) -> str:
    return f"/applications/{segment(application)}/quarantines/{segment(arm)}"


def _row(arm: Mapping[str, Any]) -> tuple[Any, ...]:
    known = arm["loss"] is not None
    return (
        arm["arm"],
        styled(*_state(arm)),
        _number(arm["loss"]),
        f"{arm['loss_low']:.3f} to {arm['loss_high']:.3f}" if known else "-",
        _number(arm["baseline_loss"]),
        f"{arm['observations']:,}",
        _outputs(arm),
        f"{arm['outputs']:,}",
    )


def _state(arm: Mapping[str, Any]) -> tuple[str, str]:
    if arm["is_quarantined"]:
        return "quarantined", "bold red"
    if arm["is_degraded"]:
        return "degraded", "bold red"
    if arm["have_outputs_changed"]:
        return "outputs changed", "yellow"
    return ("healthy", "green") if arm["is_ready"] else ("learning its baseline", "")


def _outputs(arm: Mapping[str, Any]) -> str:
    if arm["output_distance"] is None:
        return "-"
    return f"{arm['output_measure'].upper()} {arm['output_distance']:.3f} of {arm['output_limit']:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
