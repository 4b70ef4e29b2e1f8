"""Log lines: what stands in them, in both forms."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from model_containers.log_lines import FORMATS, LEVELS, make_formatter
from model_containers.settings import LogSettings, SettingsError

CREATED_S = datetime(2026, 11, 22, 7, 40, 43, 123_456, tzinfo=UTC).timestamp()
TIME = "2026-11-22T07:40:43.123456Z"


def record(message: str, *values: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("clipper.query", logging.WARNING, __file__, 1, message, values, None)
    made.created = CREATED_S
    vars(made).update(fields)
    return made


def failed_record() -> logging.LogRecord:
    made = record("it failed")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def as_json(made: logging.LogRecord, **constants: str) -> dict[str, Any]:
    line = make_formatter("json", "frontend-0", constants).format(made)
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_json_line_has_time_level_logger_process_message_and_fields() -> None:
    assert as_json(record("%d misses", 3, query_id=12, application="digits"), replica_id="m:1:0") == {
        "time": TIME, "level": "warning", "logger": "clipper.query", "process": "frontend-0", "message": "3 misses",
        "replica_id": "m:1:0", "query_id": 12, "application": "digits",
    }  # fmt: skip


def test_text_line_has_the_fields_behind_the_message() -> None:
    line = make_formatter("text", "frontend-0").format(record("missed", query_id=12, cause='no "x"', note=""))
    assert line == f'{TIME} WARNING frontend-0 clipper.query: missed query_id=12 cause="no \\"x\\"" note=""'


def test_field_cannot_forge_a_line_of_text() -> None:
    line = make_formatter("text", "p").format(record("x", cause=f"a\n{TIME} INFO p clipper: all is well"))
    assert line.count("\n") == 0


def test_exception_is_one_json_line_and_a_traceback_below_a_text_line() -> None:
    document = as_json(failed_record())
    assert document["message"] == "it failed"
    assert document["exception"].startswith("Traceback") and document["exception"].endswith("ValueError: two\nlines")
    first, *below = make_formatter("text", "p").format(failed_record()).splitlines()
    assert first.endswith("it failed") and below[0].startswith("Traceback")


def test_field_named_as_a_key_of_ours_does_not_replace_it() -> None:
    assert as_json(record("x", level="loud", time=0))["level"] == "warning"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", [1, 2]], ids=repr)
def test_field_that_json_has_no_plain_value_for_is_text(value: object) -> None:
    assert as_json(record("x", field=value))["field"] == str(value)


def test_log_settings_are_read_and_what_they_cannot_be_is_refused() -> None:
    assert LogSettings.from_environment({}) == LogSettings("text", "info")
    assert LogSettings.from_environment({"CLIPPER_LOG_FORMAT": "json", "CLIPPER_LOG_LEVEL": "debug"}).form == "json"
    with pytest.raises(SettingsError, match="CLIPPER_LOG_LEVEL is 'loud', expected one of debug, info"):
        LogSettings.from_environment({"CLIPPER_LOG_LEVEL": "loud"})
    assert set(FORMATS) == {"text", "json"} and "critical" in LEVELS


def run_python(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_uncaught_exception_and_warning_are_json_lines() -> None:
    start = "from model_containers.log_lines import start_logging as s; s('json', 'info', 'p')"
    lines = run_python(f"{start}\nimport warnings\nwarnings.warn('careful', stacklevel=1)\nraise KeyError('gone')")
    warned, died = (json.loads(line) for line in lines)
    assert warned["logger"] == "py.warnings" and "careful" in warned["message"]
    assert died["level"] == "critical" and died["exception"].endswith("KeyError: 'gone'")


def test_container_without_its_variables_says_so_in_the_form_it_was_told() -> None:
    code = "import os; os.environ['CLIPPER_LOG_FORMAT'] = 'json'\nfrom model_containers.noop.__main__ import *"
    done = subprocess.run(
        [sys.executable, "-m", "model_containers.noop"], env={"CLIPPER_LOG_FORMAT": "json", "PATH": ""},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2, code
    assert "CLIPPER_MODEL_NAME is not set" in json.loads(done.stderr)["message"]
