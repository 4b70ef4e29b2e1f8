"""Where the management API's calls lie, and how long a caller waits for one. Imports nothing that is heavy."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

API: Final = "/api/v1"
# Changes wait for every frontend (ManagementConfig.apply_limit_us) behind other changes that do.
CHANGE_LIMIT_US: Final = 60_000_000
# A deployment is bounded by ManagementConfig.ready_limit_us; the caller only guards against a dead server.
DEPLOY_LIMIT_US: Final = 900_000_000


def segment(name: str) -> str:
    """Return ``name`` as one segment of a URL path; an empty one must not name the collection."""
    return quote(name, safe="") or "%20"
