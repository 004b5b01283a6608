"""Reading Runs: those that ended (history) and those that wait or run (mailbox) in one order.

Newest first by (time of the cause, cause, key), which is unique per source and stays the same when
a Run moves from the mailbox into the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from psycopg.sql import SQL

from apps.runs.mailbox import run_id

# How many waiting Runs of one owner are looked through for an id: it is a hash of the cause, which
# only the history stores.
LOOKED_THROUGH = 20_000


class Position(NamedTuple):
    """Where a Run stands in the order of its source."""

    cause_at: datetime
    cause: str
    key: str


@dataclass(frozen=True, slots=True)
class RunView:
    """A Run as it is shown. `state` is `queued` until it has ended; `error` is JSON text."""

    id: UUID
    source_id: str
    component_id: str
    position: Position
    state: str
    attempt: int
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int | None
    emitted: int
    suppressed: int
    error: bytes | None


@dataclass(frozen=True, slots=True)
class RunPage:
    items: list[RunView]
    total: int


_ENDED = SQL("""
SELECT id, source_id, component_id, cause_at, cause, key, state, attempt, queued_at, started_at,
       ended_at, duration_ms, emitted, suppressed, error
FROM run
""")
_WAITING = SQL("""
SELECT NULL::uuid, mailbox.source_id, source.component_id, cause_at, cause, key, 'queued', attempt,
       queued_at, NULL::timestamptz, NULL::timestamptz, NULL::int, 0, 0, NULL::bytea
FROM mailbox JOIN sources_source AS source ON source.id = mailbox.source_id
""")
_OF_SOURCE = SQL("""
WHERE {table}.source_id = %(source)s
  AND (%(after_at)s::timestamptz IS NULL
       OR (cause_at, cause, key) < (%(after_at)s, %(after_cause)s, %(after_key)s))
  AND (%(before_at)s::timestamptz IS NULL
       OR (cause_at, cause, key) > (%(before_at)s, %(before_cause)s, %(before_key)s))
ORDER BY cause_at {direction}, cause {direction}, key {direction} LIMIT %(limit)s
""")
_PAGE = SQL("""
SELECT * FROM (({ended}) UNION ALL ({waiting})) AS runs
ORDER BY cause_at {direction}, cause {direction}, key {direction} LIMIT %(limit)s
""")
_TOTAL = """
SELECT (SELECT count(*) FROM run WHERE source_id = %(source)s)
     + (SELECT count(*) FROM mailbox WHERE source_id = %(source)s)
"""


def read_page(
    source_id: str, *, limit: int, after: Position | None = None, before: Position | None = None
) -> RunPage:
    """A page of a source's Runs; cursors as in `apps.events.reading.read_page`."""
    direction = SQL("ASC" if before and not after else "DESC")
    ended = _ENDED + _OF_SOURCE.format(table=SQL("run"), direction=direction)
    waiting = _WAITING + _OF_SOURCE.format(table=SQL("mailbox"), direction=direction)
    parameters: dict[str, Any] = {"source": source_id, "limit": limit}
    for name, position in (("after", after), ("before", before)):
        at, cause, key = position or (None, None, None)
        parameters |= {f"{name}_at": at, f"{name}_cause": cause, f"{name}_key": key}
    with connection.cursor() as cursor:
        cursor.execute(_PAGE.format(ended=ended, waiting=waiting, direction=direction), parameters)
        items = [_view(row) for row in cursor.fetchall()]
        cursor.execute(_TOTAL, parameters)
        total = cursor.fetchone()
    assert total is not None
    items.sort(key=lambda run: run.position, reverse=True)
    return RunPage(items, total[0])


def find(owner_id: str, wanted: UUID) -> RunView | None:
    """A Run of one of the owner's sources, ended or waiting."""
    with connection.cursor() as cursor:
        cursor.execute(_ENDED + SQL("WHERE id = %s AND owner_id = %s LIMIT 1"), [wanted, owner_id])
        if row := cursor.fetchone():
            return _view(row)
        cursor.execute(
            _WAITING + SQL("WHERE source.owner_id = %s ORDER BY mailbox.cause_at DESC LIMIT %s"),
            [owner_id, LOOKED_THROUGH],
        )
        return next((run for row in cursor if (run := _view(row)).id == wanted), None)


def _view(row: tuple[Any, ...]) -> RunView:
    stored, source_id, component_id, cause_at, cause, key, state, attempt, queued_at, *rest = row
    started_at, ended_at, duration_ms, emitted, suppressed, error = rest
    return RunView(
        id=stored or run_id(source_id, cause, key),
        source_id=source_id,
        component_id=component_id,
        position=Position(cause_at, cause, key),
        state=state,
        attempt=attempt,
        queued_at=queued_at,
        started_at=started_at,
        ended_at=ended_at,
        duration_ms=duration_ms,
        emitted=emitted,
        suppressed=suppressed,
        error=None if error is None else bytes(error),
    )
