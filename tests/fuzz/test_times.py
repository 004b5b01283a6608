"""Timers: cron lines, intervals, zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter
from hypothesis import assume, example, given
from hypothesis import strategies as st

from apps.core.errors import ApiError
from apps.sources.schedule import (
    MAX_INTERVAL,
    MIN_INTERVAL,
    next_after,
    parse_cron,
    parse_interval,
    parse_zone,
    slots_passed,
)
from apps.subscriptions.retries import asked_wait, wait_after
from tests.fuzz.texts import ANY, VALUES

RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
_WORDS = st.sampled_from(
    [
        "*",
        "*/2",
        "*/61",
        "0",
        "59",
        "60",
        "7",
        "8",
        "1-5",
        "5-1",
        "1/3",
        "mon",
        "jan",
        "L",
        "15W",
        "R",
        "?",
        "H",
        "#",
        "sun-sat",
        "1,2",
        ",",
        "-",
        "/",
        "",
        "*/0",
        "1-5/2",
        "٣",
        "0x1",
        "01",
        "@daily",
    ]
)
NEARLY = st.lists(
    _WORDS | st.text("0123456789*/,-? \t\n\x0bjanmoLWR#", max_size=4), max_size=7
).map(" ".join)


@st.composite
def crons(draw: st.DrawFn) -> str:
    """Lines that the grammar allows."""
    fields = []
    for low, high in RANGES:
        parts = []
        for _ in range(draw(st.integers(1, 3))):
            first = draw(st.integers(low, high))
            last = draw(st.integers(first, high))
            step = draw(st.integers(1, high - low))
            parts.append(
                draw(
                    st.sampled_from(
                        ["*", f"{first}", f"{first}-{last}", f"*/{step}", f"{first}-{last}/{step}"]
                    )
                )
            )
        fields.append(",".join(parts))
    return " ".join(fields)


@cache
def _matching(field: str, low: int, high: int) -> set[int]:
    """A second reading of one field of numbers."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first == "*":
            first, last = str(low), str(high)
        elif not last:
            last = str(high) if step else first
        found |= set(range(int(first), int(last) + 1, int(step or 1)))
    return found


def _matches(cron: str, moment: datetime) -> bool:
    minute, hour, day, month, weekday = cron.split()
    dates = [
        moment.minute in _matching(minute, 0, 59),
        moment.hour in _matching(hour, 0, 23),
        moment.month in _matching(month, 1, 12),
    ]
    by_day = moment.day in _matching(day, 1, 31)
    by_weekday = moment.isoweekday() % 7 in {number % 7 for number in _matching(weekday, 0, 7)}
    free_day, free_weekday = _is_free(day, 1, 31), _is_free(weekday, 0, 6)
    if free_day or free_weekday:
        return all(dates) and by_day and by_weekday
    return all(dates) and (by_day or by_weekday)


@cache
def _is_free(field: str, low: int, high: int) -> bool:
    return {n % 7 if high == 6 else n for n in _matching(field, low, high)} == set(
        range(low, high + 1)
    )


@given(NEARLY | ANY)
@example("0 0 15W * *")
@example("* * * * *\x0b*")
def test_any_text_is_a_schedule_or_400(text: str) -> None:
    try:
        schedule = parse_cron(text)
    except ApiError as refused:
        assert refused.status == 400
        assert "cron" in refused.message
        return
    assert schedule.cron is not None
    assert parse_cron(schedule.cron) == schedule, "a second pass changes nothing"
    assert croniter.is_valid(schedule.cron)
    assert len(schedule.cron.split()) == 5
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert next_after(schedule, now) > now


@given(crons(), st.integers(0, 4 * 366 * 1440), st.integers(0, 59))
@example("0 0 31 2 1", 0, 0)
@example("30 4-4 * * *", 0, 0)
@example("*,5 0 2-2 * *", 0, 0)
@example("0 0 * 2 7", 5, 0)
@example("*/7 * 1-31 * 1", 5, 3)
def test_the_next_slot_is_the_first_minute_that_matches(
    cron: str, minutes: int, seconds: int
) -> None:
    """In UTC, walked minute by minute with a second reading of the line."""
    assume(len(cron) <= 100)
    now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes, seconds=seconds)
    walked = now.replace(second=0)
    expected = None
    for _ in range(600):
        walked += timedelta(minutes=1)
        if _matches(cron, walked):
            expected = walked
            break
    try:
        found = next_after(parse_cron(cron), now)
    except ApiError as refused:
        assert "matches no day" in refused.message
        assert expected is None
        return
    if expected is None:
        assert found > walked
        assert _matches(cron, found)
    else:
        assert found == expected


@given(
    crons(),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Gaza"]
    ),
    st.integers(0, 366 * 1440),
    st.integers(0, 300),
)
@example("*/20 2 * * 0", "Europe/Berlin", 125_000, 300)
@example("*,5 * * * *", "UTC", 0, 90)
def test_what_downtime_owes_is_what_walking_counts(
    cron: str, zone: str, minutes: int, away: int
) -> None:
    try:
        schedule = parse_cron(cron, zone)
    except ApiError:
        assume(False)
    first = next_after(schedule, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))
    now = first + timedelta(minutes=away)
    slots, slot = [first], next_after(schedule, first)
    while slot <= now:
        slots.append(slot)
        slot = next_after(schedule, slot)
    owed = slots_passed(cron, zone, first, now)
    assert (owed.count, owed.newest, owed.next) == (len(slots), slots[-1], slot)


@given(ANY | st.text("abcEuropeBrlin/._-+0123456789", max_size=40) | VALUES)
@example("../../etc/passwd")
@example("Europe/Berlin/")
@example("Europe")
def test_any_text_is_a_zone_or_400(text: Any) -> None:
    try:
        zone = parse_zone(text)
    except ApiError as refused:
        assert refused.status == 400
        return
    assert zone == text
    assert ".." not in zone
    datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).utcoffset()


@given(VALUES | st.integers(0, 400_000_000))
def test_any_value_is_an_interval_or_400(value: Any) -> None:
    good = type(value) is int and MIN_INTERVAL <= value <= MAX_INTERVAL
    try:
        assert parse_interval(value) == value
    except ApiError as refused:
        assert refused.status == 400
        assert not good
    else:
        assert good


_DATES = st.lists(
    st.sampled_from(
        [
            *(
                "Mon",
                ",",
                " ",
                "01",
                "Jan",
                "Feb 31",
                "2026",
                "9999",
                "0001",
                "00:00:00",
                "24:61:61",
            ),
            *(
                "GMT",
                "+0000",
                "-2359",
                "+9999",
                "-99999",
                ":",
                "-",
                ".",
                "1e9",
                "Tue,",
                "12.30",
                "é",
            ),
        ]
    )
    | st.text(max_size=2),
    max_size=9,
).map(" ".join)


@given(st.none() | ANY | _DATES | st.datetimes().map(format_datetime) | st.integers(0).map(str))
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("9" * 5000)
@example("\u0663")
def test_any_retry_after_of_a_receiver_is_a_wait(text: str | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    asked = asked_wait(text, now)
    assert 0 <= asked < 1e12
    waited = wait_after(1, text, now)
    assert waited is not None
    assert 5 <= waited <= 115_200
    if text and text.isascii() and text.isdigit() and len(text) < 12:
        assert asked == int(text)
