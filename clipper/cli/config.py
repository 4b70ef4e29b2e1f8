"""``clipper config``: the effective configuration, and where each value came from."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from clipper.cli.options import JsonOption, RunDirOption
from clipper.cli.output import print_json, print_table, say, styled


def config(
    run_dir: RunDirOption = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="TOML file of the configuration. Default: ./clipper.toml, then clipper/clipper.toml in "
            "$XDG_CONFIG_HOME.",
            metavar="FILE",
            envvar="CLIPPER_CONFIG",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="As `clipper start` takes it; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not a default.", show_default=False)] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Print a TOML file with every option and its default.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the configuration, and where it comes from.

    It is what `clipper start` would use. The command line is stronger than variables CLIPPER_SECTION__OPTION,
    those than the file, that than the defaults.
    """
    from clipper.cli.start import overrides_of
    from clipper.config import SourceKind, effective_rows, example_toml, load_config

    if example:
        print(example_toml(), end="")
        return
    loaded = load_config(
        file=config_file, environment=os.environ, overrides=overrides_of(settings or []), run_dir=run_dir
    )
    rows = effective_rows(loaded.config, loaded.origins)
    if changed:
        rows = [row for row in rows if loaded.origins[row.key].kind is not SourceKind.DEFAULT]
    if as_json:
        print_json({row.key: {"value": tomllib.loads(f"v = {row.value}")["v"], "origin": row.origin} for row in rows})
        return
    say(f"file: {loaded.file}" if loaded.file else "file: none (`clipper config --example > clipper.toml` makes one)")
    shown = [
        (row.key, row.value, styled(row.origin, "dim" if row.origin == SourceKind.DEFAULT else "cyan")) for row in rows
    ]
    print_table(("OPTION", "VALUE", "FROM"), shown, "Everything has its default.")
