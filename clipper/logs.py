"""How the processes of Clipper log: one set-up for the supervisor, the frontend workers, management and containers.

A process writes lines to stderr; the supervisor copies them to a file of that process (`clipper.log_file`) and writes
its own to a file directly. The lines themselves are those of `model_containers.log_lines`.
"""

from __future__ import annotations

import logging

from clipper.config import LogConfig
from clipper.log_file import START_MARK, RotatingLog
from model_containers import log_lines
from model_containers.settings import LOG_FORMAT_VARIABLE, LOG_LEVEL_VARIABLE


class RotatingHandler(logging.Handler):
    """Writes log lines to a rotated file."""

    def __init__(self, log: RotatingLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Append one record."""
        self._log.write(self.format(record).encode("utf-8", errors="replace") + b"\n")


def start_logging(config: LogConfig, process: str, handler: logging.Handler | None = None) -> None:
    """Log as configured from now on.

    Parameters
    ----------
    process : str
        Name of this process: ``supervisor``, ``frontend-0``, ``management``.
    handler : logging.Handler, optional
        Where to; by default stderr.
    """
    log_lines.start_logging(config.format, config.level, process, handler=handler)


def container_variables(config: LogConfig) -> dict[str, str]:
    """Return what tells a container how to log (docs/containers.md)."""
    return {LOG_FORMAT_VARIABLE: config.format, LOG_LEVEL_VARIABLE: config.level}


def start_line(config: LogConfig, name: str, pid: int) -> bytes:
    """Return the line that begins a process's part of its log; `clipper.log_file.is_start_line` knows it again."""
    record = logging.makeLogRecord({"name": "clipper.supervisor", "levelno": logging.INFO, "levelname": "INFO"})
    formatter = log_lines.make_formatter(config.format, "supervisor")
    record.msg = f"{START_MARK}{name}, pid {pid}, {formatter.formatTime(record)}"
    text = formatter.format(record) if config.format == "json" else record.msg
    return text.encode() + b"\n"
