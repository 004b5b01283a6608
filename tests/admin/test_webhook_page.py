"""The pages of webhooks and deliveries: what became of each, and what an operator does to them."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.core.clock import app_now
from apps.panel.delivering import DELIVERIES
from apps.subscriptions import webhooks
from apps.subscriptions.models import Delivery, Subscription, Webhook
from tests.admin.operating import (
    address,
    client_of,
    operator,
    section,
    text,
)
from tests.admin.test_admin import insert
from tests.services import making

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\u202e"
VIEW = ("subscriptions.view_webhook", "subscriptions.view_delivery")
CHANGE = (*VIEW, "subscriptions.change_webhook")
TRIED = [
    {"at_ms": 1589486981597, "error": "timeout", "duration_ms": 10000},
    {"at_ms": 1589486990000, "status": 503, "duration_ms": 7},
]
LIST = "/admin/subscriptions/delivery/"


@pytest.fixture
def ada() -> User:
    return making.user("ada")


@pytest.fixture
def hook(ada: User) -> Webhook:
    return webhooks.create(ada, "https://example.org/hook", "Orders", None)[0]


@pytest.fixture
def olga(hook: Webhook) -> User:
    return operator(*CHANGE, "subscriptions.view_subscription", "events.view_event")


@pytest.fixture
def client(olga: User) -> Client:
    return client_of(olga)


def deliver(hook: Webhook, n: int = 0, *, stored: bool = True, **columns: Any) -> Delivery:
    """A delivery that died; `stored`: its event is there."""
    now, payload = app_now(), columns.pop("payload", b'{"n":1}')
    event = {"channel": "", "ms": 1589486981597, "n": n}
    if stored:
        insert(
            "event", source_id="dc_a", run_id=uuid4(), payload=payload, meta=b"{}", stored_at=now,
            **event,
        )  # fmt: skip
    facts = {
        "state": "dead", "attempts": 2, "history": orjson.dumps(TRIED), "ended_at": now,
    } | columns  # fmt: skip
    insert(
        "delivery", webhook_id=hook.id, owner_id=hook.owner_id, emitter_id="dc_a", **event,
        next_attempt_at=now, created_at=now, **facts,
    )  # fmt: skip
    return Delivery.objects.filter(webhook_id=hook.id).order_by("-id")[0]


def page(client: Client, row: Any) -> str:
    answer = client.get(address(row))
    assert answer.status_code == 200
    return text(answer)


# --- what is seen ---------------------------------------------------------------------------


def test_what_it_is(client: Client, hook: Webhook, ada: User) -> None:
    Subscription.objects.create(owner=ada, emitter_id="dc_*", listener_id=hook.id)
    html = page(client, hook)
    about = section(html, "webhook")
    for shown in ("active", "ada", "https://example.org/hook", "Orders"):
        assert shown in about
    assert "dc_*" in section(html, "listens-to")
    assert "whsec" not in html
    assert hook.secret[0]["key"] not in html


def test_the_last_deliveries_with_their_attempts(client: Client, hook: Webhook) -> None:
    for n in range(DELIVERIES + 2):
        deliver(hook, n, stored=False)
    last = deliver(hook, 99, state="pending", history=b"[]", attempts=0, ended_at=None)
    html = page(client, hook)
    shown = section(html, "last-deliveries")
    assert shown.count("<tr>") == DELIVERIES + 1
    assert f"/subscriptions/delivery/{last.id}/" in shown
    assert "2020-05-14 20:09:41.597 UTC timeout 10000 ms" in shown
    assert "503" in shown
    assert "none yet" in shown
    assert ">1</a>" in section(html, "webhook")


def test_a_delivery_tells_each_attempt_and_what_was_sent(client: Client, hook: Webhook) -> None:
    html = page(client, deliver(hook))
    attempts = section(html, "attempts")
    assert attempts.count("<tr>") == 3
    assert "timeout" in attempts
    assert "2 of 10" in section(html, "delivery")
    assert "https://example.org/hook" in section(html, "delivery")
    assert "&quot;n&quot;: 1" in section(html, "payload")
    gone = page(client, deliver(hook, 5, stored=False))
    assert "not stored any more" in section(gone, "payload")


@pytest.mark.parametrize(
    "payload",
    [
        orjson.dumps({HOSTILE: HOSTILE}),
        b'{"x":"\\ud800\\u0000"}',
        b"\xff\xfe\x00",
        b"[" * 5000 + b"]" * 5000,
        b'"' + b"x" * 524_286 + b'"',
    ],
    ids=["HTML", "half a pair", "no text", "deep", "long"],
)
def test_what_strangers_wrote_is_only_read(client: Client, hook: Webhook, payload: bytes) -> None:
    Webhook.objects.filter(id=hook.id).update(
        url=f"https://example.org/{HOSTILE}", name="Orders", description=HOSTILE * 1000
    )
    history = orjson.dumps([{"at_ms": 1, "error": HOSTILE}, {}])
    row = deliver(hook, payload=payload, history=history)
    for html in (
        page(client, hook),
        page(client, row),
        text(client.get(address(hook, "replay"))),
        text(client.get(LIST)),
        text(client.get("/admin/subscriptions/webhook/")),
    ):
        assert "<script>alert" not in html
        assert [
            html[max(0, i.start() - 300) : i.end()] for i in re.finditer("[\u202e\0]", html)
        ] == []
        assert len(html) < 300_000


def test_an_operator_sees_what_their_permissions_say(hook: Webhook) -> None:
    row = deliver(hook)
    viewer = client_of(operator("subscriptions.view_webhook"))
    html = page(viewer, hook)
    assert 'id="hw-last-deliveries"' not in html
    assert 'id="hw-listens-to"' not in html
    assert "Pending" not in html
    assert viewer.get(address(row)).status_code == 403
    deliveries = client_of(operator("subscriptions.view_delivery", name="otto"))
    assert 'id="hw-payload"' not in page(deliveries, row)
    assert deliveries.get(address(hook)).status_code == 403


def test_each_query_is_bounded(client: Client, hook: Webhook) -> None:
    deliver(hook)
    page(client, hook)
    with CaptureQueriesContext(connection) as before:
        page(client, hook)
    for n in range(1, 60):
        deliver(hook, n, stored=False)
    with CaptureQueriesContext(connection) as after:
        page(client, hook)
    assert len(after) == len(before)
