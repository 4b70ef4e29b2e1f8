"""Applications and their links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipper.client.api_paths import segment
from clipper.client.calls import Calls
from clipper.client.checks import check_text, to_int, to_shape
from clipper.client.listings import ApplicationInfo, Listing
from clipper.client.policies import LearningOption, PolicyOption, check_learning, check_policy
from clipper.client.prediction import to_json
from clipper.registry import names


class ApplicationCalls(Calls):
    """The part of `Clipper` that is about applications."""

    def register_application(
        self,
        name: str,
        input_type: str,
        default_output: Any,
        latency_slo_us: int,
        shape: int | Sequence[int] | None = None,
        dtype: str | None = None,
        on_miss: str = "default",
        policy: PolicyOption = None,
        *,
        learning: LearningOption = None,
        max_slo_us: int | None = None,
        cache: bool = True,
        cache_ttl_us: int = 0,
    ) -> None:
        """Register a query endpoint ``/<name>/predict``.

        Parameters
        ----------
        input_type : str
            ``integers``, ``floats``, ``doubles``, ``strings``, ``bytes`` or ``tensor``.
        default_output : JSON value
            What a query gets when no model answers within the objective.
        latency_slo_us : int
            The objective, from the arrival of a query to its answer.
        shape : int or sequence of int, optional
            Length of a vector, or dimensions of a tensor; other inputs are then refused.
        dtype : str, optional
            Element type of a tensor.
        on_miss : str
            ``default``: answer with the default output; ``error``: with an HTTP error.
        policy : str or mapping, optional
            How it chooses among several models, see docs/selection.md; by default ``majority``. ``thompson`` and
            ``hedge`` learn from `feedback` which models to trust. With parameters:
            ``{"name": "majority", "answer_when_decided": False}`` waits for every model, up to the deadline, so that
            the confidence tells how many agree. A policy of your own by its import path: ``"package.module:Class"``.
        learning : bool or mapping, optional
            What feedback means: ``loss``, ``per_context``, ``shadows``, ``log_decisions`` and more, see
            docs/selection.md. A policy that learns needs none of it; True takes feedback also where the policy does
            not learn.
        max_slo_us : int, optional
            Ceiling of a query's own ``slo_us``; by default ``latency_slo_us``.

        Raises
        ------
        AlreadyExistsError, InvalidArgumentError
            The name is taken; a value is not valid.
        """
        body = {
            "name": names.check_application_name(name),
            "input_type": names.check_input_type(input_type),
            "default_output": to_json(default_output),
            "latency_slo_us": names.check_slo("latency_slo_us", to_int("latency_slo_us", latency_slo_us)),
            "max_slo_us": None if max_slo_us is None else to_int("max_slo_us", max_slo_us),
            "shape": to_shape(shape),
            "dtype": dtype if dtype is None or isinstance(dtype, str) else getattr(dtype, "name", str(dtype)),
            "on_miss": on_miss,
            "policy": check_policy(policy),
            "learning": check_learning(learning),
            "cache": cache,
            "cache_ttl_us": to_int("cache_ttl_us", cache_ttl_us),
        }
        self._manage("POST", "/applications", body)

    def delete_application(self, name: str) -> None:
        """Delete an application; its models stay."""
        self._manage("DELETE", f"/applications/{segment(check_text('name', name))}")

    def get_application(self, name: str) -> ApplicationInfo:
        """Return one application; `NotFoundError` if there is none of that name."""
        return ApplicationInfo.from_answer(self._manage("GET", f"/applications/{segment(check_text('name', name))}"))

    def get_applications(self) -> Listing[ApplicationInfo]:
        """Return every application."""
        return Listing(ApplicationInfo, map(ApplicationInfo.from_answer, self._manage("GET", "/applications")))

    def link_model_to_app(self, app_name: str, model_name: str) -> None:
        """Let an application use a model; several may be linked. Queries use it when this returns."""
        self._manage("PUT", _link(app_name, model_name))

    def unlink_model_from_app(self, app_name: str, model_name: str) -> None:
        """Undo `link_model_to_app`."""
        self._manage("DELETE", _link(app_name, model_name))


def _link(app_name: str, model_name: str) -> str:
    application, model = check_text("app_name", app_name), check_text("model_name", model_name)
    return f"/applications/{segment(application)}/links/{segment(model)}"
