"""What every group of calls stands on: the two HTTP clients of one `Clipper`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clipper.client.api_paths import API, CHANGE_LIMIT_US, DEPLOY_LIMIT_US
from clipper.client.http_client import HttpClient


class Calls:
    """Holds no state but the clients, so that the groups of calls can be read one by one."""

    query_url: str
    management_url: str
    _query: HttpClient
    _management: HttpClient

    def _manage(self, method: str, path: str, body: Any = None, *, limit_us: int = CHANGE_LIMIT_US) -> Any:
        return self._management.call(method, API + path, body, limit_us=limit_us)

    def _manage_with_events(self, method: str, path: str, body: Any = None) -> Iterator[dict[str, Any]]:
        return self._management.call_with_events(method, API + path, body, limit_us=DEPLOY_LIMIT_US)
