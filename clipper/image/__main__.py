"""``python -m clipper.image start``: what ``clipper start`` does, after it was handed the container's secrets.

Other commands of ``clipper`` run as they are. The command takes this process's place, so signals reach it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from clipper.config import load_config
from clipper.errors import ClipperError
from clipper.image.secrets import take_secrets
from clipper.security.private_directory import PRIVATE_UMASK

_START = "start"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Become ``clipper`` with these arguments, or end with 1."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    environment = dict(os.environ)
    if words[:1] == [_START]:
        os.umask(PRIVATE_UMASK)
        try:
            # Only for the run directory: what the secrets add is not there yet, so options may still contradict.
            run_dir = load_config(environment=_run_dir_alone(environment), overrides={}).config.run_dir
            environment = take_secrets(environment, run_dir)
        except (ClipperError, OSError) as error:
            sys.stderr.write(f"clipper: {error}\n")
            sys.exit(1)
    os.execve(sys.executable, [sys.executable, "-m", "clipper", *words], environment)


def _run_dir_alone(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("CLIPPER_") or "__" not in name}


if __name__ == "__main__":
    main()
