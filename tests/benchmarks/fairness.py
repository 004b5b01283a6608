"""One user's single runs beside another user's thousand: until they start.

Each of a thousand sources has one run of 100 ms in its mailbox, all at once; meanwhile a source of
a second user is given one run after the other. Counted from the row in the mailbox to the start of
the run, as PostgreSQL and the worker note them.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import psycopg

from apps.runs import queue
from tests.benchmarks.house import House, wait_for
from tests.benchmarks.making import Sources
from tests.benchmarks.report import Table, milliseconds, number

BUSY = 1_000
SLEEP = """
import time

from headwater import Source


class Sleep(Source):
    name = "Sleep"

    def run(self, event):
        time.sleep(0.1)
"""
ALONE = 20

_QUEUE = """
INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)
SELECT id, 'manual', gen_random_uuid(), app_now(), app_now(), app_now(), 'null'
FROM sources_source WHERE name LIKE %s || '-%%' RETURNING source_id
"""
_WAITED = """
SELECT extract(epoch FROM started_at - queued_at)::float FROM run r
JOIN sources_source s ON s.id = r.source_id WHERE s.name = 'single-1' ORDER BY r.queued_at
"""


def measure(house: House, scale: float) -> list[Table]:
    busy = max(200, int(BUSY * scale))
    table = Table(
        "One user's single runs beside another's backlog",
        ["When", "single runs", "from mailbox to start: median ms", "longest ms"],
    )
    with house.connect() as connection:
        _prepare(connection, busy)
        with house.stack("scheduler", "worker"):
            _warm(connection)
            for _ in range(ALONE):
                _one_run(connection)
            _say(table, "nothing else to do", _waited(connection)[-ALONE:])
            before = len(_waited(connection))
            began = time.monotonic()
            queue.hint_sources(_queue(connection, "busy"))
            while _left(connection):
                _one_run(connection)
            took = time.monotonic() - began
            _say(table, f"{number(busy)} runs of 100 ms queued", _waited(connection)[before:])
    house.clear()
    table.notes.append(
        f"The backlog was run in {took:.1f} s; the single runs follow each other without a pause."
    )
    return [table]


def _prepare(connection: psycopg.Connection[Any], busy: int) -> None:
    for tag, owner, count in (("busy", "u_bench1", busy), ("single", "u_bench2", 1)):
        made = Sources(connection, tag, owner=owner, code=SLEEP)
        made.components(1)
        made.grow(count, components=1)
    connection.execute("UPDATE sources_timer SET next_fire_at = NULL")


def _warm(connection: psycopg.Connection[Any]) -> None:
    for _ in range(3):
        _one_run(connection)


def _queue(connection: psycopg.Connection[Any], tag: str) -> list[str]:
    return [row[0] for row in connection.execute(_QUEUE, [tag])]


def _one_run(connection: psycopg.Connection[Any]) -> None:
    """One more run of the single source, waited for."""
    wanted = len(_waited(connection)) + 1
    queue.hint_sources(_queue(connection, "single"))
    wait_for(lambda: len(_waited(connection)) >= wanted, 60, "a single run", every_s=0.02)


def _waited(connection: psycopg.Connection[Any]) -> list[float]:
    return [row[0] for row in connection.execute(_WAITED)]


def _left(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM mailbox m JOIN sources_source s ON s.id = m.source_id"
        " WHERE s.name LIKE 'busy-%'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _say(table: Table, what: str, waited: list[float]) -> None:
    table.add(what, number(len(waited)), milliseconds(median(waited)), milliseconds(max(waited)))
