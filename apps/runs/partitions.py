"""Daily partitions of the history of runs (F19): made ahead, dropped whole when they are old."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from apps.core.clock import app_now

AHEAD_DAYS = 3
_NAME = re.compile(r"run_(\d{8})")
_LIST = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'run'::regclass"
# One at a time: two processes that make the same partition would trip over each other.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('headwater run partitions'))"
# Making and dropping partitions locks the whole table: behind a long reader it must not wait while
# every commit waits behind it. What fails is tried again an hour later; there are days to spare.
_IMPATIENT = "SET LOCAL lock_timeout = '2s'"


def prepare(keep_days: int, back_days: int = 0) -> None:
    """Make the partitions of today and the next days; drop those older than `keep_days`.

    `back_days`: of so many past days too, for history that is written afterwards.
    """
    today = app_now().astimezone(UTC).date()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        cursor.execute(_IMPATIENT)
        cursor.execute(_LIST)
        there = {row[0] for row in cursor.fetchall()}
        for ahead in range(-back_days, AHEAD_DAYS + 1):
            day = today + timedelta(days=ahead)
            if _name(day) not in there and not _in_default(day):
                cursor.execute(
                    f"CREATE TABLE {_name(day)} PARTITION OF run"
                    f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
                )
        for name in there:
            match = _NAME.fullmatch(name)
            if match and _day(match[1]) < today - timedelta(days=keep_days):
                cursor.execute(f"DROP TABLE {name}")
        cursor.execute(
            "DELETE FROM run_default WHERE cause_at < %s",
            [datetime.combine(today - timedelta(days=keep_days), datetime.min.time(), UTC)],
        )


def _in_default(day: date) -> bool:
    """Rows that came before their partition keep it from being made; they stay where they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM run_default WHERE cause_at >= %s AND cause_at < %s)",
            [
                datetime.combine(day, datetime.min.time(), UTC),
                datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC),
            ],
        )
        row = cursor.fetchone()
        return bool(row and row[0])


def _name(day: date) -> str:
    return f"run_{day:%Y%m%d}"


def _day(digits: str) -> date:
    return datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC).date()
