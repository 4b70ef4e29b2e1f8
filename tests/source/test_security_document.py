"""The limits that docs/security.md tells are those of the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from tests.support.repository import files, text_of

DOCUMENT = Path("docs/security.md")
CONSTANT = re.compile(r"^((?:MIN|MAX)_\w+|\w+_LIMIT_US|REFUSAL_\w+): Final", re.MULTILINE)


def test_limits_of_the_document_are_the_constants_of_the_code() -> None:
    rows = r"^\| `((?:clipper|model_containers)\.[\w.]+)` \| (\d+) \|"
    told = dict(re.findall(rows, text_of(DOCUMENT), re.MULTILINE))
    for name, value in told.items():
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == int(value), name
    of_code = {
        f"{'.'.join(path.with_suffix('').parts)}.{name}"
        for path in files(".py", under=("clipper", "model_containers"))
        if path.is_relative_to("clipper/security") or path.name == "rpc_keys.py"
        for name in CONSTANT.findall(text_of(path))
    }
    assert of_code == set(told)
