"""``commit_loop.py URL RUN_DIR``: commits two documents that belong together until it is killed.

Prints each revision once it is acknowledged. Both documents name the revision that put them, and each commit removes
the key of the one before, so a commit of which only a part was made shows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clipper.errors import StateUnavailableError
from clipper.state.open import open_store
from clipper.types import Revision


def main() -> None:
    """Commit for ever."""
    store = open_store(sys.argv[1], Path(sys.argv[2]))
    revision = store.load().revision
    while True:
        following = Revision(revision + 1)
        document = {"revision": following, "filler": "x" * 5_000}
        try:
            store.commit(
                revision, {"left": document, "right": document, f"only/{following}": {}, f"only/{revision}": None}
            )
        except StateUnavailableError as error:  # the server was killed instead
            sys.exit(str(error))
        sys.stdout.write(f"{following}\n")
        sys.stdout.flush()
        revision = following


if __name__ == "__main__":
    main()
