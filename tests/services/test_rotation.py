"""`manage.py rotate_secrets`: afterwards the old key can be dropped, whatever went on meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from apps.accounts import connected, connecting
from apps.accounts.models import Account, OAuthClient, User
from apps.api.sealed import STORES
from apps.components.models import Component
from apps.core import secrets
from apps.core.rotation import Turn
from apps.runs import asking, lifecycle, operations, rehearsal
from apps.runs import connecting as exchange
from apps.runs.lifecycle import Changes
from apps.runs.models import Operation
from apps.sources import ledger
from apps.sources.models import Source, SourceChange
from apps.subscriptions import webhooks
from apps.subscriptions.models import Webhook
from tests.api.conftest import make_caller
from tests.making import until
from tests.services import making
from tests.services.living import hooked

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = {"name": "s", "type": "string", "secret": True}
CHOICE = {"name": "c", "type": "string", "optional": True, "remoteOptions": True}
TOKEN = re.compile(rb"gAAAA[0-9A-Za-z_=-]{60,}")


@pytest.fixture(autouse=True)
def old_key(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ["old"]


@pytest.fixture
def ada(transactional_db: None) -> Iterator[User]:
    yield making.user()
    with connection.cursor() as cursor:
        # Django empties the tables of managed models; these it does not know.
        cursor.execute("TRUNCATE actor, component_state, mailbox, idempotency")


def rotate(*arguments: str) -> tuple[int, str]:
    """Exit code, and what was said."""
    out = StringIO()
    try:
        call_command("rotate_secrets", *arguments, stdout=out, stderr=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def tokens() -> dict[str, list[str]]:
    """Every encrypted value of the database, by table."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, a.attname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            " WHERE n.nspname = 'public' AND c.relkind = 'r'"
            " AND a.atttypid::regtype::text IN ('text', 'bytea', 'character varying', 'jsonb')"
        )
        for table, column in cursor.fetchall():
            cursor.execute(f'SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')
            for (value,) in cursor.fetchall():
                raw = value.encode() if isinstance(value, str) else bytes(value or b"")
                found.setdefault(table, []).extend(t.decode() for t in TOKEN.findall(raw))
    return {table: found[table] for table in found if found[table]}


def everything(ada: User) -> Source:
    """A secret in every place that holds some."""
    connected.create(ada, "github", "work", {"token": "hunter22"})
    OAuthClient.objects.create(
        app_slug="github",
        authorize_url="https://login.example/a",
        token_url="https://login.example/t",
        client_id="me",
        client_secret=secrets.encrypt("hunter22"),
    )
    row, ticket = connecting.offer(ada, "github", None, None)
    assert connecting.open_offer(ticket) is not None
    row.refresh_from_db()
    exchange.start(row, "code")
    made_of = making.component(ada, making.TIMER, SECRET, CHOICE)
    source = making.source(ada, made_of, configured_props={"s": "first"})
    for value in ("second", "third"):
        lifecycle.update(source, Changes(configured_props={"s": value}), ada.id)
    webhook, _ = webhooks.create(ada, "https://example.org/", None, None)
    webhooks.rotate(webhook)
    lifecycle.create(ada, hooked(ada, SECRET), name=None, configured_props={"s": "x"})
    busy = making.source(ada, made_of, configured_props={"s": "before"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE actor SET token = 1 WHERE source_id = %s", [busy.id])
    lifecycle.update(busy, Changes(configured_props={"s": "after"}), ada.id)
    asking.start(ada, made_of, asking.Question("c", {"s": "y"}, prev_context={"next": "z"}))
    rehearsal.start(ada, rehearsal.Wanted(made_of, None, None, {"s": "w"}, {}, {}, None))
    caller = make_caller("bob")
    caller.call("POST", "/users/me/keys", {"name": "n"}, **{"Idempotency-Key": "k"})
    return source


PLACES = {
    *("accounts_account", "accounts_connecting", "accounts_oauthclient", "idempotency"),
    *("operation", "sources_source", "sources_sourcechange", "subscriptions_webhook"),
}


def test_afterwards_the_old_key_can_be_dropped(ada: User, settings: Any) -> None:
    source = everything(ada)
    before = tokens()
    assert set(before) == PLACES
    settings.ENCRYPTION_KEYS = ["new", "old"]
    code, said = rotate("--batch", "1")
    assert code == 0, said
    assert "the others can be dropped" in said
    settings.ENCRYPTION_KEYS = ["new"]
    after = tokens()
    assert {table: len(found) for table, found in after.items()} == {
        table: len(found) for table, found in before.items()
    }
    for found in after.values():
        for token in found:
            secrets.decrypt(token)
    row = Source.objects.get(id=source.id)
    assert secrets.decrypt(row.secret_props["s"]) == "third"
    kept = [change.data.get("secret_props") for change in source.changes.order_by("version")]
    assert [secrets.decrypt(one["s"]) for one in kept if one] == ["first", "second", "third"]
    assert all(lines == [] for _, lines in ledger.verify())
    assert secrets.decrypt(Account.objects.get().credentials) == {"token": "hunter22"}
    assert len(webhooks.keys(Webhook.objects.get().secret, 0)) == 2


def test_it_goes_on_where_it_was_stopped(ada: User, settings: Any) -> None:
    everything(ada)
    settings.ENCRYPTION_KEYS = ["new", "old"]
    stopped = Turn()
    for store in STORES[:3]:
        store.batch(None, 1, stopped)
    assert stopped.turned > 0
    turned = tokens()
    code, said = rotate()
    assert code == 0, said
    # What was under the first key is left as it is.
    settings.ENCRYPTION_KEYS = ["new"]
    first = {t for found in turned.values() for t in found if _opens(t)}
    assert len(first) == stopped.turned
    now = {t for found in tokens().values() for t in found}
    assert first <= now
    assert all(map(_opens, now))


def _opens(token: str) -> bool:
    try:
        secrets.decrypt(token)
    except secrets.Undecipherable:
        return False
    return True


def test_what_no_key_opens_is_told_and_left(ada: User, settings: Any) -> None:
    account = connected.create(ada, "github", "lost", {"token": "hunter22"})
    settings.ENCRYPTION_KEYS = ["new", "other"]
    connected.create(ada, "github", "found", {"token": "hunter22"})
    code, said = rotate()
    assert code == 1
    assert "no key opens 1 of accounts" in said
    row = Account.objects.get(id=account.id)
    assert row.credentials == account.credentials


def test_a_change_under_way_is_waited_for_and_found(ada: User, settings: Any) -> None:
    """It has read the old row and queues an operation with the old token after the operations were
    walked: the next walk finds it."""
    made_of: Component = making.component(ada, making.TIMER, SECRET)
    source = making.source(ada, made_of, configured_props={"s": "hunter22"})
    settings.ENCRYPTION_KEYS = ["new", "old"]
    locked, go, said = threading.Event(), threading.Event(), list[tuple[int, str]]()

    def change() -> None:
        with transaction.atomic():
            row = lifecycle.locked(source.id)
            locked.set()
            go.wait(30)
            stored = {"plain": {}, "secrets": row.secret_props, "needs_endpoint": False}
            operations.enqueue("update", ada.id, {"configured": stored}, source.id)
        connections.close_all()

    def turn() -> None:
        said.append(rotate())
        connections.close_all()

    changing, turning = threading.Thread(target=change), threading.Thread(target=turn)
    changing.start()
    assert locked.wait(30)
    turning.start()
    until(_somebody_waits_for_a_lock)
    go.set()
    changing.join(30)
    turning.join(30)
    assert said
    assert said[0][0] == 0
    settings.ENCRYPTION_KEYS = ["new"]
    [operation] = Operation.objects.all()
    assert secrets.decrypt(operation.args["configured"]["secrets"]["s"]) == "hunter22"
    assert all(_opens(token) for found in tokens().values() for token in found)
    assert SourceChange.objects.filter(source=source).count() == 1


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        row = cursor.fetchone()
    return row is not None and row[0] > 0
