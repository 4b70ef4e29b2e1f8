"""Applications and links, in the words of the original."""

from __future__ import annotations

import logging
from typing import Any

from clipper.admin.connection_base import ConnectionBase

_logger = logging.getLogger(__name__)


class ApplicationCalls(ConnectionBase):
    """The part of `ClipperConnection` that is about applications."""

    def register_application(self, name: str, input_type: str, default_output: str, slo_micros: int) -> None:
        """Register an endpoint ``/<name>/predict``; it answers with ``default_output`` when no model does in time."""
        values = {"input_type": input_type, "default_output": default_output, "latency_slo_micros": slo_micros}
        self._call("add_app", name=name, **values)
        _logger.info("Application %s was successfully registered", name)

    def delete_application(self, name: str) -> None:
        """Do the same as `unregister_application`, by its older name."""
        _logger.warning("delete_application is deprecated: use unregister_application")
        self.unregister_application(name)

    def unregister_application(self, name: str) -> None:
        """Delete an application; its models stay."""
        self._call("delete_app", name=name)
        _logger.info("Application %s was successfully deleted", name)

    def link_model_to_app(self, app_name: str, model_name: str) -> None:
        """Let a model answer an application's queries; an application has one model at most."""
        self._call("add_model_links", app_name=app_name, model_names=[model_name])
        _logger.info("Model %s is now linked to application %s", model_name, app_name)

    def unlink_model_from_app(self, app_name: str, model_name: str) -> None:
        """Undo `link_model_to_app`."""
        self._call("delete_model_links", app_name=app_name, model_names=[model_name])
        _logger.info("Model %s is now removed from application %s", model_name, app_name)

    def get_all_apps(self, verbose: bool = False) -> list[Any]:
        """Return the names of all applications, or what `get_app_info` says of each."""
        return list(self._ask("get_all_applications", verbose=verbose))

    def get_app_info(self, name: str) -> dict[str, Any] | None:
        """Return one application, or None."""
        info: dict[str, Any] | None = self._ask_or_none("get_application", name=name)
        if info is None:
            _logger.warning("Application %s is not registered with Clipper", name)
        return info

    def get_linked_models(self, app_name: str) -> list[str]:
        """Return the names of the models that are linked to an application."""
        return list(self._ask("get_linked_models", app_name=app_name))
