"""A million events, a hundred thousand sources, a million runs: what the lists of the admin read.

How long it takes is a benchmark (`make bench ARGS=admin`); this is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.test import Client
from django.test.utils import setup_databases
from pytest_django import DjangoDbBlocker

from apps.accounts import services
from apps.accounts.models import User
from apps.core import admin_lists
from apps.panel import seeding
from apps.subscriptions.models import Subscription
from tests.admin import plans, walking

# The edge of a loose filter, or the last page. Where a filter lets many rows through, the planner
# may rather walk the list's own index than the filter's and throw the others away.
MOST = 2 * admin_lists.LOOKED_THROUGH


@pytest.fixture(scope="module")
def root(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[User]:
    with django_db_blocker.unblock():
        if not connection.settings_dict["NAME"].startswith("test_"):
            setup_databases(verbosity=0, interactive=False, aliases={"default": {}})
        with transaction.atomic():
            seeding.seed("seed", seeding.Sizes())
            yield services.create_user("root", admin=True)
            transaction.set_rollback(True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_list_reads_more_than_its_bounds(root: User) -> None:
    found = [
        f"{model.__name__} {way.name}: {plan.rows} rows, whole: {plan.whole}\n{plan.text}"
        for model in walking.lists()
        for way in walking.ways(root, model)
        if (plan := plans.of(root, way)).whole or plan.rows > MOST
    ]
    assert found == [], "\n\n".join(found)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("url", walking.PAGES)
def test_no_page_reads_more_than_its_bounds(root: User, url: str) -> None:
    client = Client()
    client.force_login(root)
    plan = plans.worst(lambda: client.get(url))
    assert plan.whole == [], plan.text
    assert plan.rows <= MOST, plan.text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_graph_reads_more_than_its_bounds(root: User) -> None:
    """Around the source that has most listeners, and of its owner."""
    live = Subscription.objects.filter(deleted_at=None).exclude(emitter_id="dc_*")
    busiest = live.values("emitter_id", "owner_id").annotate(n=Count("id")).order_by("-n")[0]
    client = Client()
    client.force_login(root)
    for query in (f"source={busiest['emitter_id']}&depth=4", f"owner={busiest['owner_id']}"):
        plan = plans.worst(lambda url=f"/admin/graph/?{query}": client.get(url))  # type: ignore[misc]
        assert plan.whole == [], plan.text
        assert plan.rows <= MOST, plan.text
