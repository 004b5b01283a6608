"""What `/metrics` asks the database at each scrape: how much waits, and for how long.

Each question walks an index or a bounded number of rows, so that a scrape costs the same whatever
waits: beyond `COUNTED` a depth reads `COUNTED`, which is deep enough to be told of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from apps.core.metrics import Gauge
from apps.runs import processes
from apps.runs.processes import OK, Seen

COUNTED: Final = 100_000
SCRAPE_SECONDS: Final = 5

# Name → (meaning, SQL of one value).
_WAITING: Final = {
    "mailbox_runs": (
        "Runs that are queued or running",
        "SELECT count(*) FROM (SELECT FROM mailbox LIMIT %(most)s) AS found",
    ),
    "timers_due": (
        "Timers whose next slot has come",
        "SELECT count(*) FROM (SELECT FROM sources_timer WHERE next_fire_at <= app_now()"
        " LIMIT %(most)s) AS found",
    ),
    "timers_lag_seconds": (
        "For how long the timer that waits longest has been due",
        "SELECT coalesce(greatest(extract(epoch FROM app_now() - min(next_fire_at)), 0), 0)::float8"
        " FROM sources_timer",
    ),
    "fan_out_due": (
        "Events that are to be carried to listeners now",
        "SELECT count(*) FROM (SELECT FROM fanout_due WHERE due_at <= app_now()"
        " LIMIT %(most)s) AS found",
    ),
    "held_back": (
        "Events that wait for room in a listener's mailbox",
        "SELECT count(*) FROM (SELECT FROM held_back LIMIT %(most)s) AS found",
    ),
    "deliveries_pending": (
        "Deliveries that are to be tried, now or later",
        "SELECT count(*) FROM (SELECT FROM delivery WHERE state = 'pending'"
        " LIMIT %(most)s) AS found",
    ),
    "operations_open": (
        "Operations that API calls wait for",
        "SELECT count(*) FROM (SELECT FROM operation WHERE state IN ('queued', 'running')"
        " LIMIT %(most)s) AS found",
    ),
}

# The oldest due run of an active source, among the rows that are looked at.
_OLDEST: Final = """
SELECT coalesce(greatest(extract(epoch FROM app_now() - min(m.due_at)), 0), 0)::float8
FROM (SELECT source_id, due_at FROM mailbox LIMIT %(most)s) AS m
JOIN sources_source s ON s.id = m.source_id AND s.state = 'active'
WHERE m.due_at <= app_now()
"""
_ALL: Final = {
    **_WAITING,
    "mailbox_oldest_seconds": (
        "For how long the run that waits longest has been due, of active sources",
        _OLDEST,
    ),
}

# Fact of a process → metric of all processes of its kind together.
_FACTS: Final = {
    "slots": ("worker_slots", "Runs that workers can do at once"),
    "running": ("worker_slots_busy", "Slots that are taken"),
    "leases": ("worker_leases", "Sources that workers hold"),
    "attempts": ("worker_delivery_attempts", "Attempts to deliver that are under way"),
    "children": ("worker_children", "Children that live"),
    "children_idle": ("worker_children_idle", "Children that wait, warm"),
    "event_streams": ("event_streams", "Event streams that are open"),
}


def gauges() -> Iterable[Gauge]:
    """Raises DatabaseError, also for a database that takes longer than a scrape may."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{SCRAPE_SECONDS}s'")
        # With statistics from before the rows came, the planner would read whole tables.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for name, (told, sql) in _ALL.items():
            cursor.execute(sql, {"most": COUNTED})
            yield _gauge(name, told, _value(cursor))
    yield from _of_processes(processes.seen())


def _value(cursor: Any) -> float:
    row = cursor.fetchone()
    return float(row[0])


def _gauge(name: str, told: str, value: float) -> Gauge:
    return Gauge(f"headwater_{name}", told, value=value)


def _of_processes(seen: list[Seen]) -> Iterable[Gauge]:
    alive = [p for p in seen if p.alive(settings.SILENT_SECONDS)]
    up = Gauge(
        "headwater_processes", "Processes, by their last sign of life", labels=["kind", "state"]
    )
    for kind in ("web", "worker", "scheduler"):
        of_kind = [p for p in seen if p.kind == kind]
        well = sum(p in alive and p.state == OK for p in of_kind)
        late = sum(p in alive and p.state != OK for p in of_kind)
        silent = len(of_kind) - well - late
        for state, count in (("ok", well), ("late", late), ("silent", silent)):
            up.add_metric([kind, state], count)
    yield up
    memory = Gauge(
        "headwater_process_resident_bytes",
        "Memory in RAM, without children",
        labels=["kind", "process", "host"],
    )
    for process in alive:
        if "resident_bytes" in process.facts:
            labels = [process.kind, process.name, process.host]
            memory.add_metric(labels, process.facts["resident_bytes"])
    yield memory
    for fact, (name, told) in _FACTS.items():
        yield _gauge(name, told, sum(p.facts.get(fact, 0) for p in alive))
