"""``python -m clipper.state.copy FROM TO``: copies a state from one store to another, as a backup or to move it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clipper.errors import AlreadyExistsError, ClipperError, InvalidArgumentError, NotFoundError
from clipper.state.open import open_store
from clipper.state.store import NO_REVISION, StateStore, StoredState
from clipper.types import Revision

_STDIN: Final = "-"


def copy_state(source: StateStore, target: StateStore) -> StoredState:
    """Copy everything into an empty store, under the same revision, in one commit; return what was copied.

    The source may be in use: what is copied is one whole state of it.

    Raises
    ------
    NotFoundError
        The source is empty.
    AlreadyExistsError
        The target is not.
    """
    state = source.load()
    if state.revision == NO_REVISION:
        raise NotFoundError(f"the state in {source.url} is empty", hint="is that the right one?")
    if target.load().revision != NO_REVISION:
        raise AlreadyExistsError(
            f"the state in {target.url} is not empty, and is not written over", hint="name an empty one"
        )
    target.commit(NO_REVISION, state.documents, Revision(state.revision - 1))
    return state


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy; a URL with a password is better read from standard input, which no process list shows."""
    parser = argparse.ArgumentParser(
        prog="python -m clipper.state.copy",
        description="Copy a state: sqlite:PATH, or redis://[:password@]host:port/db[?prefix=name]. "
        f"A URL given as {_STDIN} is read from standard input.",
    )
    parser.add_argument("source", metavar="FROM")
    parser.add_argument("target", metavar="TO")
    options = parser.parse_args(arguments)
    urls = [sys.stdin.readline().strip() if url == _STDIN else url for url in (options.source, options.target)]
    stores: list[StateStore] = []
    try:
        _check_urls(*urls)
        for url in urls:
            stores.append(open_store(url, Path.cwd()))
        state = copy_state(*stores)
        sys.stdout.write(
            f"copied revision {state.revision} with {len(state.documents)} documents "
            f"from {stores[0].url} to {stores[1].url}\n"
        )
    except ClipperError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        for store in stores:
            store.close()
    return 0


def _check_urls(source: str, target: str) -> None:
    """Refuse what would open a file that nobody named, or make the one to copy from."""
    if not source or not target:
        raise InvalidArgumentError("a URL is empty", hint="name both: sqlite:PATH or redis://...")
    scheme, _, path = source.partition(":")
    if scheme == "sqlite" and not Path(path).exists():
        raise NotFoundError(f"there is no file {path!r}")


if __name__ == "__main__":
    sys.exit(main())
