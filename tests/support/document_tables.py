"""Tables of documents that are rendered from code: ``python -m tests.support.document_tables`` rewrites them.

In a document such a table stands between ``<!-- table: name -->`` and ``<!-- end -->``; those of the RPC have a module
of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clipper.metrics.names import METRICS, Kind, Metric
from tests.support.rpc_tables import TABLE, render

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def published_name(metric: Metric) -> str:
    """Return the name as a scrape shows it."""
    return f"{metric.name}_total" if metric.kind is Kind.COUNTER else metric.name


def tables() -> Mapping[str, str]:
    """Return every table by name."""
    rows = [
        (f"`{published_name(m)}`", m.kind.value, ", ".join(f"`{label}`" for label in m.labels), m.help) for m in METRICS
    ]
    return {"metrics": render(["metric", "type", "labels", "meaning"], rows)}


def with_tables(document: str) -> str:
    """Return the document with every table rendered anew."""
    rendered = tables()
    return TABLE.sub(lambda match: match.group(1) + rendered[match.group(2)] + match.group(3), document)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
