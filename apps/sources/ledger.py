"""The ledger of a source: one appended entry for every change, from which the rows can be rebuilt.

`SourceChange.data` holds the columns that the change set, with their new values, as JSON; a `timer`
key holds the timer's own (null: there is none). `at` is the row's `updated_at`, and of the first
entry also its `created_at`. Entries are written by `apps.sources.services` alone, in the
transaction that writes the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from apps.sources.models import Source, SourceChange, Timer

# Columns of `Source` that the ledger speaks of; the times are told by the entries' own.
COLUMNS = (
    "owner_id",
    "component_id",
    "state",
    "name",
    "name_slug",
    "configured_props",
    "secret_props",
    "endpoint_key",
    "concurrency",
    "rate_limit",
)
BATCH = 1000
TIMER_COLUMNS = ("generation", "interval_seconds", "cron", "timezone")


def timer_data(timer: Timer | None) -> dict[str, Any] | None:
    return None if timer is None else {name: getattr(timer, name) for name in TIMER_COLUMNS}


def append(
    source_id: str, version: int, kind: str, actor: str, at: datetime, data: dict[str, Any]
) -> None:
    SourceChange.objects.create(
        source_id=source_id, version=version, kind=kind, actor=actor, at=at, data=data
    )


def rebuild(entries: Iterable[SourceChange]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The source's columns and the timer's, as the entries (in order) say they are."""
    row: dict[str, Any] = {"deleted_at": None}
    timer: dict[str, Any] | None = None
    for entry in entries:
        data = dict(entry.data)
        if "timer" in data:
            timer = data.pop("timer")
        row.update(data)
        row.setdefault("created_at", entry.at)
        row["updated_at"] = entry.at
        row["version"] = entry.version
        if entry.kind == SourceChange.Kind.DELETED:
            row["deleted_at"] = entry.at
    return row, timer


def verify(source_ids: Sequence[str] = ()) -> Iterator[tuple[Source, list[str]]]:
    """Every source (or these), each with its differences. Reads a thousand at a time."""
    sources = Source.objects.order_by("id")
    if source_ids:
        sources = sources.filter(id__in=source_ids)
    after = ""
    while batch := list(sources.filter(id__gt=after)[:BATCH]):
        after = batch[-1].id
        # One snapshot of the three tables, so that a change going on is no difference.
        with transaction.atomic():
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            ids = [source.id for source in batch]
            rows = list(Source.objects.filter(id__in=ids).order_by("id"))
            timers = Timer.objects.in_bulk(ids)
            entries: dict[str, list[SourceChange]] = {source_id: [] for source_id in ids}
            changes = SourceChange.objects.filter(source_id__in=ids).order_by(
                "source_id", "version"
            )
            for change in changes:
                entries[change.source_id].append(change)
        for source in rows:
            found = differences(source, timers.get(source.id), entries[source.id])
            yield source, list(found)


def differences(source: Source, timer: Timer | None, entries: list[SourceChange]) -> Iterator[str]:
    """Every way in which the rows differ from what the ledger says, for people."""
    if [entry.version for entry in entries] != list(range(1, len(entries) + 1)):
        yield "its entries are not numbered 1, 2, 3 …"
    if not entries:
        yield "it has no entries"
        return
    expected, expected_timer = rebuild(entries)
    for name in (*COLUMNS, "created_at", "updated_at", "deleted_at", "version"):
        yield from _difference(name, expected.get(name), getattr(source, name))
    found = timer_data(timer)
    if (found is None) != (expected_timer is None):
        yield f"timer: the ledger says {expected_timer}, the row {found}"
    elif found is not None and expected_timer is not None:
        for name in TIMER_COLUMNS:
            yield from _difference(f"timer.{name}", expected_timer.get(name), found[name])
    if timer is not None and timer.next_fire_at is not None and source.state != Source.State.ACTIVE:
        yield f"timer: it is due at {timer.next_fire_at} although the source is {source.state}"


def _difference(name: str, expected: Any, found: Any) -> Iterator[str]:
    if expected != found:
        # Secrets are told apart, never shown.
        if name == "secret_props":
            yield "secret_props: the row differs from the ledger"
        else:
            yield f"{name}: the ledger says {expected!r}, the row {found!r}"
