"""The table of all policies and their parameters, from the code."""

from __future__ import annotations

import json

from clipper.selection import POLICIES


def parameter_table() -> str:
    """Write one row a parameter."""
    lines = ["| policy | parameter | default | accepts | meaning |", "|---|---|--:|---|---|"]
    for name, kind in POLICIES.items():
        if not kind.parameters:
            lines.append(f"| `{name}` | | | | |")
        for index, (parameter, known) in enumerate(kind.parameters.items()):
            default = json.dumps(known.default)
            first = f"`{name}`" if index == 0 else ""
            lines.append(f"| {first} | `{parameter}` | `{default}` | {known.expected} | {known.help} |")
    return "\n".join(lines)
