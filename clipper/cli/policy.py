"""``clipper policy``: how an application chooses among its models, and what it has learned of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

import typer

from clipper.cli.assignments import parse_assignments
from clipper.cli.completion import complete_policies
from clipper.cli.group import ListGroup
from clipper.cli.options import ApplicationArgument, JsonOption, with_server
from clipper.cli.output import count, print_json, print_table, warn
from clipper.cli.server import Server
from clipper.client.api_paths import segment

if TYPE_CHECKING:
    from clipper.selection.policy import SelectionPolicy

_SHOWN_EVENTS: Final = 5  # the latest; --json has those before

app = typer.Typer(
    cls=ListGroup,
    help="Show and set how an application chooses among its models; without a command: list the policies there are.",
)


@app.command("list")
def list_policies(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Show the parameters of this one.",
            metavar="POLICY",
            autocompletion=complete_policies,
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the policies there are, or the parameters of one.

    This needs no Clipper that runs.
    """
    from clipper.selection.registry import POLICIES, policy_class

    chosen = POLICIES if name is None else {name: policy_class(name)}
    if as_json:
        print_json({each: _described(policy) for each, policy in chosen.items()})
    elif name is None:
        rows = [(each, "yes" if policy.learns else "no", _about(policy)) for each, policy in chosen.items()]
        print_table(("POLICY", "LEARNS", "ABOUT"), rows, "")
    else:
        print(f"{name}: {_about(chosen[name])}")
        columns = ("PARAMETER", "DEFAULT", "EXPECTED", "MEANING")
        table = [
            (each, json.dumps(known.default), known.expected, known.help)
            for each, known in chosen[name].parameters.items()
        ]
        print_table(columns, table, f"{name} has no parameters")


@app.command("show")
@with_server
def show(
    server: Server,
    application: ApplicationArgument,
    context: Annotated[
        str | None,
        typer.Option(
            "--context", help="What is known of this user or session alone.", metavar="KEY", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an application has learned of its models.

    The share is the probability that a query goes to the model, its weight in a vote, or of a cascade the part of
    queries that it answered. The reward is 1 minus the loss, on average over about the last 1,000 of them, with its
    95% interval.
    """
    found = get_policy(server, application, context)
    if as_json:
        print_json(found)
        return
    whose = f"{application}, {found['context']}" if found.get("context") is not None else application
    if context is not None and found.get("context") is None:
        warn(f"nothing is known of {context!r} alone: this is what holds for everybody")
    print(f"{whose}: {describe_policy(found['policy'])}; {_learned(found)}")
    columns = ("MODEL", ">SHARE", ">PULLS", ">REWARD", "95% INTERVAL")
    print_table(
        columns, [_row(arm) for arm in found["arms"]], f"no model is linked: `clipper link {application} MODEL`"
    )
    for line in planned(found["plan"] or {}):
        print(line)
    for event in found["events"][-_SHOWN_EVENTS:]:
        print(_event(event))


@app.command("set")
@with_server
def set_policy(
    server: Server,
    application: ApplicationArgument,
    policy: Annotated[
        str,
        typer.Argument(
            help="Name of a policy, or package.module:Class of your own.",
            metavar="POLICY",
            autocompletion=complete_policies,
        ),
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(help="Its parameters: floor=0.02, or a JSON object.", metavar="KEY=VALUE", show_default=False),
    ] = None,
    learning: Annotated[
        list[str] | None,
        typer.Option(
            "--learning",
            help="What feedback means, as of `apps register`. Default: as it is.",
            metavar="KEY=VALUE",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give an application another policy.

    Queries use it when this returns. Another policy, other parameters and another loss begin to learn anew.
    """
    given = parse_assignments(parameters or (), f"parameter of {policy}")
    body: dict[str, Any] = {"policy": {"name": policy, **given}}
    if learning is not None:
        body["learning"] = parse_assignments(learning, "--learning")
    with server.suggesting(application=application):
        found = server.put(f"/applications/{segment(application)}/policy", body)
    if as_json:
        print_json(found)
        return
    print(f"{application} chooses by {describe_policy(found['policy'])}")


def get_policy(server: Server, application: str, context: str | None = None) -> dict[str, Any]:
    """Return the policy of an application as management answers it."""
    query = "" if context is None else "?" + urlencode({"context": context})
    with server.suggesting(application=application):
        found: dict[str, Any] = server.get(f"/applications/{segment(application)}/policy{query}")
    return found


def describe_policy(policy: Mapping[str, Any] | None) -> str:
    """Return a policy as one writes it: ``thompson (floor=0.02)``."""
    if policy is None:
        return "by the number of models"
    parameters = [f"{key}={json.dumps(value)}" for key, value in policy.items() if key != "name"]
    return f"{policy['name']} ({', '.join(parameters)})" if parameters else str(policy["name"])


def _about(policy: type[SelectionPolicy]) -> str:
    return " ".join((policy.__doc__ or "").partition("\n\n")[0].replace("`", "").split())


def _described(policy: type[SelectionPolicy]) -> dict[str, Any]:
    parameters = {
        name: {"kind": each.kind, "default": each.default, "expected": each.expected, "help": each.help}
        for name, each in policy.parameters.items()
    }
    return {
        "learns": policy.learns,
        "needs_features": policy.needs_features,
        "about": _about(policy),
        "parameters": parameters,
    }


def _learned(found: Mapping[str, Any]) -> str:
    if found["learning"] is None:
        return "it takes no feedback"
    learned = f"learned from {count(found['observations'], 'observation')}"
    return learned + (f", knows {count(found['contexts'], 'context')}" if found["learning"].get("per_context") else "")


def _row(arm: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        arm["arm"],
        _number(arm["share"]),
        f"{arm['pulls']:,}",
        _number(arm["mean_reward"]),
        "-" if arm["interval_low"] is None else f"{arm['interval_low']:.3f} to {arm['interval_high']:.3f}",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def planned(plan: Mapping[str, Any]) -> list[str]:
    """Return in words what of a plan stands in no table: the thresholds of a cascade, and who only looks on."""
    lines = []
    if plan.get("kind") == "cascade":
        first, *later = plan["models"]
        steps = [
            f"always {model}" if threshold > 1 else f"below confidence {threshold:.3g} {model}"
            for model, threshold in zip(later, plan["thresholds"], strict=True)
        ]
        lines.append(f"asked in turn: {', '.join([first, *steps])}")
    if plan.get("shadows"):
        lines.append(f"asked without answering: {', '.join(plan['shadows'])}")
    return lines


def _event(event: Mapping[str, Any]) -> str:
    when = datetime.fromtimestamp(event["at_us"] / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{when}  {event['kind']}: {event['text']}"
