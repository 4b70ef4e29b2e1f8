"""Log lines of every process of Clipper, containers included: text for people, or one JSON object a line.

A record's structured fields are what the caller gave as ``extra``: ``logger.info("sent", extra={"batch_id": 7})``.
They are keys of the JSON object, and ``batch_id=7`` behind the text. Times are UTC with microseconds.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error", "critical")

Field = str | int | float | bool | None

# What logging itself keeps in a record, and what uvicorn adds to colour a terminal.
_NOT_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def fields_of(record: logging.LogRecord) -> dict[str, Field]:
    """Return the structured fields of a record; what is no plain value stands there as text."""
    return {name: _plain(value) for name, value in vars(record).items() if name not in _NOT_FIELDS}


def _plain(value: object) -> Field:
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


class LineFormatter(logging.Formatter):
    """What both forms share.

    Parameters
    ----------
    process : str
        Name of this process among those of its Clipper: ``frontend-0``, or a replica's id.
    constants : mapping, optional
        Fields that every record of this process has; only in JSON, where the files of all processes may be searched
        together.
    """

    def __init__(self, process: str, constants: Mapping[str, Field] | None = None) -> None:
        super().__init__()
        self.process = process
        self.constants = dict(constants or {})

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Return the record's time, such as ``2026-11-22T07:40:43.123456Z``."""
        time = datetime.fromtimestamp(record.created, UTC)
        return time.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def causes(self, record: logging.LogRecord) -> str:
        """Return the traceback and the stack of a record; empty if it has none."""
        pieces = [record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")]
        if record.stack_info:
            pieces.append(self.formatStack(record.stack_info))
        return "\n".join(piece for piece in pieces if piece)


class JsonFormatter(LineFormatter):
    """One JSON object a record, an exception's traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        document: dict[str, Field] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self.process,
            "message": record.getMessage(),
        }
        if causes := self.causes(record):
            document["exception"] = causes
        for name, value in {**self.constants, **fields_of(record)}.items():
            document.setdefault(name, value)
        return json.dumps(document, ensure_ascii=False)


class TextFormatter(LineFormatter):
    """``time LEVEL process logger: message name=value ...``, and below it the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line, or several if it has a traceback."""
        fields = "".join(f" {name}={_shown(value)}" for name, value in fields_of(record).items())
        head = f"{self.formatTime(record)} {record.levelname} {self.process} {record.name}"
        line = f"{head}: {record.getMessage()}{fields}"
        causes = self.causes(record)
        return f"{line}\n{causes}" if causes else line


def _shown(value: Field) -> str:
    """Return a value as text; in quotes where it would not be seen to be one."""
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text, ensure_ascii=False)


def make_formatter(form: str, process: str, constants: Mapping[str, Field] | None = None) -> LineFormatter:
    """Return the formatter for ``text`` or ``json``."""
    return (JsonFormatter if form == "json" else TextFormatter)(process, constants)


def start_logging(
    form: str,
    level: str,
    process: str,
    *,
    handler: logging.Handler | None = None,
    constants: Mapping[str, Field] | None = None,
) -> None:
    """Write every log record of this process from ``level`` on, warnings and uncaught exceptions included.

    A second call takes the place of the first.

    Parameters
    ----------
    form : {"text", "json"}
    handler : logging.Handler, optional
        Where to; by default stderr. An uncaught exception goes to stderr in any case.
    """
    sys.excepthook = _log_uncaught if handler is None else _log_and_show_uncaught
    handler = handler or logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(form, process, constants))
    root = logging.getLogger()
    root.handlers[:] = [other for other in root.handlers if not isinstance(other.formatter, LineFormatter)]
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger().critical("%s ended this process", kind.__name__, exc_info=(kind, error, traceback))


def _log_and_show_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _log_uncaught(kind, error, traceback)
    sys.__excepthook__(kind, error, traceback)
