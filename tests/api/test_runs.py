"""GET /sources/{id}/runs and GET /runs/{id}: REST specification, index 25."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.runs.mailbox import run_id
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, make_source

START = datetime(2026, 5, 1, tzinfo=UTC)


def _queue(source: Source, key: str, at: datetime, cause: str = "manual") -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [source.id, cause, key, at, at, at, b"{}"],
        )
    return str(run_id(source.id, cause, key))


def _end(
    source: Source, key: str, at: datetime, state: str = "succeeded", error: Any = None
) -> str:
    run = run_id(source.id, "timer", key)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO run VALUES (%s,%s,%s,%s,'timer',%s,%s,%s,%s,%s,%s,0,1500,2,1,%s)",
            [run, source.id, source.owner_id, source.component_id, key, at, at,
             at + timedelta(seconds=1), at + timedelta(seconds=2.5), state, error],
        )  # fmt: skip
    return str(run)


def test_25_fields_of_an_ended_run(alice: Api, source: Source) -> None:
    error = b'{"code":null,"name":"Error","message":"x"}'
    run = _end(source, "1:0", START, "failed", error)
    (item,) = alice.json(f"/sources/{source.id}/runs")["data"]
    ms = int(START.timestamp() * 1000)
    assert item == {
        "id": run,
        "source_id": source.id,
        "component_id": source.component_id,
        "cause": "timer",
        "state": "failed",
        "attempt": 0,
        "queued_at_ms": ms,
        "started_at_ms": ms + 1000,
        "finished_at_ms": ms + 2500,
        "duration_ms": 1500,
        "emitted": 2,
        "suppressed": 1,
        "error": {"code": None, "name": "Error", "message": "x"},
    }
    assert alice.json(f"/runs/{run}")["data"] == item
    assert alice.json(f"/runs/{run}?include=state")["data"] == {"state": "failed"}


def test_25_waiting_runs_are_queued(alice: Api, source: Source) -> None:
    run = _queue(source, "a", START)
    (item,) = alice.json(f"/sources/{source.id}/runs")["data"]
    assert item["state"] == "queued"
    assert item["started_at_ms"] is item["finished_at_ms"] is item["duration_ms"] is None
    assert item["error"] is None
    assert alice.json(f"/runs/{run}")["data"] == item


def test_25_one_order_over_history_and_mailbox(alice: Api, source: Source) -> None:
    runs = [
        _end(source, "1:0", START),
        _end(source, "1:1", START + timedelta(seconds=1)),
        _queue(source, "a", START + timedelta(seconds=2)),
        _queue(source, "b", START + timedelta(seconds=2)),
        _queue(source, "c", START + timedelta(seconds=3)),
    ][::-1]
    seen: list[str] = []
    query = "limit=2"
    for _ in range(3):
        body = alice.json(f"/sources/{source.id}/runs?{query}")
        assert body["page_info"]["total_count"] == 5
        seen += [item["id"] for item in body["data"]]
        query = f"limit=2&after={body['page_info']['end_cursor']}"
    assert seen == runs
    body = alice.json(f"/sources/{source.id}/runs?before={body['page_info']['end_cursor']}&limit=2")
    assert [item["id"] for item in body["data"]] == runs[2:4]


def test_25_cursor_of_a_run_past_its_retention_still_works(alice: Api, source: Source) -> None:
    runs = [_end(source, f"1:{i}", START + timedelta(seconds=i)) for i in range(3)][::-1]
    cursor = alice.json(f"/sources/{source.id}/runs?limit=2")["page_info"]["end_cursor"]
    with connection.cursor() as db:
        db.execute("DELETE FROM run WHERE id = %s", [runs[1]])
    body = alice.json(f"/sources/{source.id}/runs?after={cursor}")
    assert [item["id"] for item in body["data"]] == runs[2:]


@pytest.mark.parametrize("cursor", ["x", "ZGNfMDAwMDAw", "fHx8", "%00"])
def test_25_forged_cursor_is_400(alice: Api, source: Source, cursor: str) -> None:
    response = alice.get(f"/sources/{source.id}/runs?after={cursor}")
    assert_error(response, 400, parameter="after")


def test_25_cursor_of_another_source_is_400(alice: Api, source: Source) -> None:
    other = make_source(alice.user)
    _end(other, "1:0", START)
    cursor = alice.json(f"/sources/{other.id}/runs")["page_info"]["end_cursor"]
    assert_error(alice.get(f"/sources/{source.id}/runs?after={cursor}"), 400)


def test_25_runs_of_another_user_or_of_a_deleted_source_are_404(
    alice: Api, bob: Api, source: Source
) -> None:
    runs = [_end(source, "1:0", START), _queue(source, "a", START)]
    for run in runs:
        assert alice.get(f"/runs/{run}").status_code == 200
        assert_error(bob.get(f"/runs/{run}"), 404, code="not_found")
    Source.objects.filter(id=source.id).update(state="deleted", deleted_at=START)
    for run in runs:
        assert_error(alice.get(f"/runs/{run}"), 404, code="not_found")


def test_25_unknown_run_is_404(alice: Api) -> None:
    assert_error(alice.get("/runs/00000000-0000-0000-0000-000000000000"), 404)
