"""GET /sources/{id}/suppressed: REST specification, index 28; DESIGN section 7."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from apps.core.clock import app_now
from apps.runs import suppressed
from apps.runs.suppressed import Withheld
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, make_caller, make_source, store_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(transactional_db: None) -> Iterator[Api]:
    """Her rows are committed: the records are written as a worker writes them."""
    yield make_caller("alice")
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE suppressed")


def now_ms() -> int:
    return int(app_now().timestamp() * 1000)


def withhold(source: Source, *emits: Withheld, at_ms: int | None = None) -> None:
    """What one commit writes of these."""
    columns = suppressed.columns_of({source.id: [(at_ms or now_ms(), emit) for emit in emits]})

    async def write() -> None:
        dsn = make_conninfo(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"])
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as opened:
            await opened.execute(suppressed.STORE, columns)

    asyncio.run(write())


def listed(caller: Api, source: Source, query: str = "") -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = caller.json(f"/sources/{source.id}/suppressed{query}")["data"]
    return data


def test_28_one_record_of_an_id_with_first_last_and_count(alice: Api, source: Source) -> None:
    at = now_ms()
    for offset in (0, 10, 20):
        withhold(source, Withheld("", "a", "seen"), at_ms=at + offset)
    withhold(source, Withheld("", "b", "seen"), Withheld("", "b", "seen"), at_ms=at + 5)
    body = alice.json(f"/sources/{source.id}/suppressed")
    assert body["data"] == [
        {"id": "a", "reason": "seen", "first_ms": at, "last_ms": at + 20, "count": 3},
        {"id": "b", "reason": "seen", "first_ms": at + 5, "last_ms": at + 5, "count": 2},
    ]
    assert body["page_info"]["total_count"] == 2


def test_28_per_channel(alice: Api, source: Source) -> None:
    withhold(source, Withheld("", 1, "seen"), Withheld("other", 2, "seen"))
    assert [item["id"] for item in listed(alice, source)] == [1]
    assert [item["id"] for item in listed(alice, source, "?event_name=other")] == [2]


def test_28_ids_are_compared_as_dedupe_does(alice: Api, source: Source) -> None:
    withhold(source, Withheld("", 1, "seen"), Withheld("", "1", "seen"), Withheld("", 1.0, "seen"))
    [item] = listed(alice, source)
    assert item["count"] == 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ("", ""),
        ("nul\x00", "nul\x00"),
        ("\ud800", "?"),
        ("x" * 500, "x" * 200),
        (2**70, str(2**70)),
        (True, True),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_28_whatever_an_id_may_be(alice: Api, source: Source, value: Any, shown: Any) -> None:
    withhold(source, Withheld("", value, "not_numeric"))
    [item] = listed(alice, source)
    assert item["id"] == shown


def test_28_the_event_that_was_seen(alice: Api, source: Source) -> None:
    at = now_ms()
    event = store_event(source.id, at - 1000, meta=b'{"id":"a"}')
    store_event(source.id, at - 999, meta=b'{"id":"b"}')
    withhold(source, Withheld("", "a", "seen"), Withheld("", "c", "seen"), at_ms=at)
    found = {item["id"]: item.get("matched_event_id") for item in listed(alice, source)}
    assert found == {"a": event, "c": None}


def test_28_what_was_greater_and_what_was_last(alice: Api, source: Source) -> None:
    at = now_ms()
    store_event(source.id, at - 1000, meta=b'{"id":9}')
    greatest = store_event(source.id, at - 999, meta=b'{"id":"10"}')
    last = store_event(source.id, at - 998, meta=b'{"id":2}')
    store_event(source.id, at - 997)
    store_event(source.id, at + 1000, meta=b'{"id":99}')
    emits = [
        Withheld("", 5, "not_greater"),
        Withheld("", "x", "before_last"),
        Withheld("", None, "missing_id"),
    ]
    withhold(source, *emits, at_ms=at)
    found = {item["reason"]: item.get("matched_event_id") for item in listed(alice, source)}
    assert found == {"not_greater": greatest, "before_last": last, "missing_id": None}


def test_28_at_most_a_thousand_a_source_for_a_week(alice: Api, source: Source) -> None:
    at = now_ms()
    withhold(source, *(Withheld("", n, "seen") for n in range(1500)), at_ms=at)
    withhold(source, *(Withheld("", n, "seen") for n in range(2000, 2600)), at_ms=at + 1)
    withhold(source, Withheld("old", 1, "seen"), at_ms=at - 8 * 86_400_000)
    assert alice.json(f"/sources/{source.id}/suppressed")["page_info"]["total_count"] == 1000
    assert listed(alice, source, "?event_name=old") == []
    suppressed.trim()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE last_ms = %s) FROM suppressed", [at + 1]
        )
        assert cursor.fetchone() == (1000, 600)


def test_28_in_pages_both_ways(alice: Api, source: Source) -> None:
    at = now_ms()
    for number in range(5):
        withhold(source, Withheld("", number, "seen"), at_ms=at + number)
    seen, query, before = [], "?limit=2", ""
    for _ in range(3):
        body = alice.json(f"/sources/{source.id}/suppressed{query}")
        seen += [item["id"] for item in body["data"]]
        before = body["page_info"]["start_cursor"]
        query = f"?limit=2&after={body['page_info']['end_cursor']}"
    assert seen == [4, 3, 2, 1, 0]
    assert [i["id"] for i in listed(alice, source, f"?limit=2&before={before}")] == [2, 1]


@pytest.mark.parametrize("cursor", ["x", "ZGNfMDAwMDAw", "fHx8", "%00"])
def test_28_a_forged_cursor_is_400(alice: Api, source: Source, cursor: str) -> None:
    response = alice.get(f"/sources/{source.id}/suppressed?after={cursor}")
    assert_error(response, 400, parameter="after")


def test_28_anothers_records_are_404_and_no_cursor_fits_two_sources(
    alice: Api, source: Source
) -> None:
    withhold(source, Withheld("", 1, "seen"))
    bob, other = make_caller("bob"), make_source(alice.user)
    assert_error(bob.get(f"/sources/{source.id}/suppressed"), 404, code="not_found")
    cursor = alice.json(f"/sources/{source.id}/suppressed")["page_info"]["end_cursor"]
    assert_error(alice.get(f"/sources/{other.id}/suppressed?after={cursor}"), 400)
    assert listed(alice, other) == []


def test_28_is_json_whatever_the_id(alice: Api, source: Source) -> None:
    withhold(source, *(Withheld("", value, "seen") for value in ('"', "\\", "\n", "ü", 1.5)))
    raw = alice.get(f"/sources/{source.id}/suppressed?limit=100").content
    assert {item["id"] for item in orjson.loads(raw)["data"]} == {'"', "\\", "\n", "ü", 1.5}
