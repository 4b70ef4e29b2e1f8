"""The version of this distribution, for whoever may not import the whole package."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
