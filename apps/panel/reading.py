"""What the pages show of the large tables: a bounded number of rows, each along an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection

from apps.core.showing import line, readable, visible
from apps.events.items import SHOWN_BYTES, EventId, summary_of
from apps.events.reading import LOGS
from apps.runs.models import Run
from apps.sources.models import Source

LISTED = 20
# Rows of one channel that are looked through for those of one run.
LOOKED_THROUGH = 2_000
# Events of one run that are listed.
OF_RUN = 200
CLOCKS_APART_MS = 10_000
# Channels of one source that are looked into.
CHANNELS = 100

# The table's key is by channel: the channels are walked, and of each the newest are taken.
_WALK = """
WITH RECURSIVE walk AS (
  (SELECT channel, 1 AS step FROM event WHERE source_id = %(source)s ORDER BY channel LIMIT 1)
  UNION ALL
  SELECT (SELECT e.channel FROM event e WHERE e.source_id = %(source)s AND e.channel > w.channel
          ORDER BY e.channel LIMIT 1), step + 1
  FROM walk w WHERE w.channel IS NOT NULL AND step < %(channels)s
)
"""
_COLUMNS = (
    "channel, ms, n, run_id, substring(payload FROM 1 FOR %(shown)s), octet_length(payload), meta"
)
_NEWEST = f"""{_WALK}
SELECT {_COLUMNS} FROM walk w CROSS JOIN LATERAL (
  SELECT ms, n, run_id, payload, meta FROM event
  WHERE source_id = %(source)s AND channel = w.channel AND deleted_at IS NULL
  ORDER BY ms DESC, n DESC LIMIT %(limit)s) AS e
WHERE channel <> '{LOGS}'
ORDER BY ms DESC, n DESC LIMIT %(limit)s
"""  # noqa: S608 - constants of this file
_OF_RUN = f"""{_WALK}
SELECT {_COLUMNS} FROM walk w CROSS JOIN LATERAL (
  SELECT * FROM (SELECT ms, n, run_id, payload, meta, deleted_at FROM event
    WHERE source_id = %(source)s AND channel = w.channel AND ms >= %(from_ms)s
    ORDER BY ms, n LIMIT %(through)s) AS near
  WHERE run_id = %(run)s::uuid AND deleted_at IS NULL) AS e
WHERE channel <> '{LOGS}'
ORDER BY ms, n LIMIT %(limit)s
"""  # noqa: S608 - constants of this file
_CHANNEL_OF = f"""{_WALK}
SELECT channel FROM walk w WHERE EXISTS (
  SELECT FROM event WHERE source_id = %(source)s AND channel = w.channel AND ms = %(ms)s
  AND n = %(n)s AND deleted_at IS NULL) LIMIT 1
"""  # noqa: S608 - constants of this file
_LOG = """
SELECT run_id, payload FROM event WHERE source_id = %(source)s AND channel = %(channel)s
  AND deleted_at IS NULL ORDER BY ms DESC, n DESC LIMIT %(limit)s
"""
_DEPTH = """
SELECT count(*), count(*) FILTER (WHERE due_at > app_now()) FROM (
  SELECT due_at FROM mailbox WHERE source_id = %s LIMIT %s) AS waiting
"""
_ENDED = ("id", "cause", "key", "cause_at", "state", "attempt", "duration_ms", "emitted")


@dataclass(frozen=True, slots=True)
class Shown:
    """An event in a list. `text` is its summary, else the beginning of its payload."""

    channel: str
    id: EventId
    run_id: UUID
    text: str
    size: int

    def key(self, source_id: str) -> dict[str, Any]:
        return {"source_id": source_id, "channel": self.channel, "ms": self.id.ms, "n": self.id.n}

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.id.ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Depth:
    """`waiting` is counted up to the mailbox's own cap; `later` of them are parked."""

    waiting: int
    later: int


def newest_events(source_id: str) -> list[Shown]:
    """The last of all channels but the log's."""
    values: dict[str, int | str] = {
        "source": source_id,
        "channels": CHANNELS,
        "limit": LISTED,
        "shown": SHOWN_BYTES,
    }
    return _events(_NEWEST, values)


def events_of_run(run: Run) -> list[Shown]:
    """What it emitted and its error, oldest first. They were stored when it ended; in each channel
    `LOOKED_THROUGH` events are looked at from then on."""
    # `ended_at` is of the worker's clock, the ids are of the database's.
    stored_ms = int(run.ended_at.timestamp() * 1000) - CLOCKS_APART_MS
    values: dict[str, int | str] = {
        "source": run.source_id,
        "channels": CHANNELS,
        "run": str(run.id),
        "from_ms": max(stored_ms, int(run.queued_at.timestamp() * 1000)),
        "through": LOOKED_THROUGH,
        "limit": OF_RUN,
        "shown": SHOWN_BYTES,
    }
    return _events(_OF_RUN, values)


def channel_of(source_id: str, event: EventId) -> str | None:
    """In which channel an event stands; None when it is not stored any more."""
    values: dict[str, int | str] = {
        "source": source_id,
        "channels": CHANNELS,
        "ms": event.ms,
        "n": event.n,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CHANNEL_OF, values)
        row = cursor.fetchone()
    return row[0] if row else None


def _events(sql: str, values: dict[str, int | str]) -> list[Shown]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
    return [
        Shown(row[0], EventId(row[1], row[2]), row[3], _text(row[6], row[4]), row[5])
        for row in rows
    ]


def _text(meta: Any, payload: Any) -> str:
    return line(summary_of(bytes(meta)) or bytes(payload).decode(errors="replace"))


def log_lines(source_id: str) -> dict[UUID, list[str]]:
    """The lines that are kept of a source's log, oldest first, by run."""
    values: dict[str, int | str] = {
        "source": source_id,
        "channel": LOGS,
        "limit": 2 * settings.STREAM_LENGTH,
    }
    found: dict[UUID, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_LOG, values)
        for run_id, payload in reversed(cursor.fetchall()):
            if text := log_text(bytes(payload)):
                found.setdefault(run_id, []).append(text)
    return found


def log_text(payload: bytes) -> str:
    """`info: what was printed`; empty for the marks at a run's beginning and end."""
    try:
        entry = orjson.loads(payload)
        if entry["kind"] not in ("log", "error"):
            return ""
        return f"{entry['level']}: {entry['msg']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return readable(payload, 1000)


def newest_runs(source_id: str) -> list[Run]:
    """By their causes; those that ended."""
    runs = Run.objects.filter(source_id=source_id).order_by("-cause_at")
    return list(runs.only(*_ENDED, "source_id", "started_at", "error")[:LISTED])


def depth(source_id: str) -> Depth:
    with connection.cursor() as cursor:
        cursor.execute(_DEPTH, [source_id, settings.MAILBOX_CAP])
        row = cursor.fetchone()
    assert row is not None
    return Depth(row[0], row[1])


def sources_named(ids: set[str]) -> dict[str, str]:
    """Names of sources, by id."""
    return dict(Source.objects.filter(id__in=ids).values_list("id", "name"))


def error_line(error: Any) -> str:
    """`Name: message` of a stored error, on one line."""
    if error is None:
        return ""
    try:
        facts = orjson.loads(bytes(error))
        return line(f"{facts['name']}: {facts['message']}")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return line(bytes(error).decode(errors="replace"))


def error_text(error: Any) -> str:
    """A stored error whole: `Name: message`, its code, its stack."""
    if error is None:
        return ""
    try:
        facts = orjson.loads(bytes(error))
        head, stack = f"{facts['name']}: {facts['message']}", facts.get("stack")
        parts = [head, f"Code: {facts['code']}" if facts.get("code") else "", stack or ""]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return readable(error)
    return visible("\n\n".join(str(part) for part in parts if part))
