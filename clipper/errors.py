"""Every exception that Clipper raises, split by whose fault it is.

Each class carries a stable ``code``, the ``http_status`` that the APIs answer with, and whether the same call may
succeed if it is made again (``retriable``). The message says what went wrong; ``hint`` says what to do about it.
"""

from __future__ import annotations

from typing import ClassVar


class ClipperError(Exception):
    """Root of the tree.

    Parameters
    ----------
    message : str
        What went wrong, where, and what was expected; the offending value quoted.
    hint : str, optional
        What the reader can do about it.
    """

    code: ClassVar[str] = "clipper_error"
    http_status: ClassVar[int] = 500
    retriable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


# -- the caller's fault ------------------------------------------------------------------------------------------


class CallerError(ClipperError):
    """The request cannot be carried out as it was made."""

    code = "bad_request"
    http_status = 400


class InvalidArgumentError(CallerError):
    """A value is outside what its parameter accepts."""

    code = "invalid_argument"


class NotFoundError(CallerError):
    """The named application, model, version or replica does not exist."""

    code = "not_found"
    http_status = 404


class AlreadyExistsError(CallerError):
    """The name is taken."""

    code = "already_exists"
    http_status = 409


class ConflictError(CallerError):
    """The request contradicts the present state (incompatible input types, a model that is still linked)."""

    code = "conflict"
    http_status = 409


class UnknownQueryError(NotFoundError):
    """Feedback names a query that is not remembered: of another application, too long ago, or never asked."""

    code = "unknown_query"


class ContradictoryFeedbackError(ConflictError):
    """Feedback says something else of a query than was said before; what was said first stays."""

    code = "contradictory_feedback"


class FeedbackDisabledError(ConflictError):
    """Feedback for an application that does not learn."""

    code = "feedback_disabled"


class TooLargeError(CallerError):
    """What was sent is larger than a limit; the message names it."""

    code = "payload_too_large"
    http_status = 413


class UnusableLogError(CallerError):
    """A decision log cannot tell what a policy would have earned: it is of another kind, damaged, or not random."""

    code = "unusable_log"
    http_status = 422


class UnauthorizedError(CallerError):
    """The management API wants a bearer token, and the request carries none, or one that is not accepted."""

    code = "unauthorized"
    http_status = 401


# -- the server's fault ------------------------------------------------------------------------------------------


class ServerError(ClipperError):
    """Clipper could not do what it was rightly asked to do."""

    code = "server_error"


class StartError(ServerError):
    """A process of Clipper did not come up: a port is taken, a directory cannot be written."""

    code = "start_failed"


class UnavailableError(ServerError):
    """Clipper, or the part of it that was asked, cannot be reached now."""

    code = "unavailable"
    http_status = 503
    retriable = True


class StateUnavailableError(ServerError):
    """The state store takes no change now: its disk is full, its file is locked or read-only, its server is gone.

    Nothing has changed; to `UnavailableError`, a change that is made may only not be known everywhere yet.
    """

    code = "state_unavailable"
    http_status = 503
    retriable = True


class StateError(ServerError):
    """What the state store holds is damaged, or is not Clipper's."""

    code = "state_damaged"


# -- the model's fault -------------------------------------------------------------------------------------------


class ModelError(ClipperError):
    """A model or its container misbehaved."""

    code = "model_error"
    http_status = 502


class DeployError(ModelError):
    """A container died or did not become ready; carries the last lines of its log.

    Parameters
    ----------
    log_tail : str
        The last lines the container wrote before it failed; empty if it wrote none.
    """

    code = "deploy_failed"

    def __init__(self, message: str, *, hint: str = "", log_tail: str = "") -> None:
        super().__init__(message, hint=hint)
        self.log_tail = log_tail

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n--- last lines of the container's log ---\n{self.log_tail}" if self.log_tail else text


class ProtocolError(ModelError):
    """A peer broke the RPC protocol."""

    code = "protocol_error"


# -- our fault ---------------------------------------------------------------------------------------------------


class InternalError(ClipperError):
    """An invariant of Clipper does not hold: a bug, please report it."""

    code = "internal_error"


# -- over the wire -------------------------------------------------------------------------------------------------


def kind_of(code: str) -> type[ClipperError] | None:
    """Return the class whose ``code`` an error answer carries; None if there is none of that code."""
    return _KINDS.get(code)


_KINDS = {
    kind.code: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, ClipperError) and kind is not ClipperError
}
