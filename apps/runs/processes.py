"""Which processes of the platform are at work: the row of each, with its sign of life.

A row is written every few seconds by the loop that does the work of its process (a runner's look
for due runs, a scheduler's tick, the event loop of a web process), and by nothing else: a process
whose loop hangs, is frozen or cannot reach the database falls silent. Its counters ride along
(`apps.core.metrics`), so that one address tells those of all.

    beat ──> every few seconds            silent for `SILENT_SECONDS`: unhealthy
    stop ──> state `stopped`  ──fold──>   its counters are added to those of the past, the row goes
    kill ──> silent, then `stopped` when another of its name begins, or folded after ten minutes

Plain SQL, for connections of either kind; time is the database's.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
from django.db import connection, transaction

from apps.core import metrics

OK, STOPPED, PAST = "ok", "stopped", "past"
# The row that keeps the counters of processes that are no more.
PAST_ID = uuid.UUID(int=0)
# Silent for so long, a process is taken for dead. Should it come back, it begins a new row.
FORGET_SECONDS = 600
_FOLDING = 0x68776670

_BEAT = """
UPDATE process SET seen_at = app_now(), state = %(state)s, facts = %(facts)b, metrics = %(metrics)b
WHERE id = %(id)s
"""

_BEGIN = """
INSERT INTO process (id, kind, name, host, pid, started_at, seen_at, state, facts, metrics)
VALUES (%(id)s, %(kind)s, %(name)s, %(host)s, %(pid)s, app_now(), app_now(), %(state)s, %(facts)b,
        %(metrics)b)
"""

# Nobody misses who had this name here before, were it killed: it is as if it had stopped. One that
# lives all the same says so at its next sign of life.
_REPLACE = """
UPDATE process SET state = 'stopped'
WHERE kind = %(kind)s AND name = %(name)s AND host = %(host)s AND id <> %(id)s
"""

SEEN = """
SELECT kind, name, host, pid, extract(epoch FROM app_now() - seen_at)::float8,
       extract(epoch FROM app_now() - started_at)::float8, state, facts
FROM process WHERE state NOT IN ('stopped', 'past') ORDER BY kind, name, started_at
"""

_METRICS = "SELECT metrics FROM process"

_ENDED = """
SELECT id, metrics FROM process
WHERE state = 'stopped' OR (state <> 'past' AND seen_at < app_now() - %s * interval '1 second')
ORDER BY id FOR UPDATE
"""

_ADD_TO_PAST = """
INSERT INTO process (id, kind, name, host, pid, started_at, seen_at, state, facts, metrics)
VALUES (%(id)s, 'past', 'past', '', 0, app_now(), app_now(), 'past', '{}', %(metrics)s)
ON CONFLICT (id) DO UPDATE SET seen_at = app_now(), metrics = excluded.metrics
"""


@dataclass(slots=True)
class Card:
    """Who a process is. `kind`: `web`, `scheduler`, `worker`; `name` is unique on its host."""

    kind: str
    name: str
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    id: uuid.UUID = field(default_factory=uuid.uuid4)


@dataclass(frozen=True, slots=True)
class Seen:
    """A process that has not said that it stopped. `ago` and `age` in seconds; `state` is `ok`, or
    names what is wrong."""

    kind: str
    name: str
    host: str
    pid: int
    ago: float
    age: float
    state: str
    facts: dict[str, Any]

    def alive(self, silent_seconds: float) -> bool:
        return self.ago <= silent_seconds


def named(kind: str, name: str) -> Card:
    """This process; without a name of its own it goes by its number."""
    return Card(kind, name or f"{kind}-{os.getpid()}")


def _values(card: Card, state: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": card.id,
        "kind": card.kind,
        "name": card.name[:64],
        "host": card.host[:255],
        "pid": card.pid,
        "state": state[:200],
        "facts": orjson.dumps(facts),
        "metrics": metrics.snapshot(),
    }


def _anew(card: Card, values: dict[str, Any]) -> dict[str, Any]:
    """Its row is not there, or not any more: then its counters are among those of the past."""
    card.id = uuid.uuid4()
    metrics.rebase()
    return {**values, "id": card.id, "metrics": metrics.snapshot()}


async def beat(
    connection: psycopg.AsyncConnection[Any], card: Card, state: str, facts: dict[str, Any]
) -> None:
    """A sign of life, from an event loop. Raises psycopg.Error."""
    values = _values(card, state, facts)
    if (await connection.execute(_BEAT, values)).rowcount == 0:
        values = _anew(card, values)
        await connection.execute(_BEGIN, values)
        await connection.execute(_REPLACE, values)


def beat_now(card: Card, state: str, facts: dict[str, Any]) -> None:
    """The same from a thread, on Django's connection. Raises DatabaseError."""
    values = _values(card, state, facts)
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, values)
        if cursor.rowcount == 0:
            values = _anew(card, values)
            cursor.execute(_BEGIN, values)
            cursor.execute(_REPLACE, values)


def seen_of(rows: Sequence[Sequence[Any]]) -> list[Seen]:
    """The rows that `SEEN` gives."""
    return [
        Seen(kind, name, host, pid, ago, age, state, orjson.loads(bytes(facts)))
        for kind, name, host, pid, ago, age, state, facts in rows
    ]


def seen() -> list[Seen]:
    with connection.cursor() as cursor:
        cursor.execute(SEEN)
        return seen_of(cursor.fetchall())


def counters() -> list[bytes]:
    """What all processes, those of the past too, have counted."""
    with connection.cursor() as cursor:
        cursor.execute(_METRICS)
        return [bytes(row[0]) for row in cursor.fetchall()]


def fold() -> int:
    """Add the counters of processes that have ended to those of the past, in one transaction: who
    sums up finds each of them once. Returns how many there were."""
    with transaction.atomic(), connection.cursor() as cursor:
        # One at a time: two that find no past yet would write it one after the other.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_FOLDING])
        cursor.execute(_ENDED, [FORGET_SECONDS])
        ended = cursor.fetchall()
        if not ended:
            return 0
        cursor.execute("SELECT metrics FROM process WHERE id = %s", [PAST_ID])
        before = cursor.fetchall()
        total = metrics.merged([bytes(row[-1]) for row in [*before, *ended]])
        cursor.execute(_ADD_TO_PAST, {"id": PAST_ID, "metrics": metrics.dump(total)})
        cursor.execute("DELETE FROM process WHERE id = ANY(%s)", [[row[0] for row in ended]])
    return len(ended)
