"""The ledger tells all: rows are rebuilt from it, and a tampered row is found."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from apps.accounts.models import User
from apps.runs import lifecycle
from apps.runs.lifecycle import Changes
from apps.sources import services
from apps.sources.models import Source, SourceChange, Timer
from tests.services import making
from tests.services.living import BROKEN, create, deployed, drive, hooked

# The command reads in a transaction of its own, in the isolation that it chooses.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    return making.user()


def verify(*ids: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("verify_ledger", *ids, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def a_full_life(ada: User) -> Source:
    secret = {"name": "s", "type": "string", "secret": True}
    source = deployed(ada, hooked(ada, secret, making.HTTP), configured_props={"s": "hunter22"})
    steps: list[Changes] = [
        Changes(configured_props={"timer": {"cron": "0 0 * * *", "timezone": "Asia/Tokyo"}}),
        Changes(name="Another name", limits={"rate_limit": 5}),
        Changes(active=False),
        Changes(component=making.component(ada, secret, code="# without a timer")),
        Changes(component=hooked(ada, secret, code="# with one again"), active=True),
    ]
    for changes in steps:
        started = lifecycle.update(source, changes, ada.id)
        if started.operation_id is not None:
            drive(started)
        source = lifecycle.conclude(started)
    return source


def test_every_change_can_be_rebuilt(ada: User) -> None:
    source = a_full_life(ada)
    assert making.kinds(source) == [
        "deployed", "activated", "props_changed", "renamed", "props_changed", "deactivated",
        "code_changed", "code_changed", "activated",
    ]  # fmt: skip
    making.source(ada, active=False)
    drive(create(ada, hooked(ada)), activate=BROKEN)
    drive(lifecycle.delete(deployed(ada, hooked(ada)), ada.id))
    assert verify() == (0, "4 sources verified, 0 differences\n")
    assert {change.actor for change in SourceChange.objects.all()} == {ada.id, "system"}


def _row(**columns: Any) -> Callable[[Source], object]:
    return lambda source: Source.objects.filter(id=source.id).update(**columns)


def _timer(**columns: Any) -> Callable[[Source], object]:
    return lambda source: Timer.objects.filter(source_id=source.id).update(**columns)


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (_row(state="inactive"), "state: the ledger says 'active', the row 'inactive'"),
        (_row(name="Evil"), "name: the ledger says"),
        (_row(configured_props={}), "configured_props: the ledger says"),
        (_row(secret_props={"s": "token"}), "secret_props: the row differs"),
        (_row(endpoint_key="guessed"), "endpoint_key: the ledger says"),
        (_row(rate_limit=1), "rate_limit: the ledger says None, the row 1"),
        (_row(version=9), "version: the ledger says 1, the row 9"),
        (_row(updated_at="2020-01-01T00:00Z"), "updated_at: the ledger says"),
        (_row(deleted_at="2020-01-01T00:00Z"), "deleted_at: the ledger says None"),
        (_timer(interval_seconds=15), "timer.interval_seconds: the ledger says 3600, the row 15"),
        (_timer(generation=5), "timer.generation: the ledger says 1, the row 5"),
        (lambda source: Timer.objects.filter(source_id=source.id).delete(), "timer: the ledger"),
        (lambda source: source.changes.all().delete(), "it has no entries"),
    ],
)
def test_a_tampered_row_is_found(ada: User, tamper: Callable[[Source], object], told: str) -> None:
    good, bad = making.source(ada), making.source(ada)
    tamper(bad)
    code, text = verify()
    assert code == 1
    assert f"{bad.id}: {told}" in text
    assert f"{good.id}:" not in text
    assert verify(good.id)[0] == 0


def test_a_missing_entry_is_found(ada: User) -> None:
    source = making.source(ada)
    services.deactivate(source, ada.id)
    services.activate(source, ada.id)
    source.changes.filter(version=2).delete()
    assert "not numbered" in verify()[1]


def test_a_due_timer_of_a_paused_source_is_found(ada: User) -> None:
    source = making.source(ada, active=False)
    Timer.objects.filter(source_id=source.id).update(next_fire_at="2100-01-01T00:00Z")
    assert "it is due at" in verify()[1]


def test_the_row_and_its_entry_are_one_transaction(ada: User) -> None:
    source = making.source(ada)
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE sources_sourcechange ADD CONSTRAINT none CHECK (version < 2) NOT VALID"
        )
    try:
        with pytest.raises(Exception, match="none"):
            services.deactivate(Source.objects.get(id=source.id), ada.id)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE sources_sourcechange DROP CONSTRAINT none")
    assert Source.objects.get(id=source.id).state == Source.State.ACTIVE
    assert making.timer(source).next_fire_at is not None
    assert verify()[0] == 0
