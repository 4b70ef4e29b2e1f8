"""How queries are to be answered until further notice: what a policy plans and the core carries out, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clipper.errors import InvalidArgumentError

KINDS: Final = ("arms", "members", "cascade", "features")
RULES: Final = ("majority", "mean", "weighted")
# How far a sum of probabilities may be from 1: rounding of a thousand doubles, and of a JSON writer with 12 digits.
SUM_TOLERANCE: Final = 1e-9
ALWAYS_ESCALATE: Final = 2.0  # a threshold above every confidence, which is at most 1


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """One plan. What another kind needs stays at its default.

    Parameters
    ----------
    kind : str
        "arms" (one model is drawn), "members" (all are asked, one output is made of theirs), "cascade" (one after the
        other, from cheap to dear) or "features" (`SelectionPolicy.select` decides on the query's own numbers).
    models : tuple of str
        The arms, "NAME:VERSION".
    probabilities : tuple of float
        Of kind "arms": one for each model, their sum is 1.
    sticky : bool
        Of kind "arms": queries with the same context always draw the same model, as long as models and probabilities
        stay the same; see `clipper.selection.sticky`. Those without a context draw afresh.
    rule, weights, answer_when_decided, observe_all_ratio, min_confidence
        Of kind "members"; ``weights`` is empty or has one number from 0 for each model.
    thresholds : tuple of float
        Of kind "cascade", one fewer than models: below it the next stage is asked.
    policy, parameters, floor
        Of kind "features": a name of the registry or an import path, what its ``select`` is given, and the least
        probability that it promises for each arm.
    shadows : tuple of str
        Models that are asked, and never answer.
    plan_id : int
        Unique and growing per application. Policies leave it at 0; who publishes plans numbers them.

    Raises
    ------
    InvalidArgumentError
        If the parts contradict each other.
    """

    kind: str
    models: tuple[str, ...]
    probabilities: tuple[float, ...] = ()
    sticky: bool = False
    rule: str = "majority"
    weights: tuple[float, ...] = ()
    answer_when_decided: bool = True
    observe_all_ratio: float = 1.0
    min_confidence: float = 0.0
    thresholds: tuple[float, ...] = ()
    policy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    floor: float = 0.0
    shadows: tuple[str, ...] = ()
    plan_id: int = 0

    def __post_init__(self) -> None:
        _expect(self.kind in KINDS, f"kind {self.kind!r}", f"one of {', '.join(KINDS)}")
        _expect(len(self.models) > 0, "models", "at least one")
        named = self.models + self.shadows
        _expect(all(isinstance(name, str) for name in named), "models", "texts, NAME:VERSION")
        _expect(len(set(named)) == len(named), f"models {named!r}", "each of them once, a shadow not among the others")
        _expect(type(self.plan_id) is int and self.plan_id >= 0, f"plan_id {self.plan_id!r}", "an integer from 0")
        {"arms": self._check_arms, "members": self._check_members, "cascade": self._check_cascade}.get(
            self.kind, self._check_features
        )()

    def _check_arms(self) -> None:
        given = self.probabilities
        _expect(len(given) == len(self.models), f"probabilities {given!r}", "one for each model")
        _expect(all(0.0 <= each <= 1.0 for each in given), f"probabilities {given!r}", "numbers from 0 to 1")
        _expect(abs(math.fsum(given) - 1.0) <= SUM_TOLERANCE, f"probabilities {given!r}", "a sum of 1")

    def _check_members(self) -> None:
        _expect(self.rule in RULES, f"rule {self.rule!r}", f"one of {', '.join(RULES)}")
        count = (0, len(self.models)) if self.rule != "weighted" else (len(self.models),)
        _expect(len(self.weights) in count, f"weights {self.weights!r}", "one for each model")
        finite = all(0.0 <= each < math.inf for each in self.weights)
        total_is_positive = not self.weights or math.fsum(self.weights) > 0
        _expect(finite and total_is_positive, f"weights {self.weights!r}", "finite numbers from 0, not all 0")
        for name in ("observe_all_ratio", "min_confidence"):
            value = getattr(self, name)
            _expect(0.0 <= value <= 1.0, f"{name} {value!r}", "a number from 0 to 1")

    def _check_cascade(self) -> None:
        given = self.thresholds
        _expect(len(given) == len(self.models) - 1, f"thresholds {given!r}", "one fewer than models")
        in_range = all(0.0 <= each <= ALWAYS_ESCALATE for each in given)
        _expect(in_range, f"thresholds {given!r}", f"numbers from 0 to {ALWAYS_ESCALATE}")

    def _check_features(self) -> None:
        _expect(isinstance(self.policy, str) and self.policy != "", f"policy {self.policy!r}", "a name")
        most = 1.0 / len(self.models)
        _expect(0.0 <= self.floor <= most, f"floor {self.floor!r}", f"a number from 0 to {most:g}, 1 over the models")

    def to_json(self) -> dict[str, Any]:
        """Return the plan as the control channel carries it: only what its kind needs."""
        document: dict[str, Any] = {"plan_id": self.plan_id, "kind": self.kind, "models": list(self.models)}
        if self.kind == "arms":
            document["probabilities"] = list(self.probabilities)
            if self.sticky:
                document["sticky"] = True
        elif self.kind == "members":
            document["rule"] = self.rule
            if self.weights:
                document["weights"] = list(self.weights)
            for name in ("answer_when_decided", "observe_all_ratio", "min_confidence"):
                document[name] = getattr(self, name)
        elif self.kind == "cascade":
            document["thresholds"] = list(self.thresholds)
        else:
            document.update(policy=self.policy, parameters=dict(self.parameters), floor=self.floor)
        if self.shadows:
            document["shadows"] = list(self.shadows)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PlanSpec:
        """Return the plan of a document.

        Raises
        ------
        InvalidArgumentError
            If it is no plan, or has a field that no plan has.
        """
        _expect(isinstance(document, Mapping), f"{document!r}", "an object")
        unknown = sorted(set(document) - set(cls.__slots__))
        _expect(not unknown, f"fields {unknown!r}", f"only {', '.join(cls.__slots__)}")
        _expect({"kind", "models"} <= set(document), f"fields {sorted(document)!r}", "at least kind and models")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        try:
            return cls(**values)
        except TypeError as error:  # of a comparison with a field of another type
            raise InvalidArgumentError(f"no valid plan: {error}") from error


def one_of(models: Sequence[str], chosen: int, **more: Any) -> PlanSpec:
    """Return the plan that always asks the same model; the others stay in it with probability 0."""
    probabilities = tuple(1.0 if index == chosen else 0.0 for index in range(len(models)))
    return PlanSpec("arms", tuple(models), probabilities=probabilities, **more)


def _expect(holds: bool, what: str, expected: str) -> None:
    if not holds:
        raise InvalidArgumentError(f"no valid plan: {what}; expected {expected}")
