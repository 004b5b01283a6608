"""POST /runs/{id}/rerun: REST specification, index 26."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import override_settings

from apps.core.clock import app_now
from apps.runs.mailbox import run_id
from apps.sources.models import Source
from tests.api.conftest import Api, assert_error, make_source, store_event

# With what looks like the end of it, and deeper than a parser goes.
DEEP = b"[" * 5000 + b"]" * 5000
EVENT = b'{"body":"\\u0000 [1, 2]","n":1.0,"deep":{"a":"}","original_context":%b}}' % DEEP
ERROR = orjson.dumps({"message": '","original_context":{},"error":{}}'})


def ended(
    source: Source, cause: str = "http", key: str = "k", state: str = "failed", error: bool = True
) -> str:
    """A run that ended so, and what it left on `$errors`."""
    now, run = app_now(), run_id(source.id, cause, key)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO run VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,1,5,0,0,'{}')",
            [run, source.id, source.owner_id, source.component_id, cause, key, now, now, now, now,
             state],
        )  # fmt: skip
        if error:
            cursor.execute(
                "INSERT INTO event (source_id, channel, ms, n, run_id, payload, meta, stored_at)"
                " VALUES (%s, '$errors', %s, 0, %s, %s, '{}', app_now())",
                [source.id, int(now.timestamp() * 1000) + 5, run,
                 b'{"original_event":%b,"original_context":{},"error":%b}' % (EVENT, ERROR)],
            )  # fmt: skip
    return str(run)


def mailbox(source: Source) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT cause, key, payload, emitter_id, channel, ms, n, hops FROM mailbox"
            " WHERE source_id = %s ORDER BY id",
            [source.id],
        )
        return [(*r[:2], r[2] and bytes(r[2]), *r[3:]) for r in cursor.fetchall()]


@pytest.mark.parametrize("state", ["failed", "dead"])
@pytest.mark.parametrize("cause", ["http", "timer", "manual"])
def test_26_queues_a_run_of_the_same_cause_with_the_same_event(
    alice: Api, source: Source, cause: str, state: str
) -> None:
    run = ended(source, cause, "1:1780272000000", state)
    response = alice.call("POST", f"/runs/{run}/rerun")
    assert response.status_code == 202
    assert response.content == b""
    [row] = mailbox(source)
    assert row[0] == cause
    assert row[1].startswith("1:1780272000000:again:")
    assert row[2] == EVENT, "byte for byte"
    [again] = [r for r in alice.json(f"/sources/{source.id}/runs")["data"] if r["id"] != run]
    assert again["state"] == "queued"


def test_26_every_call_is_a_run_more_also_of_one_that_was_run_again(
    alice: Api, source: Source
) -> None:
    run = ended(source, key="k" * 200)
    for _ in range(2):
        assert alice.call("POST", f"/runs/{run}/rerun").status_code == 202
    first, second = mailbox(source)
    assert first[1] != second[1]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM mailbox")
    third = ended(source, key=first[1])
    assert alice.call("POST", f"/runs/{third}/rerun").status_code == 202
    assert mailbox(source)[0][1].count(":again:") == 1


def test_26_an_event_of_a_subscription_is_referred_to(alice: Api, source: Source) -> None:
    """Its hops and its channel count on."""
    emitter = make_source(alice.user)
    event = store_event(emitter.id, 1780272000000, 7, channel="$errors")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE event SET hops = 3 WHERE source_id = %s", [emitter.id])
    run = ended(source, "event", f"{emitter.id}:{event}:0")
    assert alice.call("POST", f"/runs/{run}/rerun").status_code == 202
    [row] = mailbox(source)
    assert row[2:] == (None, emitter.id, "$errors", 1780272000000, 7, 4)


def test_26_without_the_event_in_the_ledger_what_errors_kept_of_it(
    alice: Api, source: Source
) -> None:
    run = ended(source, "event", "dc_gone00:1780272000000-0:0")
    assert alice.call("POST", f"/runs/{run}/rerun").status_code == 202
    assert mailbox(source)[0][2] == EVENT


def test_26_when_its_event_is_nowhere_any_more_409(alice: Api, source: Source) -> None:
    run = ended(source, error=False)
    assert_error(alice.call("POST", f"/runs/{run}/rerun"), 409, code="conflict")
    assert mailbox(source) == []


@pytest.mark.parametrize("state", ["succeeded", "cancelled"])
def test_26_a_run_that_did_not_fail_is_409(alice: Api, source: Source, state: str) -> None:
    run = ended(source, state=state)
    assert_error(alice.call("POST", f"/runs/{run}/rerun"), 409, code="conflict")


@pytest.mark.parametrize("hook", ["deploy", "activate", "deactivate"])
def test_26_a_hook_is_409(alice: Api, source: Source, hook: str) -> None:
    run = ended(source, hook)
    assert_error(alice.call("POST", f"/runs/{run}/rerun"), 409)


def test_26_a_run_that_waits_is_409(alice: Api, source: Source) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)"
            " VALUES (%s, 'manual', 'k', app_now(), app_now(), app_now(), '{}')",
            [source.id],
        )
    run = run_id(source.id, "manual", "k")
    assert_error(alice.call("POST", f"/runs/{run}/rerun"), 409)


def test_26_an_inactive_source_is_400(alice: Api, source: Source) -> None:
    run = ended(source)
    Source.objects.filter(id=source.id).update(state="inactive")
    assert_error(alice.call("POST", f"/runs/{run}/rerun"), 400, code="source_inactive")


def test_26_a_full_mailbox_is_429(alice: Api, source: Source) -> None:
    run = ended(source)
    with override_settings(MAILBOX_CAP=0):
        assert_error(alice.call("POST", f"/runs/{run}/rerun"), 429, code="mailbox_full")


def test_4_anothers_run_and_an_unknown_one_are_404(alice: Api, bob: Api, source: Source) -> None:
    run = ended(source)
    for unknown in (run, str(uuid.uuid4()), "x"):
        assert_error(bob.call("POST", f"/runs/{unknown}/rerun"), 404, code="not_found")
    assert mailbox(source) == []
