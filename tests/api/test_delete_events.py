"""DELETE /sources/{id}/events: REST specification 6.3, F9, Q5."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from apps.events import services
from apps.events.items import EventId
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, make_caller, make_source, store_event

MS = 1589486981597
THREE = [f"{MS}-0", f"{MS + 1}-0", f"{MS + 2}-0"]


@pytest.fixture
def three(source: Source) -> Source:
    for i in range(3):
        store_event(source.id, MS + i)
    return source


def _left(alice: Api, source: Source, query: str = "") -> list[str]:
    body = alice.json(f"/sources/{source.id}/event_summaries?limit=100&{query}")
    return [item["id"] for item in body["data"]][::-1]


def _delete(alice: Api, source: Source, query: str = "", body: Any = None) -> None:
    response = alice.call("DELETE", f"/sources/{source.id}/events?{query}", body)
    assert response.status_code == 202, response.content
    assert response.content == b""
    assert "Content-Type" not in response


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("", []),
        (f"start_id={THREE[1]}", THREE[:1]),
        (f"end_id={THREE[1]}", THREE[2:]),
        (f"start_id={THREE[1]}&end_id={THREE[1]}", [THREE[0], THREE[2]]),
        (f"start_id={THREE[0]}&end_id={THREE[1]}", THREE[2:]),
        (f"start_id={THREE[2]}&end_id={THREE[0]}", THREE),
        (f"start_id={MS + 1}", THREE[:1]),
        (f"end_id={MS + 1}", THREE[2:]),
        ("start_id=1-0&end_id=2-0", THREE),
        (f"start_id={MS + 1}-1", THREE[:2]),
        (f"end_id={MS + 9}-7", []),
    ],
)
def test_6_3_ranges(alice: Api, three: Source, query: str, left: list[str]) -> None:
    _delete(alice, three, query)
    assert _left(alice, three) == left


def test_6_3_missing_n_means_all_of_that_millisecond(alice: Api, source: Source) -> None:
    for n in (0, 5, 20):
        store_event(source.id, MS, n)
    _delete(alice, source, f"start_id={MS}&end_id={MS}")
    assert _left(alice, source) == []


def test_6_3_parameters_may_come_in_the_body_and_the_query_wins(alice: Api, three: Source) -> None:
    _delete(alice, three, f"start_id={THREE[2]}", {"start_id": THREE[0]})
    assert _left(alice, three) == THREE[:2]
    _delete(alice, three, "", {"start_id": THREE[1]})
    assert _left(alice, three) == THREE[:1]


@pytest.mark.parametrize("bound", ["abc", "-1", "1-", "", "1-2-3", "9" * 40, "1%00"])
@pytest.mark.parametrize("parameter", ["start_id", "end_id"])
def test_6_3_malformed_bound_is_400_and_nothing_is_deleted(
    alice: Api, three: Source, parameter: str, bound: str
) -> None:
    response = alice.call("DELETE", f"/sources/{three.id}/events?{parameter}={bound}")
    assert_error(response, 400, parameter=parameter)
    assert _left(alice, three) == THREE


def test_6_3_no_match_and_a_second_time_are_202(alice: Api, three: Source) -> None:
    _delete(alice, three)
    _delete(alice, three)
    _delete(alice, three, "event_name=unknown")


def test_q5_every_emit_channel_but_errors_and_logs_only_when_named(
    alice: Api, source: Source
) -> None:
    for n, channel in enumerate(("", "self", "$errors", "$logs")):
        store_event(source.id, MS, n, channel=channel)
    _delete(alice, source)
    assert _left(alice, source) == _left(alice, source, "event_name=self") == []
    assert _left(alice, source, "event_name=$errors") == [f"{MS}-2"]
    _delete(alice, source, "event_name=$errors")
    assert _left(alice, source, "event_name=$errors") == []
    assert _left(alice, source, "event_name=$logs") == [f"{MS}-3"]


def test_6_3_event_name_restricts_also_to_the_default_channel(alice: Api, source: Source) -> None:
    store_event(source.id, MS, 0)
    store_event(source.id, MS, 1, channel="self")
    _delete(alice, source, "event_name=")
    assert _left(alice, source) == []
    assert _left(alice, source, "event_name=self") == [f"{MS}-1"]


def test_q5_whole_ledger_and_not_only_the_listed_100(alice: Api, source: Source) -> None:
    for n in range(150):
        store_event(source.id, MS, n)
    _delete(alice, source)
    assert _left(alice, source) == []


def test_6_3_pending_scheduled_event_is_cancelled(alice: Api, source: Source) -> None:
    scheduled = store_event(source.id, MS, 0, due_in_s=3600)
    assert _left(alice, source) == [scheduled]
    _delete(alice, source, f"start_id={scheduled}&end_id={scheduled}")
    assert _left(alice, source) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM event WHERE deleted_at < due_at")
        assert cursor.fetchone() == (1,)


def test_f9_deletion_hides_and_keeps_the_row(alice: Api, three: Source) -> None:
    _delete(alice, three)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(deleted_at), min(payload) FROM event")
        row = cursor.fetchone()
    assert row is not None
    assert row[:2] == (3, 3)
    assert bytes(row[2]) == b'{"a":1}'


def test_6_3_ids_are_not_given_again_by_deletion(alice: Api, three: Source) -> None:
    """The counter of ids is the source's own row; deletion does not touch it."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE actor SET last_ms = %s, last_n = 4", [MS + 2])
        services.hide_events(three.id)
        cursor.execute("SELECT last_ms, last_n FROM actor")
        assert cursor.fetchone() == (MS + 2, 4)


def test_other_sources_keep_their_events(alice: Api, three: Source) -> None:
    other = make_source(alice.user)
    store_event(other.id, MS)
    _delete(alice, three)
    assert _left(alice, other) == [f"{MS}-0"]


def _in_thread(work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_6_3_set_is_frozen_at_acceptance(transactional_db: None) -> None:
    """An event whose commit is under way when the deletion is accepted survives it."""
    alice = make_caller("alice")
    source = make_source(alice.user)
    store_event(source.id, MS)
    stored, deleted = threading.Event(), threading.Event()

    def commit_later() -> None:
        with transaction.atomic():
            store_event(source.id, MS + 1)
            stored.set()
            assert deleted.wait(20)

    writer = _in_thread(commit_later)
    assert stored.wait(20)
    _delete(alice, source)
    deleted.set()
    writer.join(20)
    store_event(source.id, MS + 2)
    assert _left(alice, source) == [f"{MS + 1}-0", f"{MS + 2}-0"]


def test_service_reports_how_many(source: Source) -> None:
    for n in range(3):
        store_event(source.id, MS, n)
    assert services.hide_events(source.id, start=EventId(MS, 1)) == 2
    assert services.hide_events(source.id) == 1
