"""`manage.py restored`: what a backup caught under way goes on in another place, or is held."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import connected
from apps.accounts.models import User
from apps.runs import lifecycle
from apps.runs.models import Operation
from apps.sources import ledger
from apps.sources.models import Source
from apps.subscriptions import webhooks
from apps.subscriptions.models import Subscription, Webhook
from tests.making import World
from tests.services import fanning, making
from tests.services.living import hooked
from tests.services.way import database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy(transactional_db: None, settings: Any) -> Iterator[World]:
    """Somewhere else a worker held everything."""
    settings.DATABASE_URL = database_url()
    world = World(database_url())
    yield world
    world.sql("TRUNCATE actor, component_state, mailbox, fanout_due, delivery, event")
    world.close()


@pytest.fixture
def ada(busy: World) -> User:
    return making.user()


def under_lease(world: World, source: Source, attempt: int) -> None:
    row = world.queue(source.id)
    world.sql("UPDATE mailbox SET attempt = %s WHERE id = %s", attempt, row)
    world.sql(
        "UPDATE actor SET token = 7, until = app_now() + interval '1 hour', last_ms = 5, pub_ms = 5"
        " WHERE source_id = %s",
        source.id,
    )


def restored(*options: str) -> str:
    said = StringIO()
    call_command("restored", *options, stdout=said)
    return said.getvalue()


def test_leases_are_free_and_nobody_is_blamed(ada: User, busy: World) -> None:
    """A run that was under way has lost no worker (F6); every stream is published anew (F2)."""
    first, second = making.source(ada), making.source(ada, name="waiting")
    under_lease(busy, first, attempt=3)
    row = busy.queue(second.id)
    busy.sql("UPDATE mailbox SET attempt = 1 WHERE id = %s", row)
    assert "1 streams will be written anew" in restored()
    actors = busy.sql(
        "SELECT token, until < app_now(), pub_ms, last_ms FROM actor WHERE source_id = %s", first.id
    )
    assert actors == [(0, True, 0, 5)]
    attempts = dict(busy.sql("SELECT source_id, attempt FROM mailbox"))
    assert attempts == {first.id: 2, second.id: 1}
    assert {one.state for one in Source.objects.all()} == {"active"}
    restored()
    assert dict(busy.sql("SELECT source_id, attempt FROM mailbox")) == attempts


def test_a_delivery_under_way_is_due_at_once(ada: User, busy: World) -> None:
    """Its webhook may have got it already: it gets the same message again (G4)."""
    emitter = making.source(ada)
    webhook, _ = webhooks.create(ada, "https://example.org/", None, None)
    Subscription.objects.create(owner=ada, emitter_id=emitter.id, listener_id=webhook.id)
    fanning.store(busy, emitter.id)
    fanning.carried_now(busy, emitter.id)
    busy.sql("UPDATE delivery SET token = 7, until = app_now() + interval '1 hour'")
    restored()
    assert busy.sql("SELECT state, token, until < app_now() FROM delivery") == [
        ("pending", 0, True)
    ]


def test_a_held_copy_keeps_what_was_on_its_way_and_does_nothing(ada: User, busy: World) -> None:
    emitter, listener = making.source(ada), making.source(ada, name="listener")
    webhook, _ = webhooks.create(ada, "https://example.org/", None, None)
    for party in (listener.id, webhook.id):
        Subscription.objects.create(owner=ada, emitter_id=emitter.id, listener_id=party)
    event = fanning.store(busy, emitter.id)
    creating = lifecycle.create(ada, hooked(ada), name="new", configured_props={})
    under_lease(busy, emitter, attempt=0)
    assert "1 events handed on, 2 sources and 1 webhooks paused" in restored("--hold")
    assert fanning.keys(busy, listener.id) == [f"{emitter.id}:{event}:0"]
    assert busy.sql("SELECT webhook_id, state FROM delivery") == [(webhook.id, "pending")]
    assert not Webhook.objects.get(id=webhook.id).active
    states = dict(Source.objects.values_list("id", "state"))
    assert states == {
        emitter.id: "inactive",
        listener.id: "inactive",
        creating.source.id: "failed",
    }
    assert busy.sql("SELECT 1 FROM sources_timer WHERE next_fire_at IS NOT NULL") == []
    assert {one.state for one in Operation.objects.exclude(kind="describe")} == {"cancelled"}
    assert all(lines == [] for _, lines in ledger.verify())
    assert "0 events handed on, 0 sources and 0 webhooks paused" in restored("--hold")


def test_secrets_that_no_key_opens_are_counted_and_kept(ada: User, settings: Any) -> None:
    settings.ENCRYPTION_KEYS = ["of the original"]
    account = connected.create(ada, "github", "work", {"token": "hunter22"})
    restored()
    settings.ENCRYPTION_KEYS = ["of the copy"]
    with pytest.raises(CommandError, match="no key opens 1 of accounts: put the original's"):
        restored()
    kept = type(account).objects.get(id=account.id)
    assert kept.credentials == account.credentials
