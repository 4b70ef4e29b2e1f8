"""``python -m clipper.evaluation``: one `Question`, as JSON on stdin, answered on stdout.

A process of its own: estimates take seconds of computing, and a policy under evaluation may be anybody's code.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from clipper.errors import ClipperError
from clipper.evaluation.question import Question

NICENESS: Final = 10  # queries go first


def main() -> int:
    """Print ``{"answer": ...}``, or ``{"error": ..., "cause": ..., "hint": ...}``."""
    os.nice(NICENESS)
    fields: dict[str, Any] = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr  # a policy may print
    fields["logs"] = [Path(path) for path in fields["logs"]]
    document: dict[str, Any]
    try:
        document = {"answer": Question(**fields).answer().to_json()}
    except ClipperError as error:
        document = {"error": error.code, "cause": error.message, "hint": error.hint}
    json.dump(document, answers)
    answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
