"""The admin: every table can be looked at, with rows in it; what is written elsewhere is safe."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts import connected, connecting
from apps.accounts import services as accounts
from apps.accounts.models import ApiKey, OAuthClient, UsageDay, UsageDelta, User
from apps.components.models import PackageSet
from apps.core import secrets
from apps.core.clock import app_now
from apps.events.models import Event
from apps.runs import lifecycle
from apps.runs.models import MailboxRow
from apps.sources.models import Activity, SkippedSlots, Source
from apps.subscriptions.models import AutoSubscription, Subscription, Webhook
from tests.services import making

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
OURS = ("core", "accounts", "components", "sources", "events", "runs", "subscriptions")
MODELS = [model for label in OURS for model in apps.get_app_config(label).get_models()]
WRITABLE = {User, OAuthClient}


@pytest.fixture
def source() -> Source:
    """One row at least in every table, hostile where a stranger can write."""
    ada = making.user("ada")
    accounts.create_key(ada, HOSTILE)
    connected.create(ada, "github", HOSTILE, {"token": "hunter22"})
    OAuthClient.objects.create(
        app_slug="github",
        authorize_url="https://login.example/a",
        client_id=HOSTILE,
        token_url="https://login.example/t",
        client_secret=secrets.encrypt("hunter22"),
    )
    connecting.offer(ada, "github", HOSTILE, None)
    secret = {"name": "s", "type": "string", "secret": True}
    text = {"name": "p", "type": "string", "description": HOSTILE}
    made_of = making.component(
        ada, making.TIMER, secret, text, name=HOSTILE, description=HOSTILE, hooks=["activate"],
        code=HOSTILE,
    )  # fmt: skip
    PackageSet.objects.create(
        name=f"npm-{HOSTILE}", language="javascript", runtime=HOSTILE, manifest=HOSTILE, lock="{}"
    )
    configured = {"s": "hunter22", "p": HOSTILE}
    made = lifecycle.create(ada, made_of, name=HOSTILE, configured_props=configured).source
    payload = f'{{"x":"{HOSTILE}","link":"javascript:alert(1)"}}'.encode()
    now = app_now()
    day, today = {"user_id": ada.id, "compute_ms": 5, "invocations": 1}, now.date()
    UsageDay.objects.create(day=today, **day)
    UsageDelta.objects.create(day=today, **day)
    SkippedSlots.objects.create(
        source_id=made.id, generation=1, from_ms=1, to_ms=2, count=2, reason="downtime"
    )
    Activity.objects.create(
        kind="redelivery", subject_id="wh_gone", actor=ada.id, data={"deliveries": 1, "ids": [7]}
    )
    # Events with the same `ms`, which Django takes for their key.
    for source_id, channel, raw in (
        (made.id, "", payload), (made.id, "a/b~c", payload), ("dc_other", "", b"\xff\xfe"),
    ):  # fmt: skip
        insert(
            "event", source_id=source_id, channel=channel, ms=1589486981597, n=0, run_id=uuid4(),
            payload=raw, meta=raw, stored_at=now,
        )  # fmt: skip
    insert(
        "run", id=uuid4(), source_id=made.id, owner_id=ada.id, component_id=made_of.id,
        cause="timer", key="1:1", cause_at=now, queued_at=now, started_at=now, ended_at=now,
        state="failed", attempt=1, duration_ms=1, emitted=0, suppressed=0, error=payload,
    )  # fmt: skip
    insert(
        "mailbox", source_id=made.id, cause="manual", key=HOSTILE, cause_at=now, due_at=now,
        queued_at=now, payload=payload,
    )  # fmt: skip
    insert(
        "process", id=uuid4(), kind="worker", name=HOSTILE, host=HOSTILE, pid=1, started_at=now,
        seen_at=now, state=HOSTILE, facts=payload, metrics=b"{}",
    )  # fmt: skip
    insert("http_response", run_id=uuid4(), status=200, body=payload, created_at=now)
    _listeners(ada, made)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE component_state SET store = %s", [payload])
    return made


def _listeners(ada: User, made: Source) -> None:
    now = app_now()
    hook = Webhook.objects.create(
        owner=ada, url=f"https://example.org/{HOSTILE}", name=HOSTILE, secret="hunter22"
    )
    listening = {"owner": ada, "listener_id": hook.id, "event_name": HOSTILE}
    subscription = Subscription.objects.create(emitter_id=made.id, **listening)
    AutoSubscription.objects.create(**listening)
    insert(
        "delivery", webhook_id=hook.id, owner_id=ada.id, emitter_id=made.id, channel="", ms=1, n=0,
        history=f'[{{"error":"{HOSTILE}"}}]'.encode(), next_attempt_at=now, created_at=now,
    )  # fmt: skip
    insert("fanout_due", source_id=made.id, due_at=now, channel=HOSTILE, ms=1, n=0)
    insert(
        "held_back", listener_id=hook.id, subscription_id=subscription.id, emitter_id=made.id,
        channel=HOSTILE, ms=1, n=0,
    )  # fmt: skip


def insert(table: str, **columns: Any) -> None:
    """A row of a table made by hand-written SQL, whose own defaults apply."""
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(columns.values()))


@pytest.fixture
def page(source: Source, client: Client) -> Client:
    client.force_login(accounts.create_user("root", admin=True))
    return client


def address(model: type, what: str = "changelist", *args: str | int) -> str:
    meta = model._meta  # type: ignore[attr-defined]
    return reverse(
        f"admin:{meta.app_label}_{meta.model_name}_{what}", args=[quote(arg) for arg in args]
    )


def links(model: type, html: str) -> list[str]:
    """Addresses of the rows in a list."""
    found = re.findall(r'href="([^"?]+/change/)', html)
    return sorted({link for link in found if link.startswith(address(model))})


def get(page: Client, where: str) -> str:
    answer = page.get(where)
    assert answer.status_code == 200, where
    html = answer.content.decode()
    assert HOSTILE not in html
    assert 'href="javascript:alert' not in html
    assert "hunter22" not in html
    # The policy of these pages lets no such script run.
    for tag in re.findall(r"<script\b[^>]*>", html):
        assert re.search(r'src="/(static|admin)/|type="application/json"', tag), tag
    assert not re.search(r"<[^>]+\son[a-z]+=\"|href=\"javascript:", html)
    return html


def test_every_table_is_registered() -> None:
    assert len(MODELS) >= 14
    assert [model for model in MODELS if not admin.site.is_registered(model)] == []


def test_the_front_page(page: Client) -> None:
    get(page, reverse("admin:index"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_list_and_each_row(page: Client, model: type) -> None:
    rows = links(model, get(page, address(model)))
    assert rows, "there is a row, and a link to it"
    for row in rows:
        told = get(page, row)
        # It has a name of its own, and its times are in order when they are sorted as text.
        assert f"{model.__name__} object (" not in told
        assert not re.search(r"\d [ap]\.m\.|midnight|noon", told)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_searching_and_sorting_do_not_break(page: Client, model: type) -> None:
    for query in ("q=dc_nobody", "q=%00", "o=1.-2", "p=99", "q=" + "x" * 300):
        assert page.get(f"{address(model)}?{query}").status_code in (200, 302)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_only_the_way_writes_is_read_only(page: Client, model: type) -> None:
    if model in WRITABLE:
        assert page.get(address(model, "add")).status_code == 200
        return
    assert page.get(address(model, "add")).status_code == 403
    row = links(model, get(page, address(model)))[0]
    before = list(model.objects.order_by("pk").values())  # type: ignore[attr-defined]
    assert page.post(row, {"state": "x"}).status_code == 403
    assert page.post(row.replace("/change/", "/delete/"), {"post": "yes"}).status_code == 403
    answer = page.post(address(model), {"action": "delete_selected", "_selected_action": ["1"]})
    assert answer.status_code in (200, 302, 403)
    assert list(model.objects.order_by("pk").values()) == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_rows_that_are_not_there(page: Client, model: type) -> None:
    for key in ("nothing", "1", "a~b~c~d", "a~b", "~~~", "_00", "dc_x~y~99999999999999999999~0"):
        answer = page.get(address(model, "change", key))
        assert answer.status_code in (302, 404)


def test_events_of_one_moment_are_told_apart(page: Client, source: Source) -> None:
    rows = links(Event, get(page, address(Event)))
    assert len(rows) == 3
    shown = [get(page, row) for row in rows]
    assert sum("alert(1)" in html for html in shown) == 2
    assert len(links(Event, get(page, f"{address(Event)}?q={source.id}"))) == 2


def test_nobody_sees_secrets_sealed_or_not(page: Client, source: Source) -> None:
    token = source.secret_props["s"]
    change = source.changes.get(version=1)
    assert change.data["secret_props"]["s"] == token
    for row in (address(Source, "change", source.id), address(type(change), "change", change.id)):
        html = get(page, row)
        assert token not in html
        assert "1 sealed" in html


def test_a_list_is_never_counted_whole(page: Client, django_assert_max_num_queries: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailbox (source_id, cause, key, cause_at, due_at, queued_at, payload)"
            " SELECT 'dc_many', 'manual', n, now(), now(), now(), '{}'"
            " FROM generate_series(1, 10100) AS n"
        )
    assert "10,000 or more" in get(page, address(MailboxRow))


def test_keys_are_revoked_here(page: Client) -> None:
    key = ApiKey.objects.get()
    assert key.sha256.hex() not in get(page, address(ApiKey, "change", key.id))
    data = {"action": "revoke_chosen", "_selected_action": [key.id]}
    assert page.post(address(ApiKey), data, follow=True).status_code == 200
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_scopes_of_keys_are_shown(page: Client) -> None:
    key = accounts.create_key(User.objects.get(username="ada"), allowed=["read"])[0]
    for where in (address(ApiKey), address(ApiKey, "change", key.id)):
        html = get(page, where)
        assert re.search(r">\s*read\s*<", html), where


def test_users_are_made_and_changed_here(page: Client) -> None:
    password = "correct horse battery"
    data = {
        "username": "bob",
        "password1": password,
        "password2": password,
        "usable_password": "true",
    }
    answer = page.post(address(User, "add"), data)
    assert answer.status_code == 302
    bob = User.objects.get(username="bob")
    assert bob.id.startswith("u_")
    assert bob.check_password(password)
    get(page, address(User, "change", bob.id))
    get(page, f"/admin/accounts/user/{bob.id}/password/")


def test_strangers_and_plain_users_stay_outside(client: Client, source: Source) -> None:
    where = address(Source)
    assert client.get(where).status_code == 302
    client.force_login(source.owner)
    assert client.get(where).status_code == 302
