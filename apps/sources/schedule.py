"""When a timer is due: intervals and cron. Pure.

Cron is five fields (minute, hour, day of month, month, day of week; names of months and days; `*`,
lists, ranges, steps), finest once a minute. croniter itself takes more (seconds, `R`, `15W`, `L`,
steps that never match), so a text passes the grammar here before croniter sees it.

What a changing clock does to a schedule is in `apps.sources.cron`.
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

MIN_INTERVAL = 15
MAX_INTERVAL = 10 * 366 * 86_400
DEFAULT_INTERVAL = 3600
MAX_CRON_LENGTH = 100

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Name, least and greatest number, and words for numbers.
_GRAMMAR: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {word: number for number, word in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {word: number for number, word in enumerate(_DAYS)}),
)
_PART = re.compile(r"(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?\Z")
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
    fields = value.lower().split()
    if len(fields) != len(_GRAMMAR):
        raise errors.invalid("cron", "cron must have 5 fields: minute hour day month weekday")
    for field, (name, least, most, words) in zip(fields, _GRAMMAR, strict=True):
        if not all(_is_part(part, least, most, words) for part in field.split(",")):
            raise errors.invalid("cron", f"cron: {field[:40]!r} is not a valid {name}")
    text = " ".join(fields)
    if clock.never(text):
        raise errors.invalid("cron", "cron matches no day that ever comes")
    return Schedule(cron=text, timezone=zone)


def _is_part(part: str, least: int, most: int, words: dict[str, int]) -> bool:
    match = _PART.match(part)
    if match is None:
        return False
    star, first, last, step = match.groups()
    if step is not None and not 1 <= int(step) <= most - least:
        return False
    if star:
        return True
    numbers = [_number(text, words) for text in (first, last) if text is not None]
    if any(number is None or not least <= number <= most for number in numbers):
        return False
    return len(numbers) == 1 or numbers[0] <= numbers[1]  # type: ignore[operator]


def _number(text: str, words: dict[str, int]) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else words.get(text)


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
