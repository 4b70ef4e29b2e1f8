"""The options of monitoring, rendered from code: ``python -m tests.support.monitor_tables`` rewrites docs/monitoring.md."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from clipper.monitoring.options import MonitorOptions
from tests.support.rpc_tables import TABLE, render

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"


def tables() -> dict[str, str]:
    """Return every table by name."""
    rows = []
    for option in fields(MonitorOptions):
        rule = option.metadata
        values = [f"`{value}`" for value in rule.get("choices", ())]
        accepts = ", ".join(values) if values else f"{_number(rule['least'])} to {_number(rule['most'])}"
        rows.append((f"`{option.name}`", f"`{option.default}`", accepts, rule["told"]))
    return {"monitor-options": render(["option", "default", "accepts", "meaning"], rows)}


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def with_tables(document: str) -> str:
    """Return the document with every table rendered anew."""
    rendered = tables()
    return TABLE.sub(lambda match: match.group(1) + rendered[match.group(2)] + match.group(3), document)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
