"""The base class of all Python model containers."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from model_containers.codec import Frame, Header, Inputs, WireError, decode_predict, encode_error
from model_containers.outputs import encode_outputs
from model_containers.results import encode_result
from model_containers.settings import ContainerSettings
from model_containers.wire import ErrorCode

TRACEBACK_INTERVAL_US: Final = 1_000_000  # a model that fails every batch must not drown its own log

logger = logging.getLogger("model_containers")


class ItemError(Exception):
    """Put in the place of an output: this input failed, the others of its batch did not.

    Parameters
    ----------
    cause : str
        A short sentence for the caller.
    """


class FatalError(BaseException):
    """Raised by a model: this process can answer no more batch, whatever it is asked (its device is lost, say).

    It ends, with a code of its own; the batch in hand is not answered, so that the frontend gives it to another replica
    while its deadlines allow. No subclass of ``Exception``: nothing between the model and the loop may swallow it.

    Parameters
    ----------
    cause : str
        For the log.
    """


class ModelContainer(ABC):
    """A model behind ``predict_batch``. Derive from it, then call ``serve(YourContainer())``.

    Everything runs on the main thread of the process, one batch at a time.
    """

    _last_traceback_us: int | None = None
    _untold_failures = 0  # exceptions since the last one whose traceback was logged

    def load(self, settings: ContainerSettings) -> None:
        """Load the model. Called once, after the frontend was told that this container exists."""
        return

    def warm_up(self) -> None:
        """Run the model once, so that the first query does not pay for lazy initialisation. Called after ``load``."""
        return

    @abstractmethod
    def predict_batch(self, inputs: Inputs) -> Any:
        """Return one output per input, in order.

        Parameters
        ----------
        inputs : ndarray, shape (batch, dim), or (batch, \\*shape) for tensors
            Read-only view of the received bytes. Vectors of different lengths come as a list of 1-D arrays,
            strings as a list of ``str``, bytes as a list of ``bytes``.

        Returns
        -------
        outputs : ndarray or list
            See ``model_containers.outputs`` for what an output may be. An exception that is raised fails the whole
            batch; an exception that stands in place of an output fails that item.
        """

    def answer(self, header: Header, frames: Sequence[Frame]) -> list[Any]:
        """Decode one PREDICT, run the model, and return the frames of the RESULT or ERROR. Never raises."""
        try:
            request = decode_predict(header, frames)
        except WireError as error:
            logger.error("a batch cannot be decoded: %s", error, extra={"batch_id": header.batch_id})
            return encode_error(ErrorCode.BAD_REQUEST, str(error), batch_id=header.batch_id)
        started_ns = time.monotonic_ns()
        try:
            outputs = self.predict_batch(request.inputs)
            compute_us = (time.monotonic_ns() - started_ns) // 1000
            encoded = encode_outputs(outputs, request.item_count)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a model may raise anything, and it is told and logged
            now_us = time.monotonic_ns() // 1000
            self._log_failure(header.batch_id, now_us)
            cause = f"{type(error).__name__}: {error}"
            compute_us = now_us - started_ns // 1000
            return encode_error(ErrorCode.MODEL_ERROR, cause, batch_id=header.batch_id, compute_us=compute_us)
        if logger.isEnabledFor(logging.DEBUG):
            facts = {"batch_id": header.batch_id, "batch_size": request.item_count, "compute_us": compute_us}
            logger.debug("answered a batch", extra=facts)
        return encode_result(encoded, request.item_count, header.batch_id, compute_us)

    def _log_failure(self, batch_id: int, now_us: int) -> None:
        """Log the exception being handled, with its traceback at most once a TRACEBACK_INTERVAL_US."""
        if self._last_traceback_us is not None and now_us - self._last_traceback_us < TRACEBACK_INTERVAL_US:
            self._untold_failures += 1
            return
        logger.exception(
            "batch %d failed (%d more since the last traceback)",
            batch_id,
            self._untold_failures,
            extra={"batch_id": batch_id},
        )
        self._last_traceback_us, self._untold_failures = now_us, 0
