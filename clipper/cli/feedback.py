"""``clipper feedback``: tells an application how good its answers were; by hand, or a file of labels that came late."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from clipper.cli.assignments import parse_value
from clipper.cli.inputs import open_lines, read_input
from clipper.cli.options import ApplicationArgument, JsonOption, with_server
from clipper.cli.output import count, print_json, say
from clipper.cli.server import Server
from clipper.client.api_paths import CHANGE_LIMIT_US, segment
from clipper.errors import CallerError, InvalidArgumentError, NotFoundError

_SHOWN_REFUSALS: Final = 10  # of a file; the others are counted


@with_server
def feedback(
    server: Server,
    application: ApplicationArgument,
    query_id: Annotated[
        int | None,
        typer.Argument(
            help="Which query is meant: the query_id of its answer.", metavar="QUERY_ID", show_default=False
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="The right output: JSON, or a word.", metavar="LABEL"),
    ] = None,
    reward: Annotated[
        float | None,
        typer.Option(
            "--reward", help="How good the answer was, from 0 to 1, instead of --label.", metavar="X", min=0.0, max=1.0
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            "--input",
            help="Instead of QUERY_ID: an input whose label is known, as of `predict`; every model learns from it.",
            metavar="INPUT",
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option("--context", help="The user or session that --input belongs to.", metavar="TEXT"),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            help="A line of JSON for each piece of feedback: query_id or input, and label or reward; - is stdin.",
            metavar="FILE",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell an application how good an answer was.

    Policies that learn from it change whom they ask. The same feedback again changes nothing.
    """
    single = {"QUERY_ID": query_id, "--label": label, "--reward": reward, "--input": query, "--context": context}
    given = [name for name, value in single.items() if value is not None]
    if file is not None:
        if given:
            raise InvalidArgumentError(f"--file stands alone: {', '.join(given)} cannot be given beside it")
        _send_file(_Sender(server, application), file, as_json)
        return
    if (query_id is None) == (query is None):
        raise InvalidArgumentError(
            "which query is meant: give its QUERY_ID, or --input" if query is None else "give QUERY_ID or --input",
            hint=f"`clipper predict {application} INPUT --json` shows the query_id",
        )
    if (label is None) == (reward is None):
        raise InvalidArgumentError(
            "give --label or --reward, one of the two", hint="the label is the right output, a reward is 0 to 1"
        )
    sender = _Sender(server, application)
    body: dict[str, Any] = {"query_id": query_id} if query is None else {"input": sender.read(query)}
    body |= {"label": parse_value(label)} if label is not None else {"reward": reward}
    answer = sender.send(body if context is None else {**body, "context": context})
    if as_json:
        print_json(answer)
        return
    print(_told(answer))


class _Sender:
    """Sends feedback to one application.

    Raises
    ------
    NotFoundError
        There is none of that name.
    """

    def __init__(self, server: Server, name: str) -> None:
        status = server.status()
        applications = {item["name"]: item for item in status["applications"]}
        if name not in applications:
            with server.suggesting(application=name):
                known = ", ".join(applications) or "none"
                raise NotFoundError(f"there is no application {name!r}", hint=f"known: {known}")
        self._name = name
        self._input_type = str(applications[name]["input_type"])
        self._client = server.query(status)

    def read(self, text: str) -> Any:
        """Return an input of the application's type."""
        return read_input(text, self._input_type, self._name, source="--input")

    def send(self, body: Any) -> dict[str, Any]:
        """Send one piece of feedback; raises what the server says of it."""
        path = f"/{segment(self._name)}/update"
        answer: dict[str, Any] = self._client.call("POST", path, body, limit_us=CHANGE_LIMIT_US)
        return answer


def _told(answer: dict[str, Any]) -> str:
    if answer["feedback"] == "duplicate":
        return "this was said before: it counts once"
    if "evaluated" not in answer:
        return "joined"
    asked = f"joined: {count(answer['evaluated'], 'model')} asked, {answer['cached']} in the cache"
    return asked + (f", without {', '.join(answer['missing'])}" if answer.get("missing") else "")


def _send_file(sender: _Sender, file: str, as_json: bool) -> None:
    """Send every line; what the server refuses is told, and the rest goes on."""
    outcomes: Counter[str] = Counter()
    first: CallerError | None = None
    for number, line in _lines(file):
        try:
            outcomes[sender.send(_body(line))["feedback"]] += 1
        except CallerError as error:
            if error.http_status in (401, 403):
                raise
            outcomes["refused"] += 1
            first = first or error
            if outcomes["refused"] <= _SHOWN_REFUSALS:
                say(f"line {number}: {error.message}")
    counted = {name: outcomes[name] for name in ("joined", "duplicate", "refused")}
    if as_json:
        print_json(counted)
    else:
        print(", ".join(f"{number:,} {name}" for name, number in counted.items() if number or name == "joined"))
    if first is not None:
        raise type(first)(f"{count(outcomes['refused'], 'line')} of {file} refused", hint="the others count")


def _lines(file: str) -> Iterator[tuple[int, str]]:
    with open_lines(file) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line


def _body(line: str) -> Any:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise InvalidArgumentError(f"no JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidArgumentError('no JSON object: expected one such as {"query_id": 12, "label": 7}')
    return body
