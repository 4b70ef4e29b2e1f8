"""The constants and the rule of names of the original's Python API."""

from __future__ import annotations

import re
from typing import Final

from clipper.admin.exceptions import ClipperException

DEFAULT_BATCH_SIZE: Final = -1  # found by measurement
DEFAULT_PREDICTION_CACHE_SIZE_BYTES: Final = 33_554_432
DEFAULT_HTTP_TIMEOUT_REQUEST: Final = 5  # seconds
CONTAINERLESS_MODEL_IMAGE: Final = "NO_CONTAINER"

_RULE: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
_TEXT: Final = (
    "Invalid value: {value}: a model {part} must be a valid DNS-1123  subdomain. It must consist of lower case "
    "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
    "'example.com', regex used for validation is '{rule}'"
)


def check_versioned_name(name: str, version: str) -> None:
    """Refuse what the original refuses in `build_model` and `deploy_model`, in its words."""
    for part, value in (("name", name), ("version", version)):
        if not isinstance(value, str) or re.match(_RULE, value) is None:
            raise ClipperException(_TEXT.format(value=value, part=part, rule=_RULE))


def check_batch_size(batch_size: int) -> int | None:
    """Return a fixed batch size, or None if it is to be found by measurement."""
    if batch_size == DEFAULT_BATCH_SIZE:
        return None
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
        raise ClipperException(
            f"The batch size must be positive or DEFAULT_BATCH_SIZE, which is {DEFAULT_BATCH_SIZE}; got {batch_size!r}"
        )
    return batch_size
