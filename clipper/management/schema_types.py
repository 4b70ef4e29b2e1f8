"""Values of requests as the OpenAPI document describes them. The checks are those of `clipper.registry.names`.

Pydantic checks only the JSON types; what it would say of a pattern is harder to read than what the registry says.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import JsonValue, WithJsonSchema

from clipper.deploy import resources
from clipper.registry import learning, names
from clipper.selection.losses import LOSSES
from clipper.selection.registry import POLICIES


def _schema(**keywords: Any) -> WithJsonSchema:
    return WithJsonSchema(keywords)


_LABEL_PATTERN: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": names.MAX_NAME_CHARACTERS}
_DTYPE: Final = {"type": "string", "enum": list(names.DTYPES)}
_SHAPE: Final = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}}
_POLICY_NAME: Final = {
    "type": "string",
    "minLength": 1,
    "examples": list(POLICIES),
    "description": "one of those that come with Clipper, or the import path of a class, package.module:Class",
}
_AMOUNT: Final = {"type": "integer", "minimum": 0, "maximum": names.MAX_RESOURCE_AMOUNT}
_TEXT_AMOUNT: Final = {"type": "string", "pattern": f"^{names.RESOURCE_AMOUNT.pattern}$", "examples": ["512Mi"]}

_SECONDS: Final = {"type": "integer", "minimum": 1, "maximum": learning.MAX_TTL_S}
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": learning.MAX_LABEL_FIELD_CHARACTERS}
_LEARNING: Final[dict[str, Any]] = {
    "loss": {**_TEXT, "examples": list(LOSSES), "description": "or an import path, package.module:function"},
    "loss_bound": {
        "anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": learning.MAX_LOSS_BOUND}, {"type": "null"}]
    },
    "label_field": _TEXT,
    "per_context": {"type": "boolean"},
    "max_contexts": {"type": "integer", "minimum": 1, "maximum": learning.MAX_CONTEXTS},
    "context_ttl_s": _SECONDS,
    "decision_ttl_s": _SECONDS,
    "log_decisions": {"type": "boolean"},
    "feedback_deadline_us": {"type": "integer", "minimum": 1, "maximum": names.MAX_SLO_US},
    "monitor": {"anyOf": [{"type": "object"}, {"type": "boolean"}, {"type": "null"}]},
    "shadows": {
        "type": "array",
        "maxItems": learning.MAX_SHADOWS,
        "uniqueItems": True,
        "items": {**_NAME, "pattern": _LABEL_PATTERN},
    },
}

ApplicationName = Annotated[
    str,
    _schema(
        **_NAME,
        pattern=f"^{names.APPLICATION_NAME.pattern}$",
        examples=["digits"],
        description="letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    ),
]
ModelName = Annotated[
    str, _schema(**_NAME, pattern=_LABEL_PATTERN, examples=["svm"], description="a DNS label (RFC 1123 2.1)")
]
Version = Annotated[
    str, _schema(**_NAME, pattern=_LABEL_PATTERN, examples=["1"], description="the rule of model names holds")
]
InputType = Annotated[
    str,
    _schema(
        type="string",
        enum=[*names.INPUT_TYPES, *names.INPUT_TYPE_ALIASES],
        examples=["doubles"],
        description="the first six, or other spellings that the original Clipper took",
    ),
]
Slo = Annotated[
    int, _schema(type="integer", minimum=1, maximum=names.MAX_SLO_US, examples=[20_000], description="microseconds")
]
Shape = Annotated[list[int] | None, _schema(anyOf=[_SHAPE, {"type": "null"}])]
DType = Annotated[str | None, _schema(anyOf=[_DTYPE, {"type": "null"}])]
MissRule = Annotated[str, _schema(type="string", enum=list(names.MISS_RULES))]
Policy = Annotated[
    str | dict[str, JsonValue] | None,
    _schema(
        anyOf=[
            _POLICY_NAME,
            {
                "type": "object",
                "required": ["name"],
                "properties": {"name": _POLICY_NAME},
                "additionalProperties": True,
                "description": "with parameters of the policy",
            },
            {"type": "null"},
        ]
    ),
]
LearningFields = Annotated[
    dict[str, JsonValue] | None,
    _schema(
        anyOf=[
            {
                "type": "object",
                "additionalProperties": False,
                "properties": _LEARNING,
                "examples": [{"per_context": True, "context_ttl_s": 86_400}],
            },
            {"type": "null"},
        ]
    ),
]
CacheTtl = Annotated[int, _schema(type="integer", minimum=0, maximum=names.MAX_CACHE_TTL_US)]
Replicas = Annotated[int, _schema(type="integer", minimum=1, maximum=names.MAX_REPLICAS, examples=[2])]
BatchSize = Annotated[int, _schema(type="integer", minimum=0, maximum=names.MAX_BATCH_SIZE)]
Controller = Annotated[str, _schema(type="string", enum=list(names.CONTROLLERS))]
Labels = Annotated[
    list[str],
    _schema(type="array", maxItems=names.MAX_LABELS, items={"type": "string", "pattern": "^[^,:\\x00-\\x1f]{1,63}$"}),
]
Resources = Annotated[
    dict[str, int | str],
    _schema(
        type="object",
        maxProperties=names.MAX_RESOURCES,
        propertyNames={"pattern": f"^{names.RESOURCE_NAME.pattern}$"},
        additionalProperties={"anyOf": [_AMOUNT, _TEXT_AMOUNT]},
    ),
]
Gpus = Annotated[
    float | None,
    _schema(
        anyOf=[
            {"type": "integer", "minimum": 0, "maximum": resources.MAX_GPUS},
            {"type": "number", "minimum": float(resources.MIN_GPU_SHARE), "exclusiveMaximum": 1},
            {"type": "null"},
        ],
        examples=[1, 0.5],
    ),
]
Description = Annotated[str, _schema(type="string", maxLength=names.MAX_DESCRIPTION_CHARACTERS)]
