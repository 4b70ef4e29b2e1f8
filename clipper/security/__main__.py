"""``python -m clipper.security``: make a token, or the keys of the RPC over TCP."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from clipper.errors import ClipperError
from clipper.security.rpc_keys import DEFAULT_CONTAINER_NAME, make_rpc_keys
from clipper.security.tokens import make_token_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is asked for; secrets go to files, never to the terminal."""
    parser = argparse.ArgumentParser(prog="python -m clipper.security", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    token = commands.add_parser("token", help="make a file with a new management token")
    token.add_argument("file", type=Path)
    keys = commands.add_parser("rpc-keys", help="make the keys of a container, and those of the frontends if missing")
    keys.add_argument("directory", type=Path)
    keys.add_argument("name", nargs="?", default=DEFAULT_CONTAINER_NAME, help="of the container, or of its host")
    options = parser.parse_args(arguments)
    try:
        if options.command == "token":
            make_token_file(options.file)
            made = options.file
        else:
            made = make_rpc_keys(options.directory, options.name)
    except ClipperError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
