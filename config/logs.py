"""Logs: one JSON object a line on standard error, of all libraries too (docs/observability.md).

A line carries the ids of what it is about (`apps.core.about`), or those given as `extra`. What a
stranger sent stays out of it: of errors of the database only the first line is told, since the
others quote rows; of what libraries attach to their records, ids alone.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from typing import Any

import structlog
from structlog.typing import EventDict, ExcInfo

IDS = (
    *("request_id", "run_id", "cause", "source_id", "component_id", "owner_id", "fence"),
    *("operation_id", "webhook_id", "event_id"),
)


def _all_of(error: BaseException | None) -> Iterator[BaseException]:
    """It, what caused it, and those of a group (of tasks that failed together)."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def quiet(text: str, error: BaseException | None) -> str:
    """The text without what PostgreSQL adds to its errors: DETAIL and CONTEXT quote what is in
    rows, which may be a secret."""
    for one in _all_of(error):
        if primary := getattr(getattr(one, "diag", None), "message_primary", None):
            text = text.replace(str(one), primary).replace(repr(str(one))[1:-1], primary)
            # In a group each line has its own margin.
            added = {line.strip(" |") for line in str(one).splitlines()[1:]} - {""}
            lines = text.splitlines(keepends=True)
            text = "".join(line for line in lines if line.rstrip().strip(" |") not in added)
    return text


class Quiet(logging.Filter):
    """The same for errors among the arguments of a message."""

    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args if isinstance(record.args, tuple) else ()
        if errors := [one for one in args if isinstance(one, BaseException)]:
            message = record.getMessage()
            for error in errors:
                message = quiet(message, error)
            record.msg, record.args = message, ()
        return True


def _trace(exc_info: ExcInfo) -> str:
    return quiet("".join(traceback.format_exception(*exc_info)).rstrip("\n"), exc_info[1])


class _Process:
    """Who says it: the process by its name, if it has one, and its number."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: Any, _method: str, line: EventDict) -> EventDict:
        if self._name:
            line["process"] = self._name
        line["pid"] = os.getpid()
        return line


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def formatter(process: str = "") -> logging.Formatter:
    """What makes a line of a record; config/granian.json names it for the web server's own."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(allow=IDS)],
        processors=[
            _Process(process),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(_trace),
            structlog.processors.JSONRenderer(),
        ],
    )


def logging_config(level: str, process: str) -> dict[str, Any]:
    """Django's LOGGING; structlog is configured on the way. `process`: the name of this one."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # What libraries warn of, as lines like any other.
    logging.captureWarnings(capture=True)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.logs.formatter", "process": process}},
        "filters": {"quiet": {"()": "config.logs.Quiet"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["quiet"],
            },
            "counts": {"class": "apps.core.log_counts.LogCounts"},
        },
        "root": {"handlers": ["stderr", "counts"], "level": level},
        # Four ticks a second say nothing that the tables do not say. What Django has handlers of
        # its own for goes the way of all lines.
        "loggers": {
            "django": {"handlers": [], "level": "INFO"},
            # Answers of 4xx are counted; a line for each would be a stranger's to write.
            "django.request": {"level": "ERROR"},
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
        },
    }
