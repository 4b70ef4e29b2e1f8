"""docs/monitoring.md tells the options and events that there are."""

from __future__ import annotations

import re
from pathlib import Path

from clipper.metrics.names import MONITOR_EVENT_KINDS
from clipper.monitoring.arm_monitor import FINDINGS
from tests.support import monitor_tables
from tests.support.repository import text_of

DOCUMENT = Path("docs/monitoring.md")


def test_table_of_options_is_as_the_code_renders_it() -> None:
    text = text_of(DOCUMENT)
    assert monitor_tables.with_tables(text) == text, "run: python -m tests.support.monitor_tables"


def test_every_event_is_told() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", text_of(DOCUMENT).split("| event |")[1], re.MULTILINE)
    told = [kind for row in rows for kind in re.findall(r"`(\w+)`", row)]
    assert sorted(told[: len(MONITOR_EVENT_KINDS)]) == sorted(MONITOR_EVENT_KINDS)
    assert MONITOR_EVENT_KINDS[: len(FINDINGS)] == FINDINGS
