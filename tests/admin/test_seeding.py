"""`manage.py seed`: rows as the services leave them, of which nothing starts to run."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Prefetch

from apps.accounts.models import User
from apps.components.models import Component
from apps.core import secrets
from apps.events.models import Event
from apps.events.reading import read_page
from apps.panel.seeding import Sizes, seed
from apps.runs import lease
from apps.runs.models import Actor, ComponentState, MailboxRow, Run
from apps.sources import ledger
from apps.sources.models import Source, SourceChange, Timer
from apps.subscriptions import deliveries
from apps.subscriptions.models import Delivery, Subscription, Webhook
from tests.services import making
from workers import scheduler, sweeper


@pytest.fixture(autouse=True)
def _undone(seeded: Sizes) -> Any:
    """Each test leaves the rows as it found them."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def rows(statement: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def differences() -> list[str]:
    """What `manage.py verify_ledger` would print, which wants a transaction of its own."""
    timers = Timer.objects.in_bulk()
    return [
        line
        for source in Source.objects.prefetch_related(
            Prefetch("changes", SourceChange.objects.order_by("version"))
        )
        for line in ledger.differences(source, timers.get(source.id), list(source.changes.all()))
    ]


def test_the_ledger_says_what_the_rows_are(seeded: Sizes) -> None:
    assert Source.objects.count() == seeded.sources
    assert differences() == []


def test_as_many_rows_as_asked_for(seeded: Sizes) -> None:
    assert User.objects.filter(username__startswith="seed").count() == seeded.users
    assert Component.objects.count() == seeded.components
    assert Run.objects.count() == seeded.runs
    assert Event.objects.count() == seeded.events
    assert Webhook.objects.count() == seeded.webhooks
    assert seeded.deliveries * 0.5 < Delivery.objects.count() <= seeded.deliveries
    assert seeded.subscriptions * 0.7 < Subscription.objects.count()
    assert MailboxRow.objects.count() > 0
    states = Counter(Source.objects.values_list("state", flat=True))
    assert set(states) == {"active", "inactive", "deleted", "failed"}
    live = states["active"] + states["inactive"]
    assert Actor.objects.count() == ComponentState.objects.count() == live
    assert set(Run.objects.values_list("state", flat=True)) == {
        *("succeeded", "failed", "dead", "cancelled")
    }


def test_rows_belong_together() -> None:
    """Listeners are of the emitter's owner, events of their source's runs, below its last id."""
    assert (
        rows(
            "SELECT s.id FROM subscriptions_subscription s"
            " JOIN sources_source l ON l.id = s.listener_id"
            " JOIN sources_source e ON e.id = s.emitter_id"
            " WHERE l.owner_id <> s.owner_id OR e.owner_id <> s.owner_id"
        )
        == []
    )
    assert (
        rows(
            "SELECT d.id FROM delivery d LEFT JOIN event e ON e.source_id = d.emitter_id"
            " AND e.channel = d.channel AND e.ms = d.ms AND e.n = d.n"
            " JOIN subscriptions_webhook w ON w.id = d.webhook_id"
            " WHERE e.ms IS NULL OR w.owner_id <> d.owner_id"
        )
        == []
    )
    assert rows("SELECT 1 FROM event e JOIN run r ON r.id = e.run_id LIMIT 1")
    assert (
        rows("SELECT 1 FROM event e JOIN run r ON r.id = e.run_id WHERE r.source_id <> e.source_id")
        == []
    )
    assert rows("SELECT 1 FROM event e JOIN actor a USING (source_id) WHERE e.ms > a.last_ms") == []
    assert rows("SELECT tableoid::regclass FROM run WHERE tableoid = 'run_default'::regclass") == []


def test_nothing_starts_to_run() -> None:
    assert Timer.objects.exclude(next_fire_at=None).count() == 0
    assert scheduler.step() == 0
    assert sweeper.step() == 0
    assert rows(lease._WAITING, after="", limit=10) == []
    assert rows(lease._WAITING_OPERATIONS, limit=10) == []
    assert Delivery.objects.filter(state="pending").exists()
    assert rows(deliveries._DUE, after="", limit=10) == []


def test_the_rows_can_be_read_as_any_others() -> None:
    newest = Event.objects.order_by("-ms")[0]
    assert read_page(newest.source_id, newest.channel, limit=5).items
    hook = Webhook.objects.all()[0]
    assert secrets.decrypt(hook.secret[0]["key"]) == "seeded"


def test_seeding_twice_adds_more(seeded: Sizes) -> None:
    more = Sizes(sources=500, events=100, runs=50, users=5, components=5, webhooks=5, deliveries=9)
    seed("seed", more)
    assert Source.objects.count() == seeded.sources + more.sources
    assert differences() == []


def test_nothing_is_asked_for_and_nothing_comes() -> None:
    before = Source.objects.count()
    seed("nobody", Sizes(0, 0, 0, 0, 0, 0, 0, 0, 0))
    assert Source.objects.count() == before


def test_sources_of_others_are_left_alone() -> None:
    made = making.source(making.user("ada"))
    with pytest.raises(CommandError, match=f"{made.id} of {made.owner_id}"):
        call_command("seed", sources=1, stdout=io.StringIO())
    out = io.StringIO()
    few = {"sources": 10, "events": 10, "runs": 10, "deliveries": 0, "subscriptions": 0}
    call_command("seed", force=True, owner="eve", stdout=out, **few)
    assert "seeded in" in out.getvalue()
    assert Source.objects.filter(owner__username__startswith="eve").count() == 10


def test_numbers_that_cannot_be() -> None:
    with pytest.raises(CommandError, match="events must be 0 to"):
        call_command("seed", events=-1, stdout=io.StringIO())
