"""What a plan would have answered where the outputs of all its models are known: nothing is estimated there.

The rules are those of the core (docs/ensembles.md); tests hold them to the same twin.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from clipper.selection.observation import ABSENT
from clipper.selection.plan_spec import PlanSpec


def answer_of(plan: PlanSpec, outputs: Mapping[str, Any]) -> tuple[Any, float]:
    """Return the output of a plan of kind "members" or "cascade", and its confidence; `ABSENT` where it has none.

    Parameters
    ----------
    outputs : mapping of arm to JSON value
        Of all models of the plan.
    """
    if plan.kind == "cascade":
        return _cascade(plan, outputs)
    values = [outputs[model] for model in plan.models]
    if plan.rule == "mean":
        return _mean(values, plan.weights or [1.0] * len(values))
    weights = plan.weights if plan.rule == "weighted" else [1.0] * len(values)
    return _vote(values, weights)


def confidence_of(output: Any) -> float | None:
    """Return how sure a model says it is: "confidence" of an object, the largest of an array; None if unknown."""
    if isinstance(output, Mapping):
        value = output.get("confidence")
        return float(value) if isinstance(value, int | float) and _is_number(value) else None
    if isinstance(output, list) and output and all(map(_is_number, output)):
        return float(max(output))
    return None


def _vote(values: Sequence[Any], weights: Sequence[float]) -> tuple[Any, float]:
    """Return the output with the largest sum of weights; of equals the one whose first giver is linked first."""
    sums: dict[str, float] = {}
    first: dict[str, Any] = {}
    for value, weight in zip(values, weights, strict=True):
        text = json.dumps(value)
        sums[text] = sums.get(text, 0.0) + weight
        first.setdefault(text, value)
    best = max(sums, key=sums.__getitem__)
    total = math.fsum(weights)
    return first[best], sums[best] / total if total > 0 else 0.0


def _mean(values: Sequence[Any], weights: Sequence[float]) -> tuple[Any, float]:
    total = math.fsum(weights)
    if all(map(_is_number, values)):
        return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / total, 1.0
    lists = [value for value in values if isinstance(value, list) and all(map(_is_number, value))]
    if len(lists) < len(values) or len({len(value) for value in lists}) != 1:
        return ABSENT, 0.0
    return [
        math.fsum(v * w for v, w in zip(row, weights, strict=True)) / total for row in zip(*lists, strict=True)
    ], 1.0


def _cascade(plan: PlanSpec, outputs: Mapping[str, Any]) -> tuple[Any, float]:
    for model, threshold in zip(plan.models[:-1], plan.thresholds, strict=True):
        confidence = confidence_of(outputs[model])
        if confidence is not None and confidence >= threshold:
            return outputs[model], confidence
    last = outputs[plan.models[-1]]
    confidence = confidence_of(last)
    return last, 1.0 if confidence is None else confidence


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
