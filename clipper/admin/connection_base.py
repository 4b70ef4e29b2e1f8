"""What every group of calls of `ClipperConnection` stands on."""

from __future__ import annotations

from typing import Any

from clipper.admin import admin_calls
from clipper.admin.container_manager import ContainerManager
from clipper.admin.exceptions import UnconnectedException


class ConnectionBase:
    """Holds the container manager, and refuses to work unconnected."""

    def __init__(self, container_manager: ContainerManager) -> None:
        self.connected = False
        self.cm = container_manager

    def _require_connection(self) -> None:
        if not self.connected:
            raise UnconnectedException()

    def _call(self, call_name: str, /, **values: Any) -> str:
        self._require_connection()
        return admin_calls.call(self.cm.clipper, call_name, **values)

    def _ask(self, call_name: str, /, **values: Any) -> Any:
        self._require_connection()
        return admin_calls.ask(self.cm.clipper, call_name, **values)

    def _ask_or_none(self, call_name: str, /, **values: Any) -> Any:
        """Return the JSON object of an answer; the original answers with an empty one for what it does not know."""
        return self._ask(call_name, **values) or None
