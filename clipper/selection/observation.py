"""What became known about one query: the outputs of the models that were asked, and what was right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from clipper.errors import InvalidArgumentError

Loss: TypeAlias = Callable[[Any, Any], float]
"""(output, label) -> loss in [0, 1]; raises `InvalidArgumentError` if the two cannot be compared."""

_T = TypeVar("_T")


class _Absent:
    """Stands for an output or a label that is not there; None is JSON's null, which may well be one."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()
OBSERVATION_KINDS: Final = ("arms", "members", "cascade", "features", "input")


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """One model that was asked.

    Parameters
    ----------
    arm : str
        "NAME:VERSION".
    propensity : float
        The probability that its output becomes known for this query, as it was when the plan was drawn; in (0, 1].
    shown : bool
        Whether it had a part in the answer; false for a shadow, and for a stage of a cascade that did not answer.
    output : object
        Its JSON value; `ABSENT` if it is not known.
    """

    arm: str
    propensity: float = 1.0
    shown: bool = True
    output: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Observation:
    """One query with its feedback.

    Parameters
    ----------
    query_id : int or None
        None for feedback by input.
    at_us : int
        Wall-clock time of the feedback.
    context : str or None
    plan_id : int
        The plan that was in force when the query was asked.
    kind : str
        Of that plan, or "input".
    arms : tuple of ArmOutcome
        Those whose outputs are known.
    label, reward : object, float
        What was given; the other one is `ABSENT`, or None.
    features : ndarray, shape (d,), float64, or None
        Of plans of kind "features".
    losses : mapping of arm to float
        In [0, 1], of each arm that can be judged.
    unscored : mapping of arm to str
        Why an arm whose output is known cannot be judged.
    """

    query_id: int | None
    at_us: int
    context: str | None
    plan_id: int
    kind: str
    arms: tuple[ArmOutcome, ...]
    label: Any = ABSENT
    reward: float | None = None
    features: npt.NDArray[np.float64] | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    unscored: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], loss: Loss | None = None) -> Observation:
        """Return the observation of a document of the control channel.

        Parameters
        ----------
        document : mapping
            As the control channel carries it; `to_json` writes it.
        loss : callable
            Judges the outputs; without it only a reward gives losses.

        Raises
        ------
        InvalidArgumentError
            If the document is no observation.
        """
        try:
            arms = tuple(
                ArmOutcome(_typed(one["arm"], str), _propensity(one.get("propensity", 1.0)),
                           _typed(one.get("shown", True), bool), one.get("output", ABSENT))
                for one in document["arms"]
            )  # fmt: skip
            label, reward = document.get("label", ABSENT), document.get("reward")
            features = document.get("features")
            row = None if features is None else np.array(features, dtype=np.float64)
            query_id, context = document.get("query_id"), document.get("context")
            values: dict[str, Any] = {
                "query_id": None if query_id is None else _typed(query_id, int),
                "at_us": _typed(document["at_us"], int),
                "context": None if context is None else _typed(context, str),
                "plan_id": _typed(document["plan_id"], int),
                "kind": _typed(document["kind"], str),
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidArgumentError(f"no valid observation: {error!r} in {_shortened(document)}") from error
        if values["kind"] not in OBSERVATION_KINDS:
            raise InvalidArgumentError(f"no valid observation: kind {values['kind']!r}")
        if row is not None and (row.ndim != 1 or not np.isfinite(row).all()):
            raise InvalidArgumentError("no valid observation: features are not a flat list of finite numbers")
        losses, unscored = _judge(arms, label, reward, loss)
        return cls(**values, arms=arms, label=label, reward=reward, features=row, losses=losses, unscored=unscored)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `from_json` reads; losses are not in it, they follow from the loss function."""
        document: dict[str, Any] = {
            "query_id": self.query_id, "at_us": self.at_us, "context": self.context, "plan_id": self.plan_id,
            "kind": self.kind, "arms": [_outcome_json(outcome) for outcome in self.arms],
        }  # fmt: skip
        if self.label is not ABSENT:
            document["label"] = self.label
        if self.reward is not None:
            document["reward"] = self.reward
        if self.features is not None:
            document["features"] = self.features.tolist()
        return document


def _judge(
    arms: tuple[ArmOutcome, ...], label: Any, reward: object, loss: Loss | None
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the loss of each arm, and why some have none."""
    losses: dict[str, float] = {}
    unscored: dict[str, str] = {}
    if reward is not None:
        if isinstance(reward, bool) or not isinstance(reward, int | float) or not 0.0 <= reward <= 1.0:
            raise InvalidArgumentError(f"no valid observation: reward {reward!r}; expected a number from 0 to 1")
        return {outcome.arm: 1.0 - reward for outcome in arms if outcome.shown}, unscored
    if loss is None or label is ABSENT:
        return losses, unscored
    for outcome in arms:
        if outcome.output is ABSENT:
            continue
        try:
            losses[outcome.arm] = loss(outcome.output, label)
        except InvalidArgumentError as error:
            unscored[outcome.arm] = str(error)
    return losses, unscored


def _outcome_json(outcome: ArmOutcome) -> dict[str, Any]:
    document: dict[str, Any] = {"arm": outcome.arm, "propensity": outcome.propensity, "shown": outcome.shown}
    if outcome.output is not ABSENT:
        document["output"] = outcome.output
    return document


def _typed(value: Any, kind: type[_T]) -> _T:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _propensity(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 1.0:
        raise ValueError(f"propensity {value!r} is not in (0, 1]")
    return float(value)


def _shortened(document: object) -> str:
    text = repr(document)
    return text if len(text) <= 200 else f"{text[:200]}..."
