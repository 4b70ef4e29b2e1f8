"""docs/cli.md tells every command and every option, as typer has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import cli_tables
from tests.support.repository import text_of

DOCUMENT = Path("docs/cli.md")


def test_tables_of_the_command_line_are_as_typer_has_them() -> None:
    text = text_of(DOCUMENT)
    assert cli_tables.with_tables(text) == text, "run: python -m tests.support.cli_tables"


@pytest.mark.parametrize("path", cli_tables.commands(), ids=" ".join)
def test_command_is_told_with_the_options_of_its_own(path: tuple[str, ...]) -> None:
    text = text_of(DOCUMENT)
    assert f"clipper {' '.join(path)}" in text
    rows = cli_tables.tables().get("-".join(("cli", *path)), "").splitlines()[2:]
    if any("`--" in row and "`--json`" not in row for row in rows):
        assert f"<!-- table: cli-{'-'.join(path)} -->" in text
