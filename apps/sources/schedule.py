"""When a timer is due: intervals and cron. Pure.

Cron is five fields, finest once a minute: `apps.sources.cron_fields` reads their text. What a
changing clock does to a schedule is in `apps.sources.cron`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from apps.core import errors
from apps.sources import cron as clock
from apps.sources import cron_fields

MIN_INTERVAL = 15
MAX_INTERVAL = 10 * 366 * 86_400
DEFAULT_INTERVAL = 3600
MAX_CRON_LENGTH = 100

_ZONE = re.compile(r"[A-Za-z0-9_+\-]{1,30}(/[A-Za-z0-9_+\-]{1,30}){0,2}\Z")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either `interval_seconds` or `cron` (in `timezone`, an IANA name)."""

    interval_seconds: int | None = None
    cron: str | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Passed:
    """What a cron timer owes (G5): one run for `newest`; the other `count - 1` slots are skipped.

    `count` is that of all slots from `first` up to now, `before_newest` the newest skipped one
    (`newest` itself when none was), `next` the first slot still to come.
    """

    count: int
    newest: datetime
    before_newest: datetime
    next: datetime


def parse_interval(value: Any) -> int:
    """Seconds, an integer of at least 15. Raises ApiError 400."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise errors.invalid("intervalSeconds", "intervalSeconds must be a whole number")
    if not MIN_INTERVAL <= value <= MAX_INTERVAL:
        raise errors.invalid(
            "intervalSeconds", f"intervalSeconds must be between {MIN_INTERVAL} and {MAX_INTERVAL}"
        )
    return value


def parse_zone(value: Any) -> str:
    """An IANA time zone known here. Raises ApiError 400."""
    refused = errors.invalid("timezone", "timezone must be an IANA name such as Europe/Berlin")
    if not isinstance(value, str) or not _ZONE.match(value):
        raise refused
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise refused from None
    return value


def parse_cron(value: Any, timezone: Any = "UTC") -> Schedule:
    """Five fields that match some day. Raises ApiError 400 saying which field is wrong."""
    zone = parse_zone(timezone)
    if not isinstance(value, str) or len(value) > MAX_CRON_LENGTH:
        raise errors.invalid("cron", f"cron must be text of at most {MAX_CRON_LENGTH} characters")
    text = " ".join(value.lower().split())
    try:
        cron_fields.read(text)
    except ValueError as refused:
        raise errors.invalid("cron", str(refused)) from None
    if clock.never(text):
        raise errors.invalid("cron", "cron matches no day that ever comes")
    return Schedule(cron=text, timezone=zone)


def next_after(schedule: Schedule, moment: datetime) -> datetime:
    """The first slot strictly after `moment` (UTC). For intervals: one interval later."""
    if schedule.interval_seconds is not None:
        return moment + timedelta(seconds=schedule.interval_seconds)
    assert schedule.cron is not None
    return clock.next_slot(schedule.cron, schedule.timezone, moment.astimezone(UTC))


def first_slot(schedule: Schedule, now: datetime) -> datetime:
    """The first slot of a schedule that starts now: intervals at once, cron at its next match."""
    return now if schedule.interval_seconds is not None else next_after(schedule, now)


def slots_passed(cron: str, timezone: str, first: datetime, now: datetime) -> Passed:
    """What is owed at `now` by a cron timer whose next slot was `first` (`first` <= `now`).

    The work is bounded by the days of the downtime, not by its slots. The text is one that
    `parse_cron` has accepted.
    """
    schedule = Schedule(cron=cron, timezone=timezone)
    following = next_after(schedule, now)
    if next_after(schedule, first) == following:
        return Passed(1, first, first, following)
    count, newest = clock.tally(cron, timezone, first, now + timedelta(microseconds=1))
    if newest is None:  # `first` was no slot, and none has come since
        return Passed(1, first, first, following)
    _, before = clock.tally(cron, timezone, first, newest)
    return Passed(count, newest, before or newest, following)


def cron_event(slot: datetime, cron: str, timezone: str) -> bytes:
    """The event of a tick under cron: no `interval_seconds`, which code uses as a test (5.1)."""
    event = {"timestamp": int(slot.timestamp()), "cron": cron, "timezone": timezone}
    return orjson.dumps(event)
