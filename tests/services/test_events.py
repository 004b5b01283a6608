"""Deleting events also from the live tail; listing a long channel."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import redis
import redis.asyncio
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection

from apps.core.ids import new_id
from apps.events import reading, services
from apps.events.items import EventId
from apps.events.stream import Append, Entry, Stream, key

MS = 1589486981597


def _store(source_id: str, n: int, channel: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)"
            " VALUES (%s, %s, %s, %s, %s, '{}', '{}', app_now())",
            [source_id, channel, MS, n, uuid4()],
        )


async def _publish(source_id: str, numbers: range) -> None:
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL)
    entries = [Entry(MS, n, "", b"{}", b"{}") for n in numbers]
    stale = await Stream(client, 100).append([Append(source_id, 0, 0, entries)])
    await client.aclose()
    assert not stale


def _tail(source_id: str) -> list[str]:
    client = redis.Redis.from_url(settings.REDIS_URL)
    try:
        entries: Any = client.xrange(key(source_id))
        return [entry[0].decode() for entry in entries]
    finally:
        client.close()


def test_hidden_events_leave_the_live_tail_and_later_ones_stay(transactional_db: None) -> None:
    """The entry 4 was stored and published by a commit that the deletion did not see."""
    source_id = new_id("dc")
    for n in range(4):
        _store(source_id, n)
    async_to_sync(_publish)(source_id, range(5))
    assert services.hide_events(source_id, start=EventId(MS, 2)) == 2
    assert _tail(source_id) == [f"{MS}-0", f"{MS}-1", f"{MS}-4"]
    assert services.hide_events(source_id) == 2
    assert _tail(source_id) == [f"{MS}-4"]
    assert services.hide_events(source_id) == 0
    assert _tail(source_id) == [f"{MS}-4"]


@pytest.mark.parametrize("channel", ["", "$logs"])
def test_the_newest_hundred_of_a_long_ledger_are_listed(db: None, channel: str) -> None:
    source_id = new_id("dc")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)"
            " SELECT %s, %s, i, 0, gen_random_uuid(), '{}', '{}', app_now()"
            " FROM generate_series(1, 20000) AS i",
            [source_id, channel],
        )
    page = reading.read_page(source_id, channel, limit=3, after=EventId(19_999, 0))
    assert [event.id.ms for event in page.items] == [19_998, 19_997, 19_996]
    assert page.total == 100
