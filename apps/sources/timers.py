"""Rows of timers, written inside the changes of `apps.sources.services` and nowhere else (the
scheduler's tick moves `next_fire_at`).

A schedule's `generation` is the version of the source that brought it: it never repeats, so that a
slot of an old schedule is never taken for one of the new. Functions that change what the ledger
speaks of return its word on the timer (`{}`: nothing changed).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.sources import ledger
from apps.sources.models import Timer
from apps.sources.schedule import Schedule, first_slot


def reschedule(
    source_id: str, schedule: Schedule | None, version: int, now: datetime, active: bool
) -> dict[str, Any]:
    """Bring the timer in line with `schedule`. An unchanged schedule is left alone, so that it runs
    on; a changed one of an active source starts now (intervals at once)."""
    if schedule is None:
        return remove(source_id)
    timer = _locked(source_id)
    if timer is not None and _schedule(timer) == schedule:
        return {}
    timer = timer or Timer(source_id=source_id)
    timer.interval_seconds = schedule.interval_seconds
    timer.cron = schedule.cron
    timer.timezone = schedule.timezone
    timer.generation = version
    timer.next_fire_at = first_slot(schedule, now) if active else None
    timer.save()
    return {"timer": ledger.timer_data(timer)}


def renew(source_id: str, version: int) -> dict[str, Any]:
    """The same schedule anew (re-activation), not yet going."""
    timer = _locked(source_id)
    if timer is None:
        return {}
    timer.generation = version
    timer.next_fire_at = None
    timer.save()
    return {"timer": ledger.timer_data(timer)}


def start(source_id: str, now: datetime) -> None:
    """Set it going unless it goes already: intervals at once, cron at its next match."""
    timer = _locked(source_id)
    if timer is not None and timer.next_fire_at is None:
        timer.next_fire_at = first_slot(_schedule(timer), now)
        timer.save(update_fields=["next_fire_at"])


def stop(source_id: str) -> None:
    Timer.objects.filter(source_id=source_id).update(next_fire_at=None)


def remove(source_id: str) -> dict[str, Any]:
    removed, _ = Timer.objects.filter(source_id=source_id).delete()
    return {"timer": None} if removed else {}


def _locked(source_id: str) -> Timer | None:
    return Timer.objects.filter(source_id=source_id).select_for_update(no_key=True).first()


def _schedule(timer: Timer) -> Schedule:
    return Schedule(timer.interval_seconds, timer.cron, timer.timezone)
