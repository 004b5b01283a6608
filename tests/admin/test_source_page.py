"""The page of a source: what an operator sees of it, and what nobody sees."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.core.clock import app_now
from apps.events.models import Event
from apps.runs.record import error_meta
from apps.sources.models import Source
from apps.subscriptions.models import Subscription, Webhook
from tests.admin.operating import address, buttons, client_of, operator, section, text
from tests.admin.test_admin import insert
from tests.admin.walking import address as list_address
from tests.services import making

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return making.user("ada")


@pytest.fixture
def source(ada: User) -> Source:
    secret = {"name": "token", "type": "string", "secret": True}
    plain = {"name": "city", "type": "string"}
    made_of = making.component(ada, making.TIMER, making.HTTP, secret, plain, version="0.0.3")
    configured = {"token": "hunter22", "city": "Ulm", "timer": {"intervalSeconds": 900}}
    return making.source(ada, made_of, name="Weather", configured_props=configured)


@pytest.fixture
def superuser(source: Source) -> Client:
    user = operator(name="root")
    User.objects.filter(id=user.id).update(is_superuser=True)
    return client_of(User.objects.get(id=user.id))


def emit(source: Source, payload: Any, n: int = 0, run: Any = None, **columns: Any) -> None:
    raw = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    facts = {
        "channel": "", "ms": 1589486981597, "meta": b"{}", "stored_at": app_now(),
    } | columns  # fmt: skip
    insert("event", source_id=source.id, n=n, run_id=run or uuid4(), payload=raw, **facts)


def ended(source: Source, **columns: Any) -> Any:
    run, now = uuid4(), app_now()
    facts = {
        "cause": "timer", "key": "1:1", "state": "succeeded", "duration_ms": 12, "emitted": 1,
        "error": None,
    } | columns  # fmt: skip
    insert(
        "run", id=run, source_id=source.id, owner_id=source.owner_id,
        component_id=source.component_id, cause_at=now, queued_at=now, started_at=now,
        ended_at=now, attempt=1, suppressed=0, **facts,
    )  # fmt: skip
    return run


def page(client: Client, source: Source) -> str:
    answer = client.get(address(source))
    assert answer.status_code == 200
    return text(answer)


def test_what_it_is(superuser: Client, source: Source) -> None:
    html = section(page(superuser, source), "source")
    for shown in ("active", "ada", "0.0.3", f"/h/{source.endpoint_key}", "every 900 s"):
        assert shown in html
    assert f"/components/component/{source.component_id.replace('_', '_5F')}/" in html


def test_props_with_secret_ones_behind_a_mask(superuser: Client, source: Source) -> None:
    html = page(superuser, source)
    shown = section(html, "props")
    assert "Ulm" in shown
    assert "********" in shown
    assert "hunter22" not in html
    assert source.secret_props["token"] not in html


def test_the_last_events_of_all_channels(superuser: Client, source: Source) -> None:
    for n in range(25):
        emit(source, {"n": n}, n, meta=orjson.dumps({"summary": f"number {n}."}))
    emit(source, {"late": 1}, 30, channel="alarms")
    emit(source, b"{}", 31, channel="$logs")
    html = section(page(superuser, source), "last-events")
    assert "number 24." in html
    assert "number 5." not in html
    assert "alarms" in html
    assert "$logs" not in html


def test_runs_with_their_own_log_lines(superuser: Client, source: Source) -> None:
    error = orjson.dumps({"name": "TypeError", "message": "no such thing", "code": "x"})
    first, second = ended(source), ended(source, key="1:2", state="failed", error=error)
    for n, (run, said) in enumerate(((first, "good news"), (second, "bad news"))):
        said_by = {"kind": "log", "level": "info", "msg": said, "run_id": str(run)}
        emit(source, said_by, n, run, channel="$logs")
    rows = section(page(superuser, source), "last-runs").split("<tr>")
    assert ["TypeError: no such thing" in row for row in rows].count(True) == 1
    [failed] = [row for row in rows if "TypeError" in row]
    assert "bad news" in failed
    assert "good news" not in failed


def test_an_error_is_told_by_its_summary(superuser: Client, source: Source) -> None:
    left = {"original_event": {"long": "x" * 300}, "error": {"message": "no further"}}
    meta = error_meta("ValueError", "no further")
    emit(source, left, channel="$errors", meta=meta)
    lists = (
        section(page(superuser, source), "last-events"),
        text(superuser.get(f"{list_address(Event)}?q={source.id}")),
    )
    for html in lists:
        assert "ValueError: no further" in html
        assert "original_event" not in html


def test_mailbox_store_and_ledger(superuser: Client, source: Source) -> None:
    now = app_now()
    for key in ("a", "b"):
        insert(
            "mailbox", source_id=source.id, cause="manual", key=key, cause_at=now, due_at=now,
            queued_at=now, payload=b"{}",
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("UPDATE component_state SET store = %s", [b'{"seen":[1,2]}'])
    html = page(superuser, source)
    assert "2 runs" in section(html, "mailbox")
    assert "free" in section(html, "mailbox")
    assert "seen" in section(html, "store")
    assert "Empty." in section(html, "dedupe-memory")
    ledger = section(html, "ledger")
    assert "Deployed" in ledger
    assert source.owner_id in ledger


def test_subscriptions_in_both_directions(superuser: Client, source: Source, ada: User) -> None:
    other = making.source(ada, name="Other")
    hook = Webhook.objects.create(owner=ada, url="https://example.org/", secret=[])
    for emitter, listener in ((source.id, hook.id), (other.id, source.id)):
        Subscription.objects.create(owner=ada, emitter_id=emitter, listener_id=listener)
    html = page(superuser, source)
    assert hook.id in section(html, "listeners")
    assert "Other" in section(html, "listens-to")
    assert hook.id not in section(html, "listens-to")


def test_an_operator_sees_what_their_permissions_say(source: Source) -> None:
    emit(source, {"secret": "of the event"})
    viewer = client_of(operator("sources.view_source"))
    html = page(viewer, source)
    for hidden in ("of the event", "last-events", "last-runs", 'id="hw-mailbox"', "hw-ledger"):
        assert hidden not in html
    assert buttons(html) == []
    all_seeing = client_of(
        operator("sources.view_source", "events.view_event", "runs.view_run", name="otto")
    )
    html = page(all_seeing, source)
    assert "of the event" in section(html, "last-events")
    assert "hw-last-runs" in html


def test_without_the_permission_there_is_no_page(source: Source) -> None:
    stranger = client_of(operator("events.view_event"))
    assert stranger.get(address(source)).status_code == 403


def test_each_query_is_bounded(superuser: Client, source: Source) -> None:
    """As many queries for a source with a history as for one without; each has a limit or a key."""
    page(superuser, source)  # what is read once
    with CaptureQueriesContext(connection) as before:
        page(superuser, source)
    run = ended(source)
    for n in range(60):
        emit(source, {"n": n}, n)
        emit(source, {"kind": "log", "level": "info", "msg": "x"}, 100 + n, run, channel="$logs")
    with CaptureQueriesContext(connection) as after:
        page(superuser, source)
    assert len(after) == len(before)
