"""Queries from Python: a thin client over the same HTTP API that everybody uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from clipper.client.api_paths import segment
from clipper.client.calls import Calls
from clipper.client.checks import check_text, check_version, to_int
from clipper.client.prediction import Prediction, to_json, to_prediction, to_rows
from clipper.errors import InvalidArgumentError, NotFoundError

# A query is answered within its SLO, an hour at most; the caller only guards against a dead server.
_PREDICT_LIMIT_US: Final = 3_660_000_000


class QueryCalls(Calls):
    """The part of `Clipper` that asks for predictions."""

    def predict(
        self,
        app_name: str,
        query: Any,
        *,
        version: str | int | None = None,
        context: str | None = None,
        slo_us: int | None = None,
    ) -> Prediction:
        """Query an application over HTTP.

        Parameters
        ----------
        query : ndarray, sequence of numbers, str or bytes
            One input, of the application's type.
        version : str or int, optional
            A version other than the current one.
        context : str, optional
            A user or session, for policies that learn one by one.
        slo_us : int, optional
            This query's own latency objective.

        Raises
        ------
        CallerError
            The input does not fit, or there is no such application.
        ServerError, ModelError
            The query missed, and the application answers misses with errors.
        """
        return to_prediction(self._predict(app_name, {"input": to_json(query)}, version, context, slo_us))

    def predict_batch(
        self,
        app_name: str,
        inputs: Iterable[Any],
        *,
        version: str | int | None = None,
        context: str | None = None,
        slo_us: int | None = None,
    ) -> list[Prediction]:
        """Query an application with several inputs at once; each is a query of its own. See `predict`.

        An input that missed, where the application answers misses with errors, has its ``error`` and ``cause`` set.
        """
        if isinstance(inputs, str | bytes) or not isinstance(inputs, Iterable):
            raise InvalidArgumentError(f"inputs={inputs!r:.200} is not valid: expected several inputs")
        body = {"input_batch": [to_json(item) for item in to_rows(inputs)]}
        answer = self._predict(app_name, body, version, context, slo_us)
        return [to_prediction(item) for item in answer["batch_predictions"]]

    def _predict(
        self, app_name: str, body: dict[str, Any], version: str | int | None, context: str | None, slo_us: int | None
    ) -> Any:
        options = {
            "version": None if version is None else check_version(version),
            "context": context,
            "slo_us": None if slo_us is None else to_int("slo_us", slo_us),
        }
        body.update({key: value for key, value in options.items() if value is not None})
        path = f"/{segment(check_text('app_name', app_name))}/predict"
        try:
            return self._query.call("POST", path, body, limit_us=_PREDICT_LIMIT_US)
        except NotFoundError:
            raise NotFoundError(f"there is no application {app_name!r}", hint="register_application makes it") from None
