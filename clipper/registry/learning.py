"""What an application says about its policy and about learning: fields, defaults, and the checks of both.

Two kinds of checks. A record checks the *form* of what it is made of (`check_policy_form`, `check_learning_form`):
that holds for as long as the document lies in a store. A caller's values must *work*, too (`check_policy`,
`check_learning`): the policy and the loss can be made, here and now. A policy of a user's own, whose package is not
installed any more when Clipper starts again, must not keep the registry from being read.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from clipper.errors import InvalidArgumentError
from clipper.monitoring.options import check_monitor
from clipper.registry import names

if TYPE_CHECKING:
    from clipper.registry.records import Application
    from clipper.selection.policy import SelectionPolicy

MAX_CONTEXTS: Final = 10_000_000
MAX_TTL_S: Final = 10 * 365 * 24 * 3600  # ten years: more is a mistake in the unit
MAX_LOSS_BOUND: Final = 1e12
MAX_LABEL_FIELD_CHARACTERS: Final = 256
MAX_SHADOWS: Final = 64


@dataclass(frozen=True, slots=True)
class Learning:
    """How an application learns from feedback; the fields of ``learning={...}`` with their defaults.

    Parameters
    ----------
    loss : str
        ``zero_one``, ``squared``, ``log``, or the import path of a function (output, label) -> number.
    loss_bound : float, optional
        Losses are divided by it, and clipped to [0, 1]; None: what the loss itself says, 1, or 5 for ``log``.
    label_field : str
        Of an output that is a JSON object, this field is compared with the label.
    per_context : bool
        Whether each context (user, session) has a state of its own.
    max_contexts : int
        Contexts that are kept in memory; further ones are in the store, those observed least recently.
    context_ttl_s : int
        A context that nothing was observed of for longer is forgotten.
    decision_ttl_s : int
        How long a query waits for its feedback; later it is 404.
    log_decisions : bool
        Whether decisions and feedback are written to a file, for `clipper evaluate`.
    feedback_deadline_us : int
        Within this, feedback by input is answered.
    monitor : mapping or bool, optional
        What is watched of each model: `clipper.monitoring.options.MonitorOptions`; False: nothing.
    shadows : tuple of str
        Linked models that see the queries and never answer; only where nothing else is linked they do.
    """

    loss: str = "zero_one"
    loss_bound: float | None = None
    label_field: str = "label"
    per_context: bool = False
    max_contexts: int = 10_000
    context_ttl_s: int = 7 * 24 * 3600
    decision_ttl_s: int = 3600
    log_decisions: bool = False
    feedback_deadline_us: int = 1_000_000
    monitor: Mapping[str, Any] | bool | None = None
    shadows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text("loss", self.loss)
        if self.loss_bound is not None:
            bound = self.loss_bound
            if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 < bound <= MAX_LOSS_BOUND:
                raise _invalid("loss_bound", bound, f"a number above 0, at most {MAX_LOSS_BOUND:g}")
        _check_text("label_field", self.label_field)
        for name in ("per_context", "log_decisions"):
            if not isinstance(getattr(self, name), bool):
                raise _invalid(name, getattr(self, name), "true or false")
        for name, most in (("max_contexts", MAX_CONTEXTS), ("context_ttl_s", MAX_TTL_S), ("decision_ttl_s", MAX_TTL_S)):
            names.check_range(f"learning.{name}", getattr(self, name), 1, most)
        names.check_range("learning.feedback_deadline_us", self.feedback_deadline_us, 1, names.MAX_SLO_US)
        if self.monitor is not None and not isinstance(self.monitor, Mapping | bool):
            raise _invalid("monitor", self.monitor, "an object, or false")
        self._check_shadows()

    def _check_shadows(self) -> None:
        if len(self.shadows) > MAX_SHADOWS or len(set(self.shadows)) != len(self.shadows):
            raise _invalid("shadows", list(self.shadows), f"at most {MAX_SHADOWS} different model names")
        for name in self.shadows:
            names.check_model_name(name)

    def to_json(self) -> dict[str, Any]:
        """Return every field as a JSON object."""
        document = {field.name: getattr(self, field.name) for field in fields(self)}
        document["monitor"] = dict(self.monitor) if isinstance(self.monitor, Mapping) else self.monitor
        document["shadows"] = list(self.shadows)
        return document

    @property
    def loss_document(self) -> dict[str, Any]:
        """What decides how outputs are judged: what was learned under another one does not count any more."""
        return {"loss": self.loss, "loss_bound": self.loss_bound, "label_field": self.label_field}


LEARNING_FIELDS: Final = tuple(field.name for field in fields(Learning))


def check_policy_form(policy: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the policy as ``{"name": ...}`` with its parameters, or None for the default."""
    if policy is None:
        return None
    document = {"name": policy} if isinstance(policy, str) else dict(policy)
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidArgumentError(f"policy={name!r} is not valid: expected a text under 'name'")
    names.check_json("policy", document)
    return document


def check_policy(policy: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the policy as `check_policy_form` does, if it can be made.

    Raises
    ------
    InvalidArgumentError
        There is no such policy, or it does not take a parameter.
    """
    document = check_policy_form(policy)
    if document is not None:
        from clipper.selection.registry import make_policy

        make_policy(document)
    return document


def check_learning_form(learning: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the fields that were given, as they are stored; None: learning is not asked for."""
    if learning is None:
        return None
    if not isinstance(learning, Mapping):
        raise InvalidArgumentError(f"learning={learning!r} is not valid: expected an object")
    names.check_json("learning", dict(learning))
    for name in learning:
        if name not in LEARNING_FIELDS:
            near = difflib.get_close_matches(str(name), LEARNING_FIELDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"its fields: {', '.join(LEARNING_FIELDS)}"
            raise InvalidArgumentError(f"learning has no field {name!r}", hint=hint)
    read_learning(learning)
    return json.loads(json.dumps(dict(learning)))  # type: ignore[no-any-return]  # an object stays one


def check_learning(learning: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the fields as `check_learning_form` does, if the loss and the monitor can be made.

    Raises
    ------
    InvalidArgumentError
        A field is unknown or its value not valid, or there is no such loss.
    """
    document = check_learning_form(learning)
    if document is not None:
        from clipper.selection.losses import make_loss

        read = read_learning(document)
        make_loss(**read.loss_document)
        check_monitor(read.monitor)
    return document


def read_learning(document: Mapping[str, Any]) -> Learning:
    """Return the fields of a document with the defaults of those that it leaves out."""
    values = dict(document)
    shadows = values.get("shadows", ())
    if isinstance(shadows, str) or not isinstance(shadows, Sequence):
        raise _invalid("shadows", shadows, "a list of model names")
    return Learning(**{**values, "shadows": tuple(shadows)})


def implied_learning(policy: Mapping[str, Any] | None, learning: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return ``learning``, or all defaults where the policy learns and nothing is said.

    Raises
    ------
    InvalidArgumentError
        There is no such policy.
    """
    if learning is None and policy is not None:
        from clipper.selection.registry import policy_class

        return {} if policy_class(policy["name"]).learns else None
    return learning


def learning_of(application: Application) -> Learning | None:
    """Return how an application learns; None: it does not."""
    return None if application.learning is None else read_learning(application.learning)


def effective_policy(application: Application) -> dict[str, Any]:
    """Return the policy of an application, the default where it names none."""
    if application.policy is not None:
        return dict(application.policy)
    return {"name": "majority" if len(application.models) > 1 else "static"}


def policy_of(application: Application) -> SelectionPolicy:
    """Return the policy object of an application.

    Raises
    ------
    InvalidArgumentError
        It cannot be made any more: a package is missing.
    """
    from clipper.selection.registry import make_policy

    return make_policy(effective_policy(application))


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_LABEL_FIELD_CHARACTERS or not value.isprintable():
        raise _invalid(name, value, f"a printable text of 1 to {MAX_LABEL_FIELD_CHARACTERS} characters")


def _invalid(name: str, value: object, expected: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"learning.{name}={value!r} is not valid: expected {expected}")
