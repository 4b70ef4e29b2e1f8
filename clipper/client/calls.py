"""What every group of calls stands on: the two HTTP clients of one `Clipper`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from clipper.client.http_client import HttpClient

_API: Final = "/api/v1"
# Changes wait for every frontend (ManagementConfig.apply_limit_us) behind other changes that do.
CHANGE_LIMIT_US: Final = 60_000_000
# A deployment is bounded by ManagementConfig.ready_limit_us; the caller only guards against a dead server.
DEPLOY_LIMIT_US: Final = 900_000_000


class Calls:
    """Holds no state but the clients, so that the groups of calls can be read one by one."""

    query_url: str
    management_url: str
    _query: HttpClient
    _management: HttpClient

    def _manage(self, method: str, path: str, body: Any = None, *, limit_us: int = CHANGE_LIMIT_US) -> Any:
        return self._management.call(method, _API + path, body, limit_us=limit_us)

    def _manage_with_events(self, method: str, path: str, body: Any = None) -> Iterator[dict[str, Any]]:
        return self._management.call_with_events(method, _API + path, body, limit_us=DEPLOY_LIMIT_US)


def segment(name: str) -> str:
    """Return ``name`` as one segment of a URL path."""
    return quote(name, safe="") or "%20"  # an empty name must not name the collection


API_PREFIX: Final = _API
