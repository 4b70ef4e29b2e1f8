"""The commands and options of the command line, rendered from typer: ``python -m tests.support.cli_tables``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from clipper.cli.app import app
from clipper.cli.bench_options import LoadOptions
from clipper.cli.exit_codes import MEANINGS
from tests.support.rpc_tables import TABLE, render

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def commands() -> list[tuple[str, ...]]:
    """Return the words of every command, groups included."""
    return [path for path, _ in _walk(typer.main.get_command(app), ())]


def tables() -> dict[str, str]:
    """Return every table by name: ``cli-deploy``, ``cli-apps-register``, and those that stand once."""
    found = {
        "cli-exit-codes": render(["code", "meaning"], [(f"`{code.value}`", text) for code, text in MEANINGS.items()]),
        "cli-commands": render(["command", "does"], _summaries()),
    }
    shared: dict[str, tuple[str, ...]] = {}
    of_loads: dict[str, tuple[str, ...]] = {}
    load_options = {field.name for field in fields(LoadOptions)} - {"as_json"}
    for path, command in _walk(typer.main.get_command(app), ()):
        if hasattr(command, "commands"):
            continue
        rows = []
        for parameter in command.params:
            row = _row(parameter)
            if parameter.name in ("url", "run_dir", "token_file", "ca_file"):
                shared[row[0]] = row
            elif path[0] == "bench" and parameter.name in load_options and path[1:] != ("report",):
                of_loads[row[0]] = row
            elif parameter.name != "help":
                rows.append(row)
        found["-".join(("cli", *path))] = render(["argument or option", "default", "meaning"], rows)
    found["cli-bench-load"] = render(["option", "default", "meaning"], list(of_loads.values()))
    found["cli-connection"] = render(["option", "default", "meaning"], list(shared.values()))
    return found


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if path:
        yield path, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from _walk(sub, (*path, name))


def _summaries() -> list[tuple[str, str]]:
    return [
        (f"`clipper {' '.join(path)}`", _first_line(command.help))
        for path, command in _walk(typer.main.get_command(app), ())
        if not hasattr(command, "commands")
    ]


def _first_line(text: str) -> str:
    return text.split("\n\n")[0].replace("\n", " ")


def _row(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        word = parameter.metavar.strip("[]")
        name = f"`{word}`" if parameter.required else f"`[{word}]`"
    else:
        flags = [*parameter.opts, *parameter.secondary_opts]
        takes = "" if parameter.is_flag else f" {parameter.metavar}"
        name = ", ".join(f"`{flag}{takes}`" for flag in flags).replace("|", "\\|")
    default = parameter.default
    shown = "" if default in (None, False, ...) or parameter.required or callable(default) else f"`{default}`"
    meaning = re.sub(r"\s+", " ", parameter.help or "").replace("|", "\\|")
    variable = f" Variable: `{parameter.envvar}`." if parameter.envvar else ""
    return name, shown, meaning + variable


def with_tables(document: str) -> str:
    """Return the document with every table rendered anew."""
    rendered = tables()
    return TABLE.sub(lambda match: match.group(1) + rendered[match.group(2)] + match.group(3), document)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
