"""Why was this not emitted? One light record per (source, channel, id) of what dedupe held back.

Written by the commit of the run, in one statement for all sources of the commit and only when
something was held back: a feed that offers 730 known items every poll updates 730 short rows on
their pages. Kept are the newest thousand of a source, for a week (DESIGN section 7). The event that
an id matched is looked up when somebody asks, never on the way.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import orjson
from django.db import connection

from apps.events import dedupe
from apps.events.items import EventId

KEPT = 1000
KEPT_MS = 7 * 86_400_000
ID_CHARACTERS = 200
# On average a source's records are counted once in so many that come; the sweep does it as well.
_TRIM_EVERY = 4000
# Events of a channel among which the one that an id matched is looked for.
LOOKED_THROUGH = 1000

STORE = """
INSERT INTO suppressed AS s
  (source_id, channel, id_hash, id, reason, first_ms, last_ms, count)
SELECT u.source_id, u.channel, u.id_hash, u.id, u.reason, u.ms, u.ms, u.count
FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::text[], %b::bigint[],
            %b::bigint[]) AS u(source_id, channel, id_hash, id, reason, ms, count)
ON CONFLICT (source_id, channel, id_hash) DO UPDATE
SET id = excluded.id, reason = excluded.reason, last_ms = excluded.last_ms,
    count = s.count + excluded.count
"""

TRIM = """
DELETE FROM suppressed s USING (
  SELECT channel, id_hash FROM suppressed WHERE source_id = %(id)s
  ORDER BY last_ms DESC, id_hash OFFSET %(keep)s) AS old
WHERE s.source_id = %(id)s AND s.channel = old.channel AND s.id_hash = old.id_hash
"""

_OLD = """
DELETE FROM suppressed
WHERE last_ms < (extract(epoch FROM app_now()) * 1000)::bigint - %(kept_ms)s
"""

_CROWDED = "SELECT source_id FROM suppressed GROUP BY source_id HAVING count(*) > %s"

_KEPT = """
SELECT channel, id_hash, id, reason, first_ms, last_ms, count FROM suppressed
WHERE source_id = %(source)s
  AND last_ms >= (extract(epoch FROM app_now()) * 1000)::bigint - %(kept_ms)s
ORDER BY last_ms DESC, id_hash LIMIT %(keep)s
"""

_EVENTS = """
SELECT ms, n, meta FROM event
WHERE source_id = %s AND channel = %s AND deleted_at IS NULL ORDER BY ms DESC, n DESC LIMIT %s
"""


class Withheld(NamedTuple):
    """An emit that became no event. `id` is the emit's own, whatever it was."""

    channel: str
    id: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """`id` is JSON text, None where it was missing; the times are epoch ms."""

    id_hash: bytes
    id: bytes | None
    reason: str
    first_ms: int
    last_ms: int
    count: int

    @property
    def position(self) -> tuple[int, bytes]:
        """In the order of the list: newest first."""
        return -self.last_ms, self.id_hash


# --- writing: called by the commit -----------------------------------------------------------


def columns_of(withheld: dict[str, list[tuple[int, Withheld]]]) -> list[list[Any]]:
    """What `STORE` takes, of source → [(when, emit)]: at most `KEPT` records of a source."""
    columns: list[list[Any]] = [[] for _ in range(7)]
    for source_id, emits in withheld.items():
        counts: dict[tuple[str, bytes], list[Any]] = {}
        for ms, (channel, value, reason) in emits:
            key = (channel, _hash(value))
            record = counts.pop(key, None) or [0, value, reason, ms]
            counts[key] = [record[0] + 1, value, reason, ms]
        for (channel, id_hash), (count, value, reason, ms) in list(counts.items())[-KEPT:]:
            row = (source_id, channel, id_hash, _shown(value), reason, ms, count)
            for column, cell in zip(columns, row, strict=True):
                column.append(cell)
    return columns


def to_trim(withheld: dict[str, list[tuple[int, Withheld]]]) -> list[str]:
    """The sources whose records are to be counted now."""
    return [s for s, emits in withheld.items() if random.random() * _TRIM_EVERY < len(emits)]


def _hash(value: Any) -> bytes:
    text = dedupe.id_text(value)
    if text is None:
        text = "" if value is None else str(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def _shown(value: Any) -> bytes | None:
    if value is None or (isinstance(value, int | float) and abs(value) < 2**63):
        return None if value is None else orjson.dumps(value)
    return orjson.dumps(str(value)[:ID_CHARACTERS].encode("utf-8", "replace").decode())


# --- keeping the house, reading ----------------------------------------------------------------


def trim() -> None:
    """Drop what is past a week or beyond the newest thousand of a source."""
    with connection.cursor() as cursor:
        cursor.execute(_OLD, {"kept_ms": KEPT_MS})
        cursor.execute(_CROWDED, [KEPT])
        for (source_id,) in cursor.fetchall():
            cursor.execute(TRIM, {"id": source_id, "keep": KEPT})


def read(source_id: str, channel: str) -> list[Record]:
    """The kept records of a channel, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_KEPT, {"source": source_id, "keep": KEPT, "kept_ms": KEPT_MS})
        rows = cursor.fetchall()
    records = [
        Record(bytes(r[1]), None if r[2] is None else bytes(r[2]), *r[3:])
        for r in rows
        if r[0] == channel
    ]
    return sorted(records, key=lambda record: record.position)


def matches(source_id: str, channel: str, records: Sequence[Record]) -> dict[bytes, EventId]:
    """Id hash → the stored event that each record was held back for, where it is still there."""
    if not records:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, [source_id, channel, LOOKED_THROUGH])
        rows = cursor.fetchall()
    events = [(EventId(ms, n), orjson.loads(bytes(meta)).get("id")) for ms, n, meta in rows]
    found: dict[bytes, EventId] = {}
    for record in records:
        before = [(event_id, value) for event_id, value in events if event_id.ms <= record.last_ms]
        if (match := _match(record, before)) is not None:
            found[record.id_hash] = match
    return found


def _match(record: Record, events: Iterable[tuple[EventId, Any]]) -> EventId | None:
    """Among events before it, newest first: the one of the same id; for an id that was not greater
    the greatest, for one before the last the newest that had an id."""
    if record.reason in ("missing_id", "not_numeric"):
        return None
    events = [(event_id, value) for event_id, value in events if value is not None]
    for event_id, value in events:
        if _hash(value) == record.id_hash:
            return event_id
    if record.reason == "not_greater":
        numbers = [(number, e) for e, v in events if (number := _number(v)) is not None]
        return max(numbers)[1] if numbers else None
    if record.reason == "before_last" and events:
        return events[0][0]
    return None


def _number(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
