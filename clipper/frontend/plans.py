"""Plans as management sends them become plans that the core carries out.

The form of a plan is that of `clipper.selection.plan_spec.PlanSpec`. It is read here without it, key by key: policies
bring numpy along, and a worker without a policy that needs it does not wait for its import.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clipper._core.context_plans import DEFAULT_MAX_CONTEXTS
from clipper._core.model_runtime import ModelRuntime
from clipper._core.plan import Plan
from clipper.errors import ClipperError, InvalidArgumentError
from clipper.types import ModelId

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clipper.selection.policy import SelectionPolicy

_log = logging.getLogger("clipper.selection")

Models = Mapping[str, ModelRuntime]
"""By "NAME:VERSION"."""

# The policies that need no import, and the parameters with which they do not.
_PLAIN_POLICIES: Final[Mapping[str, frozenset[str]]] = {
    "static": frozenset({"name"}),
    "majority": frozenset({"name", "answer_when_decided", "min_confidence"}),
    "mean": frozenset({"name", "min_confidence"}),
}
# The keys of a plan that are options of `Plan` by the same name.
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "arms": ("probabilities", "sticky"),
    "members": ("rule", "weights", "observe_all_ratio", "min_confidence"),
    "cascade": ("thresholds",),
    "features": (),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom an application's plans may name.

    Parameters
    ----------
    arms : mapping
        The current version of each linked model, in link order.
    models : mapping
        Every version that takes the application's inputs: what may be a shadow.
    policy : mapping
        Whose plans they are.
    """

    arms: Models
    models: Models
    policy: Mapping[str, Any]
    max_contexts: int

    @classmethod
    def of(
        cls,
        described: Mapping[str, Any],
        linked: Sequence[Mapping[str, Any]],
        models: Mapping[ModelId, ModelRuntime],
    ) -> Asked:
        """Read it from an application of a snapshot and the models that it links."""
        current = [
            models[ModelId(model["name"], model["current_version"])]
            for model in linked
            if model["current_version"] is not None  # withdrawn: the link waits for the next version
        ]
        return cls(
            {runtime.model_id: runtime for runtime in current},
            {one.model_id: one for one in models.values() if one.input_type == described["input_type"]},
            described["policy"],
            (described.get("learning") or {}).get("max_contexts", DEFAULT_MAX_CONTEXTS),
        )

    def plan_of(self, document: Mapping[str, Any], application: str) -> Plan | None:
        """Return the plan of a document; None, and a line in the log, if it cannot be carried out."""
        try:
            return make_plan(document, self.arms, self.models)
        except InvalidArgumentError as error:
            _log.warning("a plan is passed over: %s", error, extra={"application": application})
            return None

    def can_ask(self, plan: Plan) -> bool:
        """Whether all models of a plan are there still."""
        return set(self.arms.values()).issuperset(plan.models) and set(self.models.values()).issuperset(plan.shadows)


class FeatureSelection:
    """The ``select`` of a policy, as the core calls it: rows of doubles in, lists out.

    Parameters
    ----------
    policy : SelectionPolicy
    parameters : mapping
        Of the plan.
    rng : Generator
        Where the policy's chance comes from.
    """

    def __init__(self, policy: SelectionPolicy, parameters: Mapping[str, Any], rng: np.random.Generator) -> None:
        import numpy as np

        self._from_bytes: Callable[[bytes], npt.NDArray[np.float64]] = lambda rows: np.frombuffer(rows, np.float64)
        self._as_array = np.asarray
        self._policy = policy
        self._parameters = parameters
        self._rng = rng

    def __call__(self, rows: bytes, count: int) -> tuple[list[int], list[float]]:
        features = self._from_bytes(rows).reshape(count, -1)
        arms, propensities = self._policy.select(self._parameters, features, self._rng)
        arms, propensities = self._as_array(arms), self._as_array(propensities)
        if arms.shape != (count,) or propensities.shape != (count,):
            raise ValueError(
                f"select of policy {self._policy.name!r} returned arms of shape {arms.shape} and propensities of shape "
                f"{propensities.shape}, expected {(count,)} of both"
            )
        return arms.tolist(), propensities.tolist()


def make_plan(document: Mapping[str, Any], arms: Models, models: Models) -> Plan:
    """Return the plan of a document.

    Parameters
    ----------
    document : mapping
        As `PlanSpec.to_json` writes it.
    arms : mapping
        The current versions of the linked models: who may answer.
    models : mapping
        Every version of the snapshot: who may be a shadow.

    Raises
    ------
    InvalidArgumentError
        If it names a model that may not be asked, or is no plan.
    """
    try:
        kind = document["kind"]
        options: dict[str, Any] = {name: document[name] for name in _OPTIONS.get(kind, ()) if name in document}
        if kind == "members":
            options["waits_for_all"] = not document.get("answer_when_decided", True)
        elif kind == "features":
            options["select"] = _select_of(document)
        return Plan(
            kind,
            [_named(model, arms, "the current version of a linked model") for model in document["models"]],
            shadows=[
                _named(model, models, "a model version with the input type") for model in document.get("shadows", ())
            ],
            plan_id=document["plan_id"],
            **options,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        said = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidArgumentError(f"plan {document.get('plan_id')!r} is not valid: {said}") from error


def _named(model: str, known: Models, expected: str) -> ModelRuntime:
    runtime = known.get(model)
    if runtime is None:
        raise InvalidArgumentError(
            f"a plan names {model!r}, which is not {expected}: {', '.join(known) or 'there is none'}"
        )
    return runtime


def _select_of(document: Mapping[str, Any]) -> FeatureSelection:
    import numpy as np

    from clipper.selection.registry import policy_class

    return FeatureSelection(policy_class(document["policy"])(), document["parameters"], np.random.default_rng())


def initial_plan(policy: Mapping[str, Any], arms: Sequence[ModelRuntime]) -> Plan | None:
    """Return the plan of a policy that nothing was learned for yet; None: there is no model to ask.

    Where the policy cannot say, every model is as likely as the others: management has refused the policies that do not
    exist, so it is one that this worker cannot import.
    """
    if not arms:
        return None
    name = policy["name"]
    if len(arms) == 1 or (name == "static" and set(policy) <= _PLAIN_POLICIES["static"]):
        return Plan("arms", arms[:1])
    if set(policy) <= _PLAIN_POLICIES.get(name, frozenset()):
        waits = not policy.get("answer_when_decided", True)
        least = policy.get("min_confidence", 0.0)
        return Plan("members", arms, rule=name, waits_for_all=waits, min_confidence=least, observe_all_ratio=0.0)
    by_name = {runtime.model_id: runtime for runtime in arms}
    try:
        from clipper.selection.registry import make_policy

        made = make_policy(policy)
        document = made.plan(made.init(list(by_name)), 0).to_json()
        return make_plan(document, by_name, by_name)
    except (ClipperError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        _log.warning("policy %r has no plan, every model is drawn alike: %s", name, error)
        return Plan("arms", arms)
