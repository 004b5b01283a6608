"""GET /sources/{id}/ticks: REST specification, index 27; DESIGN section 7, late ticks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.core.clock import app_now
from apps.runs.mailbox import run_id
from apps.sources.models import SkippedSlots, Source
from tests.api.conftest import Api, assert_error, make_source

MS = 1780272000000


def ran(source: Source, slot: int, lag_ms: int = 5, key: str | None = None) -> str:
    """An ended run of a slot; its id."""
    at = datetime.fromtimestamp(slot / 1000, UTC)
    key = key or f"1:{slot}"
    run = run_id(source.id, "timer", key)
    started = at + timedelta(milliseconds=lag_ms)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO run VALUES (%s,%s,%s,%s,'timer',%s,%s,%s,%s,%s,'succeeded',1,5,0,0,NULL)",
            [run, source.id, source.owner_id, source.component_id, key, at, at, started, started],
        )
    return str(run)


def queued(source: Source, slot: int, cause: str = "timer") -> str:
    at = datetime.fromtimestamp(slot / 1000, UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)"
            " VALUES (%s, %s, %s, %s, %s, %s, '{}')",
            [source.id, cause, f"1:{slot}", at, at, at],
        )
    return str(run_id(source.id, cause, f"1:{slot}"))


def skipped(source: Source, first: int, last: int, count: int, reason: str) -> None:
    SkippedSlots.objects.create(
        source_id=source.id, generation=1, from_ms=first, to_ms=last, count=count, reason=reason
    )


def test_27_ran_late_and_skipped_newest_first(alice: Api, source: Source) -> None:
    in_time, late = ran(source, MS, 5), ran(source, MS + 60_000, 2_500)
    skipped(source, MS + 120_000, MS + 240_000, 3, "previous_run")
    skipped(source, MS + 300_000, MS + 300_000, 1, "downtime")
    body = alice.json(f"/sources/{source.id}/ticks")
    assert body["data"] == [
        {
            "from_ms": MS + 300_000,
            "to_ms": MS + 300_000,
            "count": 1,
            "outcome": "skipped",
            "reason": "downtime",
        },
        {
            "from_ms": MS + 120_000,
            "to_ms": MS + 240_000,
            "count": 3,
            "outcome": "skipped",
            "reason": "previous_run",
        },
        {
            "from_ms": MS + 60_000,
            "to_ms": MS + 60_000,
            "count": 1,
            "outcome": "late",
            "lag_ms": 2_500,
            "run_id": late,
        },
        {
            "from_ms": MS,
            "to_ms": MS,
            "count": 1,
            "outcome": "ran",
            "lag_ms": 5,
            "run_id": in_time,
        },
    ]
    assert body["page_info"]["total_count"] == 4


def test_27_a_slot_that_still_waits_is_late_so_far(alice: Api, source: Source) -> None:
    now = int(app_now().timestamp() * 1000)
    run = queued(source, now - 5_000)
    queued(source, now, "manual")
    [tick] = alice.json(f"/sources/{source.id}/ticks")["data"]
    assert (tick["outcome"], tick["reason"], tick["run_id"]) == ("late", "waiting", run)
    assert 5_000 <= tick["lag_ms"] < 60_000


def test_27_a_slot_whose_run_is_going_on_ran(alice: Api, source: Source) -> None:
    run = queued(source, MS)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE actor SET token = 1, until = app_now() + interval '1 minute'")
    [tick] = alice.json(f"/sources/{source.id}/ticks")["data"]
    assert tick == {
        "from_ms": MS,
        "to_ms": MS,
        "count": 1,
        "outcome": "ran",
        "reason": "running",
        "run_id": run,
    }


def test_27_a_slot_that_has_only_just_come_has_no_outcome_yet(alice: Api, source: Source) -> None:
    queued(source, int(app_now().timestamp() * 1000) + 500)
    assert alice.json(f"/sources/{source.id}/ticks")["data"] == []


def test_27_a_run_that_was_asked_for_again_is_no_slot(alice: Api, source: Source) -> None:
    ran(source, MS)
    ran(source, MS, key=f"1:{MS}:again:0123456789ab")
    assert len(alice.json(f"/sources/{source.id}/ticks")["data"]) == 1


def test_27_in_pages_both_ways(alice: Api, source: Source) -> None:
    for number in range(3):
        ran(source, MS + number * 60_000)
        skipped(source, MS + number * 60_000, MS + number * 60_000, 1, "previous_run")
    whole = alice.json(f"/sources/{source.id}/ticks?limit=100")["data"]
    assert len(whole) == 6
    seen, query, before = [], "limit=4", ""
    for _ in range(2):
        body = alice.json(f"/sources/{source.id}/ticks?{query}")
        seen += body["data"]
        before = body["page_info"]["start_cursor"]
        query = f"limit=4&after={body['page_info']['end_cursor']}"
    assert seen == whole
    assert alice.json(f"/sources/{source.id}/ticks?limit=2&before={before}")["data"] == whole[2:4]


@pytest.mark.parametrize("cursor", ["x", "ZGNfMDAwMDAw", "fHx8", "%00"])
def test_27_a_forged_cursor_is_400(alice: Api, source: Source, cursor: str) -> None:
    assert_error(alice.get(f"/sources/{source.id}/ticks?after={cursor}"), 400, parameter="after")


def test_27_another_sources_cursor_is_400_and_its_ticks_are_404(
    alice: Api, bob: Api, source: Source
) -> None:
    ran(source, MS)
    cursor = alice.json(f"/sources/{source.id}/ticks")["page_info"]["end_cursor"]
    other = make_source(alice.user)
    assert alice.json(f"/sources/{other.id}/ticks")["data"] == []
    assert_error(alice.get(f"/sources/{other.id}/ticks?after={cursor}"), 400)
    assert_error(bob.get(f"/sources/{source.id}/ticks"), 404, code="not_found")
