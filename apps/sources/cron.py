"""The slots of a cron text that `schedule.parse_cron` accepts. Pure; the only door to croniter,
which is given numbers alone: it reads `4-4` as every hour, and stumbles over `*,5`.

Daylight saving, in a zone that has it:
- The hour field begins with `*`: the schedule follows real time. Both passes of a repeated hour
  have their slots, and an hour that is left out has none.
- Else the schedule follows the clock on the wall. A time that comes twice runs once, the first
  time; times that are left out run once, at the moment after the gap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from threading import Lock
from zoneinfo import ZoneInfo

from croniter import croniter

from apps.sources import cron_fields

# More than any zone puts its clock back: beyond it a change is of no concern.
_NEAR = timedelta(hours=3)

# A croniter keeps its position inside, and threads share the cached ones.
_lock = Lock()


@lru_cache(maxsize=4096)
def _matcher(cron: str) -> croniter:
    return croniter(cron_fields.write(_numbers(cron)), datetime(2000, 1, 1, tzinfo=UTC))


@lru_cache(maxsize=4096)
def _numbers(cron: str) -> tuple[cron_fields.Numbers | None, ...]:
    return cron_fields.read(cron)


def _follows_real_time(cron: str) -> bool:
    return cron.split()[1].startswith("*")


def _next_wall(cron: str, wall: datetime) -> datetime:
    """The first match strictly after a time on the wall clock (naive both)."""
    with _lock:
        found: datetime = _matcher(cron).get_next(datetime, start_time=wall.replace(tzinfo=UTC))
    return found.replace(tzinfo=None)


def next_slot(cron: str, zone_name: str, moment: datetime) -> datetime:
    """Walks the matches on the wall clock; near a clock put back, from as far before as it was."""
    zone = ZoneInfo(zone_name)
    wall = moment.astimezone(zone).replace(tzinfo=None) - _put_back(zone, moment)
    elapsing = _follows_real_time(cron)
    later: list[datetime] = []
    while True:
        wall = _next_wall(cron, wall)
        slots = list(_instants(wall, zone, elapsing))
        later.extend(slot for slot in slots if slot > moment)
        # Later matches have later first slots, so nothing below the least can follow.
        if slots and slots[0] > moment:
            return min(later)


def _put_back(zone: ZoneInfo, moment: datetime) -> timedelta:
    """By how much the clock is put back within some hours of `moment` (zero otherwise)."""
    before = (moment - _NEAR).astimezone(zone).utcoffset()
    after = (moment + _NEAR).astimezone(zone).utcoffset()
    assert before is not None
    assert after is not None
    return max(timedelta(0), before - after)


def _instants(wall: datetime, zone: ZoneInfo, elapsing: bool) -> Iterator[datetime]:
    """The moments at which the clock shows `wall`, by the rules in the docstring, in order."""
    early = wall.replace(tzinfo=zone).astimezone(UTC)
    late = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) != wall:
        # Left out: `fold` reads it with the offset before (0) and after (1) the change.
        if not elapsing:
            yield _change_between(zone, late, early)
        return
    yield early
    if elapsing and late != early:
        yield late


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the clock was put forward, somewhere in (before, after]."""
    target = after.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == target:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)


# --- counting what was missed ----------------------------------------------------------------


def tally(cron: str, zone_name: str, first: datetime, end: datetime) -> tuple[int, datetime | None]:
    """How many slots lie in [first, end), and the newest of them.

    A day on which the clock does not change is counted hour by hour, another slot by slot.
    """
    zone = ZoneInfo(zone_name)
    count = 0
    newest: datetime | None = None
    day = first.astimezone(zone).date()
    midnight = _midnight(day, zone)
    while midnight < end:
        following = _midnight(day + timedelta(days=1), zone)
        start, stop = max(midnight, first), min(following, end)
        if following - midnight == timedelta(days=1):
            found, last = _tally_day(cron, day, midnight, start, stop)
        else:
            found, last = _tally_changing_day(cron, day, zone, start, stop)
        count += found
        if last is not None:
            newest = last
        day, midnight = day + timedelta(days=1), following
    return count, newest


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _tally_changing_day(
    cron: str, day: date, zone: ZoneInfo, start: datetime, stop: datetime
) -> tuple[int, datetime | None]:
    elapsing = _follows_real_time(cron)
    slots = {
        slot
        for hour, times in _times(cron, day)
        for minute in times
        for slot in _instants(datetime.combine(day, time(hour, minute)), zone, elapsing)
        if start <= slot < stop
    }
    return len(slots), max(slots, default=None)


def _tally_day(
    cron: str, day: date, midnight: datetime, start: datetime, stop: datetime
) -> tuple[int, datetime | None]:
    minute, count, newest = timedelta(minutes=1), 0, None
    # Minutes of the day, both rounded up: the slots are [low, high).
    low, high = -((midnight - start) // minute), -((midnight - stop) // minute)
    for hour, times in _times(cron, day):
        inside = times[bisect_left(times, low - hour * 60) : bisect_left(times, high - hour * 60)]
        if inside:
            count, newest = count + len(inside), midnight + (hour * 60 + inside[-1]) * minute
    return count, newest


def _times(cron: str, day: date) -> Iterator[tuple[int, Sequence[int]]]:
    """The matching hours of a day, each with its minutes, on the wall clock."""
    minutes, hours, *_ = _numbers(cron)
    if _matches_day(cron, day):
        for hour in range(24) if hours is None else hours:
            yield hour, range(60) if minutes is None else minutes


def _matches_day(cron: str, day: date) -> bool:
    """Both day fields given: either is enough, as in every cron."""
    days, months, weekdays = _numbers(cron)[2:5]
    if months is not None and day.month not in months:
        return False
    by_weekday = weekdays is None or day.isoweekday() % 7 in weekdays
    if days is None:
        return by_weekday
    by_date = day.day in days
    return by_date if weekdays is None else by_date or by_weekday


def never(cron: str) -> bool:
    """Whether it matches no day that ever comes, or nothing at all."""
    try:
        _next_wall(cron, datetime(2000, 1, 1))  # noqa: DTZ001 (on the wall)
    except ValueError:
        return True
    return False
