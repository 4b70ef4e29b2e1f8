"""The command line, ``clipper``: one small file a command group.

Commands speak to a running Clipper through its two HTTP APIs alone; `start`, `stop` and `logs` also know the run
directory. Modules here import typer and the standard library; everything heavier is imported by the command that
needs it, so that ``clipper --help`` and shell completion answer at once.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point ``clipper``."""
    from clipper.cli.app import app

    app(prog_name="clipper")
