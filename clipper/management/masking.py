"""The configuration as callers may see it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from clipper.config import ClipperConfig

MASK: Final = "***"
_SECRET_NAME: Final = re.compile(r"(?:^|_)(?:password|secret|token|key)$")
# redis://user:password@host
_PASSWORD_OF_URL: Final = re.compile(r"(?<=://)([^/@:]*):[^/@]*(?=@)")


def masked_config(config: ClipperConfig) -> dict[str, Any]:
    """Return the configuration by section and field, with every secret value replaced; paths of secrets stay."""
    masked: dict[str, Any] = _masked(json.loads(config.to_json()))
    return masked


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _masked(entry, key) for key, entry in value.items()}
    if isinstance(value, list):
        return [_masked(entry, name) for entry in value]
    if isinstance(value, str):
        return MASK if value and _SECRET_NAME.search(name) else _PASSWORD_OF_URL.sub(rf"\1:{MASK}", value)
    return value
