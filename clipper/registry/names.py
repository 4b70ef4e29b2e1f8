"""What a name may look like, and the checks of every value that a caller registers.

Each check returns the value in its canonical form or raises `InvalidArgumentError` with the rule.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from clipper.errors import InvalidArgumentError

MAX_NAME_CHARACTERS: Final = 63  # of a DNS label (RFC 1123 2.1), the rule of the original system
MAX_SLO_US: Final = 3_600_000_000  # an hour: more is a mistake in the unit
MAX_REPLICAS: Final = 1024
MAX_BATCH_SIZE: Final = 65_536
MAX_DEFAULT_OUTPUT_BYTES: Final = 64 * 1024
MAX_JSON_DEPTH: Final = 64  # of a default output or a policy: less than any reader's own limit
MAX_SAMPLE_INPUT_BYTES: Final = 1024 * 1024  # it is kept in the registry and travels with every snapshot
MAX_SAMPLES_BYTES: Final = 16 * 1024 * 1024  # of all versions together
MAX_LABELS: Final = 64
MAX_CACHE_TTL_US: Final = 2**53
MAX_RESOURCES: Final = 16
MAX_RESOURCE_AMOUNT: Final = 2**53  # what every JSON reader holds exactly: 8 PiB, in bytes
MAX_DESCRIPTION_CHARACTERS: Final = 1024

INPUT_TYPES: Final = ("integers", "floats", "doubles", "strings", "bytes", "tensor")
DTYPES: Final = (
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "bool"),
)
MISS_RULES: Final = ("default", "error")
CONTROLLERS: Final = ("aimd", "quantile", "fixed")

_MODEL_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
APPLICATION_NAME: Final = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?")
# Path segments of the query port that are not applications.
_RESERVED_APPLICATIONS: Final = frozenset({"metrics", "healthz", "readyz", "v2"})
# The spellings that the original system accepts.
INPUT_TYPE_ALIASES: Final = {
    **dict.fromkeys(("integer", "ints", "int", "i"), "integers"),
    **dict.fromkeys(("float", "f"), "floats"),
    **dict.fromkeys(("double", "d"), "doubles"),
    **dict.fromkeys(("string", "strs", "str", "s"), "strings"),
    **dict.fromkeys(("byte", "b"), "bytes"),
}
_OWN_DTYPES: Final = {"integers": "int32", "floats": "float32", "doubles": "float64"}
_LABEL: Final = re.compile(r"[^,:\x00-\x1f]{1,63}")
# Of Kubernetes' extended resources, such as "nvidia.com/gpu", and of its quantities, such as "512Mi" and "0.5".
RESOURCE_NAME: Final = re.compile(r"[A-Za-z0-9]([-_./A-Za-z0-9]{0,61}[A-Za-z0-9])?")
RESOURCE_AMOUNT: Final = re.compile(r"[A-Za-z0-9]([-_.:/A-Za-z0-9]{0,61}[A-Za-z0-9])?")


def check_application_name(name: object) -> str:
    """Letters, digits, ``-``, ``_``, ``.``; a letter or digit at both ends; at most 63 characters; not reserved."""
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS or not APPLICATION_NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"{name!r} is no name for an application",
            hint="use at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
        )
    if name in _RESERVED_APPLICATIONS:
        raise InvalidArgumentError(f"the name {name!r} is reserved by the query port", hint="choose another name")
    return name


def check_model_name(name: object) -> str:
    """Return ``name`` if it is a DNS label: lower-case letters, digits and ``-``, at most 63 characters."""
    return _check_label("model name", name)


def check_version(version: object) -> str:
    """Return the version as a string; numbers are accepted, and the rule of model names holds."""
    if isinstance(version, int) and not isinstance(version, bool):
        version = str(version)
    return _check_label("model version", version)


def _check_label(what: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARACTERS or not _MODEL_NAME.fullmatch(value):
        raise InvalidArgumentError(
            f"{value!r} is no {what}",
            hint="use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends",
        )
    return value


def check_input_type(input_type: object) -> str:
    """Return the canonical input type; the original system's other spellings are accepted."""
    canonical = INPUT_TYPE_ALIASES.get(input_type, input_type) if isinstance(input_type, str) else input_type
    return _check_choice("input_type", canonical, INPUT_TYPES)


def check_shape(
    input_type: str, shape: int | Sequence[int] | None, dtype: str | None
) -> tuple[tuple[int, ...] | None, str | None]:
    """Return shape and dtype as the frontend wants them.

    A tensor declares both. A numeric vector may declare its length, as an int or a sequence of one; its dtype
    follows from the input type. Strings and bytes declare neither.
    """
    dimensions = (shape,) if isinstance(shape, int) else shape
    if dimensions is not None:
        valid = all(type(length) is int and length > 0 for length in dimensions) and len(dimensions) > 0
        if not valid or math.prod(dimensions) > 2**31:
            raise InvalidArgumentError(
                f"shape={shape!r} is not valid: expected positive lengths, at most 2**31 elements"
            )
    if input_type == "tensor":
        if dimensions is None or dtype is None:
            raise InvalidArgumentError(
                "an application for tensors declares dtype and shape",
                hint="for example dtype='float32', shape=(28, 28)",
            )
        return tuple(dimensions), _check_choice("dtype", dtype, DTYPES)
    own_dtype = _OWN_DTYPES.get(input_type)
    if dtype not in (None, own_dtype):
        raise InvalidArgumentError(f"dtype={dtype!r} does not fit input_type={input_type!r}", hint="leave it out")
    if dimensions is not None and (own_dtype is None or len(dimensions) != 1):
        raise InvalidArgumentError(
            f"shape={shape!r} does not fit input_type={input_type!r}",
            hint="a numeric vector declares its length; use input_type='tensor' for more dimensions",
        )
    return (None if dimensions is None else tuple(dimensions)), None


def check_slo(name: str, slo_us: object) -> int:
    """Return a latency objective in microseconds: positive, at most an hour."""
    return check_range(name, slo_us, 1, MAX_SLO_US)


def check_range(name: str, value: object, least: int, most: int) -> int:
    """Return ``value`` if it is an int from ``least`` to ``most``."""
    if type(value) is not int or not least <= value <= most:
        raise InvalidArgumentError(f"{name}={value!r} is not valid: expected an integer from {least} to {most}")
    return value


def check_default_output(output: object) -> str:
    """Return the JSON text of ``output``: any JSON value that every JSON reader takes, up to 64 KiB."""
    return check_json("default_output", output)


def check_sample_input(sample: object) -> str:
    """Return the JSON text of a sample input, up to 1 MiB; "" stands for None: no sample."""
    return "" if sample is None else check_json("sample_input", sample, MAX_SAMPLE_INPUT_BYTES)


def check_sample_input_json(text: str) -> str:
    """Return the JSON text of a sample input if it is not too long."""
    if len(text) > MAX_SAMPLE_INPUT_BYTES:
        raise InvalidArgumentError(
            f"sample_input has {len(text)} bytes as JSON; at most {MAX_SAMPLE_INPUT_BYTES} are allowed"
        )
    return text


def check_json(name: str, value: object, most_bytes: int = MAX_DEFAULT_OUTPUT_BYTES) -> str:
    """Return the JSON text of a value: without NaN, infinities and lone surrogates, and neither too deep nor long."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{name} is no JSON value: {error}") from error
    if len(text) > most_bytes:
        raise InvalidArgumentError(f"{name} has {len(text)} bytes as JSON; at most {most_bytes} are allowed")
    if _depth(value) > MAX_JSON_DEPTH:
        raise InvalidArgumentError(f"{name} is nested more than {MAX_JSON_DEPTH} deep")
    return text


def _depth(value: object) -> int:
    """Return how many arrays and objects lie in each other at most; without recursion, whatever comes."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list | tuple)]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def check_miss_rule(on_miss: object) -> str:
    """Return ``on_miss`` if it is one of `MISS_RULES`."""
    return _check_choice("on_miss", on_miss, MISS_RULES)


def check_controller(controller: object) -> str:
    """Return ``controller`` if it is one of `CONTROLLERS`."""
    return _check_choice("controller", controller, CONTROLLERS)


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels: 1 to 63 characters each, without commas, colons and control characters; at most 64."""
    if isinstance(labels, str) or not all(isinstance(label, str) and _LABEL.fullmatch(label) for label in labels):
        raise InvalidArgumentError(
            f"labels={labels!r} is not valid: expected a list of strings of 1 to 63 characters without ',' and ':'"
        )
    if len(labels) > MAX_LABELS:
        raise InvalidArgumentError(f"{len(labels)} labels are too many: at most {MAX_LABELS} are allowed")
    return tuple(labels)


def check_resources(resources: Mapping[str, int | str]) -> dict[str, int | str]:
    """Return what a replica asks of its machine, such as ``{"cpu": 2, "memory": "512Mi", "nvidia.com/gpu": 1}``.

    The names are open, since each container manager knows its own. An amount is an integer from 0, or a text of
    letters, digits and ``-_.:/`` with 1 to 63 characters.
    """
    if not isinstance(resources, Mapping) or len(resources) > MAX_RESOURCES:
        raise InvalidArgumentError(
            f"resources={resources!r} is not valid: expected a mapping of at most {MAX_RESOURCES} amounts by name"
        )
    for name, amount in resources.items():
        if not isinstance(name, str) or not RESOURCE_NAME.fullmatch(name):
            raise InvalidArgumentError(
                f"{name!r} is no name of a resource",
                hint="use 1 to 63 letters, digits, '-', '_', '.' and '/', with a letter or digit at both ends",
            )
        is_text = isinstance(amount, str) and RESOURCE_AMOUNT.fullmatch(amount) is not None
        if not is_text and not (type(amount) is int and 0 <= amount <= MAX_RESOURCE_AMOUNT):
            raise InvalidArgumentError(
                f"the resource {name!r} is {amount!r}: expected an integer from 0 to {MAX_RESOURCE_AMOUNT}, or a text "
                "of 1 to 63 characters",
                hint="for example 2, '0.5' or '512Mi'",
            )
    return dict(resources)


def check_description(description: object) -> str:
    """Return the text: at most 1024 characters, printable but for line ends and tabs."""
    if not isinstance(description, str) or not all(char.isprintable() or char in "\n\t" for char in description):
        raise InvalidArgumentError(f"description={description!r} is not valid: expected printable text")
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        raise InvalidArgumentError(
            f"description has {len(description)} characters; at most {MAX_DESCRIPTION_CHARACTERS} are allowed"
        )
    return description


def _check_choice(name: str, value: object, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise InvalidArgumentError(f"{name}={value!r} is not valid: expected one of {', '.join(choices)}")
    return value
