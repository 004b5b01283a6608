"""The way: N timers due at one instant → N committed events, with real processes.

Warm: all sources run one component, whose children already live. First run: each source has a
component of its own, so that each run needs a new child. An event counts from the instant its
timer was due until the statement that stores it (`stored_at`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from tests.benchmarks.house import House, Stack, wait_for
from tests.benchmarks.making import make
from tests.benchmarks.report import Table, milliseconds, number

ROUNDS = 3

_DUE = """
UPDATE sources_timer SET next_fire_at = %(at)s, interval_seconds = 3600
WHERE source_id IN (SELECT id FROM sources_source WHERE name LIKE %(tag)s || '-%%')
"""

_DONE = "SELECT count(*) FROM run WHERE cause_at = %s"

_FIGURES = """
SELECT count(*), extract(epoch FROM max(e.stored_at) - %(at)s)::float,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.stored_at - r.cause_at)),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM e.stored_at - r.cause_at)),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM r.queued_at - r.cause_at))
FROM run r JOIN event e ON e.source_id = r.source_id AND e.run_id = r.id
  AND e.channel = ''
WHERE r.cause_at = %(at)s AND r.state = 'succeeded' AND r.emitted = 1
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Of one instant at which all were due. Seconds; `used` is processor time by process."""

    runs: int
    rate: float
    p50: float
    p99: float
    queued: float
    used: dict[str, float]

    def costs(self) -> dict[str, float]:
        """Microseconds of processor time a run, by kind of process."""
        return {kind: spent / self.runs * 1e6 for kind, spent in self.used.items()}


def measure(house: House, scale: float, celery: float | None) -> list[Table]:
    """`celery`: tasks a second of the same run, for the ratio; None when it was not measured."""
    table = Table(
        "The way: due timer → committed event",
        ["Runs", "Sources due at once", "runs/s", "p50 ms", "p99 ms", "to Celery's no-op"],
    )
    costs = Table(
        "Processor time of the way, µs a run",
        ["Runs", "scheduler", "worker", "children", "PostgreSQL", "Valkey", "sum", "cores busy"],
    )
    with house.stack("scheduler", "worker") as stack, house.connect() as connection:
        for language in ("python", "javascript"):
            name = {"python": "Python", "javascript": "JavaScript"}[language]
            warm = _warm(connection, stack, language, max(100, int(6000 * scale)))
            ratio = "not measured" if celery is None else f"{warm.rate / celery:.2f}"
            _say(table, costs, f"{name}, warm", warm, ratio)
            fresh = _fresh(connection, stack, language, max(20, int(400 * scale)))
            _say(table, costs, f"{name}, first run", fresh, "")
    house.clear()
    table.notes.append(
        "All are due at one instant, so that the times are those of a full queue: with p50 half of"
        " the work is done. Latency under a steady load stands under “Timers”. Warm: the median of"
        f" {ROUNDS} rounds."
    )
    return [table, costs]


def _say(table: Table, costs: Table, label: str, done: Round, ratio: str) -> None:
    table.add(
        label, f"{done.runs:,}", number(done.rate), milliseconds(done.p50),
        milliseconds(done.p99), ratio,
    )  # fmt: skip
    spent = done.costs()
    total = sum(spent.values())
    kinds = ("scheduler", "worker", "children", "postgres", "valkey")
    shown = [number(spent.get(kind, 0.0)) for kind in kinds]
    costs.add(label, *shown, number(total), f"{total * done.rate / 1e6:.2f}")


def _warm(connection: psycopg.Connection[Any], stack: Stack, language: str, sources: int) -> Round:
    tag = f"warm-{language}"
    make(connection, tag, language, sources, components=1)
    _round(connection, stack, tag, sources)
    rounds = [_round(connection, stack, tag, sources) for _ in range(ROUNDS)]
    return sorted(rounds, key=lambda done: done.rate)[ROUNDS // 2]


def _fresh(connection: psycopg.Connection[Any], stack: Stack, language: str, sources: int) -> Round:
    tag = f"fresh-{language}"
    make(connection, tag, language, sources, components=sources)
    return _round(connection, stack, tag, sources)


def _round(connection: psycopg.Connection[Any], stack: Stack, tag: str, sources: int) -> Round:
    """Let all sources of the tag be due a second from now, and wait for the last event."""
    at = _soon(connection)
    connection.execute(_DUE, {"at": at, "tag": tag})
    before = stack.processor()
    wait_for(lambda: _count(connection, at) >= sources, 180, f"{sources} runs", every_s=0.1)
    used = {kind: spent - before.get(kind, 0.0) for kind, spent in stack.processor().items()}
    row = connection.execute(_FIGURES, {"at": at}).fetchone()
    assert row is not None
    if row[0] != sources:
        raise RuntimeError(f"{row[0]} of {sources} runs emitted their event: {_why(connection)}")
    return Round(sources, sources / row[1], row[2], row[3], row[4], used)


def _soon(connection: psycopg.Connection[Any]) -> datetime:
    row = connection.execute("SELECT app_now() + interval '1 second'").fetchone()
    assert row is not None
    soon: datetime = row[0]
    return soon


def _count(connection: psycopg.Connection[Any], at: datetime) -> int:
    row = connection.execute(_DONE, [at]).fetchone()
    assert row is not None
    count: int = row[0]
    return count


def _why(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute(
        "SELECT state, convert_from(error, 'UTF8') FROM run WHERE error IS NOT NULL LIMIT 1"
    ).fetchone()
    return str(row)
