"""Changing sources without hooks: schedules, endpoints, names, and who comes too late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from apps.accounts.models import User
from apps.core.clock import app_now
from apps.core.errors import ApiError
from apps.runs import lifecycle
from apps.runs.lifecycle import Changes
from apps.sources import services
from apps.sources.models import Source, Timer
from tests.services import making

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return making.user()


def change(source: Source, **changes: object) -> Source:
    started = lifecycle.update(source, Changes(**changes), source.owner_id)  # type: ignore[arg-type]
    assert started.operation_id is None
    return started.source


def plan(source: Source, when: datetime) -> None:
    """The tick has moved the timer on."""
    Timer.objects.filter(source_id=source.id).update(next_fire_at=when)


LATER = datetime(2100, 1, 1, tzinfo=UTC)


def test_a_new_interval_is_a_new_generation_and_starts_now(ada: User) -> None:
    source = making.source(ada, configured_props={"timer": {"intervalSeconds": 60}})
    plan(source, LATER)
    change(source, configured_props={"timer": {"intervalSeconds": 90}})
    timer = making.timer(source)
    assert (timer.interval_seconds, timer.generation) == (90, 2)
    assert timer.next_fire_at is not None
    assert timer.next_fire_at <= app_now()
    assert making.kinds(source) == ["deployed", "props_changed"]


def test_a_new_default_in_new_code_does_not_move_a_running_schedule(ada: User) -> None:
    old = {**making.TIMER, "default": {"intervalSeconds": 900}}
    new = {**making.TIMER, "default": {"intervalSeconds": 60}}
    source = making.source(ada, making.component(ada, old))
    plan(source, LATER)
    change(source, component=making.component(ada, new, code="# new"))
    timer = making.timer(source)
    assert (timer.interval_seconds, timer.generation, timer.next_fire_at) == (900, 1, LATER)


def test_other_props_leave_the_timer_alone(ada: User) -> None:
    made_of = making.component(ada, {"name": "p", "type": "string", "default": "x"}, making.TIMER)
    source = making.source(ada, made_of)
    plan(source, LATER)
    change(source, configured_props={"p": "y"})
    assert making.timer(source).next_fire_at == LATER


def test_reactivation_starts_a_fresh_schedule(ada: User) -> None:
    source = making.source(ada)
    change(source, active=False)
    assert making.timer(source).next_fire_at is None
    change(source, active=True)
    timer = making.timer(source)
    assert timer.generation == 3
    assert timer.next_fire_at is not None
    assert timer.next_fire_at <= app_now()


def test_a_schedule_changed_while_inactive_does_not_run(ada: User) -> None:
    source = making.source(ada, active=False)
    change(source, configured_props={"timer": {"cron": "0 0 * * *"}})
    assert making.timer(source).next_fire_at is None


def test_generations_never_repeat_when_the_timer_goes_and_comes(ada: User) -> None:
    with_timer = making.component(ada, making.TIMER)
    source = making.source(ada, with_timer)
    first = making.timer(source).generation
    change(source, component=making.component(ada, code="# none"))
    assert not Timer.objects.filter(source_id=source.id).exists()
    change(source, component=with_timer)
    assert making.timer(source).generation > first


def test_the_endpoint_is_fixed_for_the_life_of_a_source(ada: User) -> None:
    source = making.source(ada, making.component(ada, making.HTTP))
    key = source.endpoint_key
    assert key is not None
    assert len(key) >= 24
    change(source, component=making.component(ada, code="# none"))
    change(source, active=False)
    source = change(source, component=making.component(ada, making.HTTP, code="# 2"))
    assert source.endpoint_key == key


def test_renaming_recomputes_the_slug_and_keeps_it_when_it_is_the_same(ada: User) -> None:
    making.source(ada, name="Mine")
    second = making.source(ada, name="mine")
    assert second.name_slug == "mine-1"
    assert change(second, name="MINE!").name_slug == "mine-1"
    assert change(second, name="Other").name_slug == "other"
    assert change(second, name="mine").name_slug == "mine-1"


def test_who_saw_an_older_version_is_too_late(ada: User) -> None:
    source = making.source(ada)
    seen = Source.objects.get(id=source.id)
    change(source, name="Other")
    for attempt in (services.deactivate, services.delete):
        with pytest.raises(services.Stale):
            attempt(seen, ada.id)
    assert Source.objects.get(id=source.id).state == Source.State.ACTIVE


@pytest.mark.parametrize("attempt", [services.activate, services.deactivate, services.delete])
def test_a_deleted_source_changes_no_more(ada: User, attempt: object) -> None:
    source = making.source(ada)
    services.delete(source, ada.id)
    assert callable(attempt)
    with pytest.raises(services.Stale):
        attempt(source, ada.id)


def test_every_function_names_the_state_it_leaves(ada: User) -> None:
    active, inactive = making.source(ada), making.source(ada, active=False)
    attempts: list[Callable[[], None]] = [
        lambda: services.activate(active, ada.id),
        lambda: services.deactivate(inactive, ada.id),
        lambda: services.created(active, active=True),
        lambda: services.failed(inactive),
        lambda: services.start_timer(inactive),
    ]
    for attempt in attempts:
        with pytest.raises(services.Stale):
            attempt()


def test_limits_are_kept_and_changed_alone(ada: User) -> None:
    source = making.source(ada, limits={"concurrency": 4})
    assert (source.concurrency, source.rate_limit) == (4, None)
    source = change(source, limits={"rate_limit": 10})
    assert (source.concurrency, source.rate_limit) == (4, 10)
    source = change(source, limits={"rate_limit": None, "concurrency": 4}, name="Other")
    assert (source.concurrency, source.rate_limit, source.name) == (4, None, "Other")
    assert making.kinds(source) == ["deployed", "props_changed", "renamed", "props_changed"]


@pytest.mark.parametrize(
    "limits",
    [
        {"concurrency": 0}, {"concurrency": 65}, {"concurrency": None}, {"concurrency": True},
        {"rate_limit": 0}, {"rate_limit": 1.5}, {"rate_limit": 10**30},
    ],
)  # fmt: skip
def test_limits_that_are_refused(ada: User, limits: dict[str, int | None]) -> None:
    source = making.source(ada)
    attempts: list[Callable[[], object]] = [
        lambda: making.source(ada, limits=limits),
        lambda: change(source, limits=limits),
    ]
    for attempt in attempts:
        with pytest.raises(ApiError) as refused:
            attempt()
        assert (refused.value.status, refused.value.parameter) == (400, next(iter(limits)))
