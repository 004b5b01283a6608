"""Counts the lines of the platform's own logs, from warnings on."""

from __future__ import annotations

import logging

from apps.core.measures import LEVELS, LOG_RECORDS

_series = {level: LOG_RECORDS.labels(level) for level in LEVELS}


class LogCounts(logging.Handler):
    """Writes nothing, and needs no lock: the counters have their own."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def handle(self, record: logging.LogRecord) -> bool:
        _series[_level(record.levelno)].inc()
        return True

    def createLock(self) -> None:
        self.lock = None


def _level(number: int) -> str:
    if number >= logging.CRITICAL:
        return "critical"
    return "error" if number >= logging.ERROR else "warning"
