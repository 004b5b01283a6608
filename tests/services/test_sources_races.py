"""Two callers at once: names, changes and a run that begins meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import User
from apps.core.errors import ApiError
from apps.runs import lifecycle
from apps.runs.lifecycle import Changes, Started
from apps.runs.models import Operation
from apps.sources.models import Source
from tests.services import making

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 4


def together(calls: Sequence[Callable[[], Started]]) -> list[Started | ApiError]:
    """Call all at the same moment, each on a connection of its own."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Started]) -> Started | ApiError:
        try:
            barrier.wait(20)
            return call()
        except ApiError as refused:
            return refused
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


@pytest.fixture
def ada() -> User:
    return making.user()


def test_the_same_name_at_once_gives_each_its_own_slug(ada: User) -> None:
    made_of = making.component(ada, making.TIMER)

    def create() -> Started:
        return lifecycle.create(ada, made_of, name="Mine", configured_props={})

    answers = together([create] * AT_ONCE)
    slugs = sorted(answer.source.name_slug for answer in answers if isinstance(answer, Started))
    assert slugs == ["mine", "mine-1", "mine-2", "mine-3"]


def test_of_two_changes_at_once_the_second_sees_the_first(ada: User) -> None:
    hooks = ["activate", "deactivate"]
    made_of = making.component(ada, making.TIMER, hooks=hooks)
    source = making.source(ada, made_of, active=False)

    def activate() -> Started:
        return lifecycle.update(source, Changes(active=True), ada.id)

    answers = together([activate] * AT_ONCE)
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert [error.status for error in refused] == [409] * (AT_ONCE - 1)
    assert Operation.objects.filter(source_id=source.id).count() == 1


def test_toggles_without_hooks_leave_one_entry_each(ada: User) -> None:
    source = making.source(ada)

    def toggle(wanted: bool) -> Started:
        return lifecycle.update(source, Changes(active=wanted), ada.id)

    calls = [partial(toggle, wanted) for wanted in (False, True) * (AT_ONCE // 2)]
    assert all(isinstance(answer, Started) for answer in together(calls))
    kinds = making.kinds(source)
    assert len(kinds) == Source.objects.get(id=source.id).version
    # Never twice the same in a row: each was decided on what the one before left.
    assert all(first != second for first, second in pairwise(kinds[1:]))


def test_no_run_begins_while_a_source_is_changed(ada: User) -> None:
    """A runner takes leases with SKIP LOCKED: it passes over a source whose row we hold."""
    source = making.source(ada)
    taken: list[object] = []

    def take() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT source_id FROM actor WHERE source_id = %s AND until < app_now()"
                " FOR NO KEY UPDATE SKIP LOCKED",
                [source.id],
            )
            taken.append(cursor.fetchone())
        connections.close_all()

    with transaction.atomic():
        started = lifecycle.update(source, Changes(active=False), ada.id)
        assert started.operation_id is None
        runner = threading.Thread(target=take)
        runner.start()
        runner.join(20)
    assert taken == [None]
