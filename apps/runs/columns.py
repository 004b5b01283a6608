"""The rows that a commit inserts, column by column, as `unnest` takes them. No I/O."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from apps.runs.lease import Held
from apps.runs.record import Finished, NewEvent
from apps.runs.suppressed import Withheld


@dataclass(slots=True)
class Columns:
    """Rows to insert, column by column, as `unnest` takes them."""

    runs: list[list[Any]] = field(default_factory=lambda: [[] for _ in range(16)])
    events: list[list[Any]] = field(default_factory=lambda: [[] for _ in range(9)])
    fan_out: list[list[Any]] = field(default_factory=lambda: [[] for _ in range(5)])
    usage: dict[tuple[str, date], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    counters: list[tuple[str, int, int, int]] = field(default_factory=list)
    trim: list[str] = field(default_factory=list)
    withheld: dict[str, list[tuple[int, Withheld]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add_run(self, held: Held, run: Finished, state: str) -> None:
        started = datetime.fromtimestamp(run.started_ms / 1000, UTC) if run.started_ms else None
        row = (
            run.run_id, held.source_id, held.owner_id, held.component_id, run.cause, run.key,
            run.cause_at, run.queued_at, started, datetime.fromtimestamp(run.ended_ms / 1000, UTC),
            state, run.attempt, run.duration_ms, run.emitted, run.suppressed, run.error,
        )  # fmt: skip
        for column, value in zip(self.runs, row, strict=True):
            column.append(value)
        if state == "cancelled":
            return
        total = self.usage[held.owner_id, datetime.fromtimestamp(run.ended_ms / 1000, UTC).date()]
        total[0] += run.duration_ms
        total[1] += 1
        if run.withheld:
            self.withheld[held.source_id] += [(run.ended_ms, emit) for emit in run.withheld]

    def add_event(self, source_id: str, run: Finished, event: NewEvent, ms: int, n: int) -> None:
        due = None if event.due_ms is None else datetime.fromtimestamp(event.due_ms / 1000, UTC)
        row = (
            source_id, event.channel, ms, n, run.run_id, event.payload, event.meta, due, event.hops
        )  # fmt: skip
        for column, value in zip(self.events, row, strict=True):
            column.append(value)

    def add_fan_out(self, source_id: str, event: NewEvent, ms: int, n: int) -> None:
        due = None if event.due_ms is None else datetime.fromtimestamp(event.due_ms / 1000, UTC)
        for column, value in zip(self.fan_out, (source_id, event.channel, ms, n, due), strict=True):
            column.append(value)
