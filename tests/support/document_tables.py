"""Tables of documents that are rendered from code: ``python -m tests.support.document_tables`` rewrites them.

In a document such a table stands between ``<!-- table: name -->`` and ``<!-- end -->``; those of the RPC have a module
of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clipper.config import Key, keys
from clipper.config.option import expected_of
from clipper.config.rendering import in_larger_units, shown_default
from clipper.metrics.names import Kind, Metric, Page, metrics_of
from tests.support.rpc_tables import TABLE, render

DOCUMENTS = [Path(__file__).resolve().parents[2] / "docs" / name for name in ("operations.md", "configuration.md")]


def published_name(metric: Metric) -> str:
    """Return the name as a scrape shows it."""
    return f"{metric.name}_total" if metric.kind is Kind.COUNTER else metric.name


def tables() -> Mapping[str, str]:
    """Return every table by name."""
    found = {
        "metrics": render(["metric", "type", "labels", "meaning"], _metric_rows(Page.QUERY)),
        "management-metrics": render(["metric", "type", "labels", "meaning"], _metric_rows(Page.MANAGEMENT)),
    }
    for section in dict.fromkeys(key.section for key in keys().values()):
        of_section = [_option_row(key) for key in keys().values() if key.section == section]
        name = f"options-{section}" if section else "options"
        found[name] = render(["option", "default", "accepts", "meaning"], of_section)
    return found


def _metric_rows(page: Page) -> list[tuple[str, str, str, str]]:
    return [
        (f"`{published_name(m)}`", m.kind.value, ", ".join(f"`{label}`" for label in m.labels), m.help)
        for m in metrics_of(page)
    ]


def _option_row(key: Key) -> tuple[str, str, str, str]:
    readable = in_larger_units(key)
    default = f"`{shown_default(key)}`" + (f" ({readable})" if readable else "")
    return f"`{key}`", default, expected_of(key.kind, key.about), key.about.meaning


def with_tables(document: str) -> str:
    """Return the document with every table rendered anew."""
    rendered = tables()
    return TABLE.sub(lambda match: match.group(1) + rendered[match.group(2)] + match.group(3), document)


if __name__ == "__main__":
    for path in DOCUMENTS:
        path.write_text(with_tables(path.read_text()))
