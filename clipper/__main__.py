"""``python -m clipper``: the command line."""

from __future__ import annotations

from clipper.cli import main

if __name__ == "__main__":
    main()
