"""Timers: what is accepted, when the next slot is, what is owed after downtime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from croniter import croniter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.core.errors import ApiError
from apps.sources.schedule import (
    Passed,
    Schedule,
    cron_event,
    first_slot,
    next_after,
    parse_cron,
    parse_interval,
    parse_zone,
    slots_passed,
)

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def walk(schedule: Schedule, start: str, end: str) -> list[str]:
    """Slots in (start, end), as `day hour:minute` in UTC."""
    slots, slot = [], next_after(schedule, utc(start))
    while slot < utc(end):
        slots.append(slot.strftime("%d %H:%M"))
        slot = next_after(schedule, slot)
    return slots


@pytest.mark.parametrize("seconds", [15, 60, 900, 86_400, 31_536_000])
def test_intervals(seconds: int) -> None:
    assert parse_interval(seconds) == seconds


@pytest.mark.parametrize("value", [14, 0, -1, 0.001, 15.0, True, "15", None, 10**18, [15]])
def test_refused_intervals(value: object) -> None:
    with pytest.raises(ApiError) as refused:
        parse_interval(value)
    assert refused.value.status == 400
    assert "intervalSeconds" in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *", "0 0 * * *", "*/15 * * * *", "5/20 0 * * *", "0 9-17 * * mon-fri",
        "0 0 1,15 * *", "0 0 29 2 *", "0 0 * JAN-mar sun", "0 0 * * 7", "59 23 31 12 *",
        "0-30/10 * * * *",
    ],
)  # fmt: skip
def test_cron(text: str) -> None:
    assert parse_cron(text).cron == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "0 0 15W * *", "R R * * *", "0 0 0 1 1 *", "0 0 * *", "", "@hourly", "*/61 * * * *",
        "*/60 * * * *", "*/0 * * * *", "0 0 30 2 *", "0 0 31 2,4 *", "60 * * * *", "0 24 * * *",
        "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "50-10 * * * *", "0 0 L * *", "0 0 * * 5#3",
        "? ? ? ? ?", "a b c d e", "-1 * * * *", "1--2 * * * *", "0 0 * jan-foo *", "H * * * *",
        "0 0 " + "1," * 60 + "1 * *", "٣ * * * *", "1,,2 * * * *", "* * * * *\x00", None, 5, ["*"],
    ],
)  # fmt: skip
def test_refused_cron(text: object) -> None:
    with pytest.raises(ApiError) as refused:
        parse_cron(text)
    assert refused.value.status == 400
    assert "cron" in refused.value.message


@pytest.mark.parametrize(
    "zone",
    ["Nowhere/City", "../../etc/passwd", "", "UTC\x00", "/etc/localtime", "a" * 300, None, 3],
)
def test_refused_zones(zone: object) -> None:
    with pytest.raises(ApiError) as refused:
        parse_zone(zone)
    assert "timezone" in refused.value.message


def test_first_slot_is_at_once_for_intervals_and_the_next_match_for_cron() -> None:
    """C1."""
    now = utc("2026-11-24T10:00:30")
    assert first_slot(Schedule(interval_seconds=900), now) == now
    assert first_slot(parse_cron("0 * * * *"), now) == utc("2026-11-24T11:00")


def test_next_is_strictly_later() -> None:
    hourly = parse_cron("0 * * * *")
    assert next_after(hourly, utc("2026-11-24T10:00")) == utc("2026-11-24T11:00")
    assert next_after(hourly, utc("2026-11-24T10:59:59.999999")) == utc("2026-11-24T11:00")


@pytest.mark.parametrize(
    ("cron", "slot", "owed"),
    [
        ("30 4-4 * * *", "2026-01-01T04:30", 1),
        ("3-3/2 * * * *", "2026-01-01T00:03", 10),
        ("* * 2-2 1-1 *", "2026-01-02T00:00", 541),
        ("0 0 * * 5-5", "2026-01-02T00:00", 1),
        ("*,5 3 * * *", "2026-01-01T03:00", 60),
        ("0 5,* * * *", "2026-01-01T01:00", 10),
        ("0 0 * * 6-7", "2026-01-03T00:00", 1),
        ("0 0 * * 0,7", "2026-01-04T00:00", 1),
        ("50/5 0 * * *", "2026-01-01T00:50", 2),
    ],
)
def test_lines_that_croniter_reads_in_another_way(cron: str, slot: str, owed: int) -> None:
    """Or not at all: `*,5` once failed in the middle of a tick."""
    first = next_after(parse_cron(cron), utc("2026-01-01T00:00"))
    assert first == utc(slot)
    assert slots_passed(cron, "UTC", first, first + timedelta(hours=9)).count == owed


def test_cron_follows_its_zone() -> None:
    nine = parse_cron("0 9 * * *", BERLIN)
    assert next_after(nine, utc("2026-07-01T00:00")) == utc("2026-07-01T07:00")
    assert next_after(nine, utc("2026-12-01T00:00")) == utc("2026-12-01T08:00")


# Berlin 2026: forward on 29 March at 01:00 UTC (02:00 → 03:00), back on 25 October at 01:00 UTC
# (03:00 → 02:00).


def test_a_time_that_is_left_out_runs_once_after_the_gap() -> None:
    schedule = parse_cron("30 2 * * *", BERLIN)
    assert walk(schedule, "2026-03-28T00:00", "2026-03-31T00:00") == [
        "28 01:30", "29 01:00", "30 00:30",
    ]  # fmt: skip


def test_times_left_out_together_are_one_slot() -> None:
    schedule = parse_cron("*/20 2,3 * * *", BERLIN)
    assert walk(schedule, "2026-03-29T00:00", "2026-03-29T03:00") == [
        "29 01:00", "29 01:20", "29 01:40",
    ]  # fmt: skip


def test_a_time_that_comes_twice_runs_the_first_time() -> None:
    schedule = parse_cron("30 2 * * *", BERLIN)
    assert walk(schedule, "2026-10-24T12:00", "2026-10-26T12:00") == ["25 00:30", "26 01:30"]


def test_every_hour_follows_real_time_through_both_changes() -> None:
    schedule = parse_cron("*/30 * * * *", BERLIN)
    for day in ("2026-03-29", "2026-10-25"):
        slots = walk(schedule, f"{day}T00:00", f"{day}T04:00")
        assert slots == [f"{day[-2:]} {h:02}:{m:02}" for h in range(4) for m in (0, 30)][1:]


def test_half_an_hour_of_daylight_saving() -> None:
    schedule = parse_cron("*/15 * * * *", "Australia/Lord_Howe")
    start = utc("2026-04-04T12:00")
    slots = [start := next_after(schedule, start) for _ in range(40)]
    assert {later - earlier for earlier, later in pairwise(slots)} == {timedelta(minutes=15)}


def test_on_time_nothing_is_skipped() -> None:
    first = utc("2026-11-24T10:00")
    found = slots_passed("* * * * *", "UTC", first, first + timedelta(seconds=59))
    assert found == Passed(1, first, first, first + timedelta(minutes=1))


@pytest.mark.parametrize(("cron", "zone"), [("* * * * *", "UTC"), ("*/1 * * * *", BERLIN)])
def test_after_downtime_one_run_and_every_skipped_slot_counted(cron: str, zone: str) -> None:
    found = slots_passed(cron, zone, utc("2026-11-24T10:00"), utc("2026-11-24T13:00:30"))
    assert found.newest == utc("2026-11-24T13:00")
    assert found.count == 181
    assert found.before_newest == utc("2026-11-24T12:59")
    assert found.next == utc("2026-11-24T13:01")


def test_the_event_of_a_cron_tick() -> None:
    event = orjson.loads(cron_event(utc("2026-11-24T10:00"), "0 10 * * *", "UTC"))
    assert event == {"timestamp": 1795514400, "cron": "0 10 * * *", "timezone": "UTC"}


CRONS = [
    "* * * * *", "*/7 * * * *", "0 */5 * * *", "30 2 * * *", "15,45 1-3 * * *", "0 0 1 * *",
    "0 12 * * mon", "0 0 13 * fri", "59 23 * 3,10 *", "*/20 2 * * sun",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe"]),
    minutes=st.integers(0, 365 * 1440),
    away=st.timedeltas(timedelta(0), timedelta(hours=8)),
)
@example(cron="*/20 2 * * sun", zone=BERLIN, minutes=125_000, away=timedelta(hours=9))
@example(cron="*/7 * * * *", zone=BERLIN, minutes=125_200, away=timedelta(hours=9))
@example(cron="*/7 * * * *", zone=BERLIN, minutes=427_500, away=timedelta(hours=9))
@example(cron="15,45 1-3 * * *", zone=BERLIN, minutes=427_500, away=timedelta(hours=9))
def test_what_is_owed_equals_walking_slot_by_slot(
    cron: str, zone: str, minutes: int, away: timedelta
) -> None:
    schedule = parse_cron(cron, zone)
    first = next_after(schedule, utc("2026-01-01T00:00") + timedelta(minutes=minutes))
    now = first + away
    slots, slot = [first], next_after(schedule, first)
    while slot <= now:
        slots.append(slot)
        slot = next_after(schedule, slot)
    found = slots_passed(cron, zone, first, now)
    assert found == Passed(len(slots), slots[-1], slots[-2:][0], slot)
    assert all(earlier < later for earlier, later in pairwise([*slots, slot]))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CRONS), st.integers(0, 4 * 365 * 86_400))
def test_in_utc_the_next_slot_is_croniters(cron: str, seconds: int) -> None:
    moment = utc("2026-01-01T00:00") + timedelta(seconds=seconds)
    assert next_after(parse_cron(cron), moment) == croniter(cron, moment).get_next(datetime)


def test_years_of_downtime_are_counted_without_walking_them() -> None:
    """Five million slots: walked one by one, this test runs into its time limit."""
    first, now = utc("2016-01-01T00:00"), utc("2026-01-01T00:00:30")
    found = slots_passed("* * * * *", BERLIN, first, now)
    assert found.count == (now - first).days * 1440 + 1
