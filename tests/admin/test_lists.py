"""Lists of the admin read what they show and little more, however many rows there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, models, transaction
from django.test import Client

from apps.accounts import services
from apps.accounts.models import User
from apps.core import admin_lists
from apps.events.models import Event
from apps.panel.seeding import Sizes
from apps.runs.models import Operation, Run
from apps.sources.models import Source
from apps.subscriptions.models import Webhook
from tests.admin import plans, walking

COUNTED, LOOKED_THROUGH = 200, 500
# The count or the edge, the rows that a page joins, and room for the few that a filter throws away.
MOST = LOOKED_THROUGH + 3 * 50 + 50
LISTS = walking.lists()
# Of small tables all pages are near: what counts here is the rows that are looked at.
ROWS_ALONE = """
SET LOCAL enable_seqscan = off; SET LOCAL join_collapse_limit = 1;
SET LOCAL seq_page_cost = 0.001; SET LOCAL random_page_cost = 0.001; SET LOCAL cpu_tuple_cost = 1
"""


@pytest.fixture
def user(seeded: Sizes, monkeypatch: Any) -> Iterator[User]:
    """An operator who may look at everything; the bounds are small, like the tables."""
    monkeypatch.setattr(admin_lists, "COUNTED", COUNTED)
    monkeypatch.setattr(admin_lists, "LOOKED_THROUGH", LOOKED_THROUGH)
    with transaction.atomic():
        made = services.create_user("staff")
        made.is_staff = True
        made.save()
        looking = Permission.objects.filter(codename__startswith="view_")
        made.user_permissions.set(looking)
        with connection.cursor() as cursor:
            cursor.execute(ROWS_ALONE)
        yield made
        transaction.set_rollback(True)


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
def test_each_way_through_a_list_reads_little(user: User, model: type[models.Model]) -> None:
    for way in walking.ways(user, model):
        plan = plans.of(user, way)
        assert plan.whole == [], f"{way.name}\n{plan.text}"
        assert plan.rows <= MOST, f"{way.name}: {plan.rows} rows\n{plan.text}"


def test_a_loose_filter_looks_through_the_newest_rows_alone(user: User) -> None:
    edge = Run.objects.order_by("-cause_at").values_list("cause_at", flat=True)[LOOKED_THROUGH]
    newest = Run.objects.filter(cause="http", cause_at__gte=edge).count()
    assert 0 < newest < Run.objects.filter(cause="http").count()
    changes = walking.changes_of(user, Run, f"{walking.address(Run)}?cause=http")
    assert changes.queryset.count() == newest
    page = _page(user, f"{walking.address(Run)}?cause=http")
    assert "of the newest" in page


def test_operations_are_chosen_by_any_kind_and_state(user: User) -> None:
    Operation.objects.create(kind="create", state="done", owner_id=user.id)
    Operation.objects.create(kind="connect", state="cancelled", owner_id=user.id)
    for chosen in ({"kind": "connect"}, {"state": "cancelled"}):
        way = f"{walking.address(Operation)}?{urlencode(chosen)}"
        found = walking.changes_of(user, Operation, way).queryset.values(*chosen).distinct()
        assert list(found.order_by()) == [chosen]


def test_a_filter_with_an_index_finds_all(user: User) -> None:
    changes = walking.changes_of(user, Run, f"{walking.address(Run)}?state=dead")
    assert changes.queryset.count() == Run.objects.filter(state="dead").count() > 0
    row = Source.objects.filter(state="deleted").first()
    assert row is not None
    found = walking.changes_of(user, Source, f"{walking.address(Source)}?state=deleted")
    assert row.id in {source.id for source in found.queryset}


@pytest.mark.parametrize(
    ("model", "column", "value"),
    [(Source, "name", "orders"), (Source, "id", None), (Source, "owner_id", None)],
    ids=["part of a name", "id", "owner"],
)
def test_what_is_searched_is_found(user: User, model: Any, column: str, value: str | None) -> None:
    term = value or getattr(model.objects.first(), column)
    changes = walking.changes_of(user, model, f"{walking.address(model)}?q={term}")
    assert changes.result_count > 0
    for row in changes.queryset:
        assert term.lower() in str(getattr(row, column)).lower()


def test_events_are_newest_first_and_those_of_a_source_by_channel(user: User) -> None:
    url = walking.address(Event)
    shown = list(walking.changes_of(user, Event, url).result_list)
    assert [e.stored_at for e in shown] == sorted((e.stored_at for e in shown), reverse=True)
    assert shown[0].stored_at == Event.objects.order_by("-stored_at")[0].stored_at
    logs = f"{url}?q={shown[0].source_id}&channel=$logs"
    for event in walking.changes_of(user, Event, logs).queryset:
        assert (event.source_id, event.channel) == (shown[0].source_id, "$logs")


@pytest.mark.parametrize("lookup", ["secret__startswith=x", "url__contains=x", "owner__password=x"])
def test_no_column_is_asked_but_those_that_are_offered(user: User, lookup: str) -> None:
    """Of a hidden one an answer would tell; by any other the whole table would be read."""
    client = Client()
    client.force_login(user)
    assert client.get(f"{walking.address(Webhook)}?{lookup}").status_code == 400


@pytest.mark.parametrize("lookup", ["state__regex=x", "state__gt=a", "cause__icontains=x"])
def test_a_column_is_asked_in_no_other_way(user: User, lookup: str) -> None:
    """There is no index for it."""
    client = Client()
    client.force_login(user)
    assert client.get(f"{walking.address(Run)}?{lookup}").status_code == 400


def test_choices_are_never_counted(user: User) -> None:
    changes = walking.changes_of(user, Source, f"{walking.address(Source)}?_facets=True")
    assert not changes.add_facets


def _page(user: User, url: str) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_list_says_how_far_it_was_counted(user: User) -> None:
    page = _page(user, walking.address(Run))
    assert f"{COUNTED} or more" in page
    assert "results (<a" not in page
    few = _page(user, f"{walking.address(Run)}?state=dead")
    assert "or more" not in few
    assert re.search(r"results? \(<a", few)
    assert str(Run.objects.filter(state="dead").count()) in few
