"""Changing and deleting a source with hooks: order, failure, and what waits for a run."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from django.db import connection

from apps.accounts.models import User
from apps.core.errors import ApiError
from apps.runs import conduct, lifecycle, mailbox
from apps.runs.contract import RunError
from apps.runs.lifecycle import Changes, Started
from apps.runs.models import Actor, ComponentState, MailboxRow, Operation
from apps.sources.models import Activity, Source
from tests.services import making
from tests.services.living import BROKEN, deployed, drive, entries, hooked, now

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return making.user()


# --- update ----------------------------------------------------------------------------------


def test_an_update_deactivates_the_old_and_activates_the_new(ada: User) -> None:
    old = hooked(ada, {"name": "p", "type": "string"}, making.HTTP)
    source = deployed(ada, old, configured_props={"p": "old", "timer": {"intervalSeconds": 60}})
    before, due = now(source), making.timer(source).next_fire_at
    new = hooked(ada, {"name": "p", "type": "string"}, making.HTTP, code="# new")
    started = lifecycle.update(source, Changes(new, {"p": "new"}), ada.id)
    ran = drive(started)
    assert [
        (hook.entry, hook.code.text, orjson.loads(hook.resolved.props)["p"]) for hook in ran
    ] == [
        ("deactivate", "# code", "old"),
        ("activate", "# new", "new"),
    ]
    after = lifecycle.conclude(started)
    assert (after.component_id, after.state) == (new.id, Source.State.ACTIVE)
    assert (after.id, after.endpoint_key, after.name) == (
        before.id,
        before.endpoint_key,
        before.name,
    )
    # The schedule has not changed, so it runs on.
    assert making.timer(source).next_fire_at == due
    assert making.kinds(source)[2:] == ["code_changed"]


def test_a_failing_deactivate_does_not_stop_an_update(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    started = lifecycle.update(source, Changes(hooked(ada, code="# new")), ada.id)
    assert entries(drive(started, deactivate=BROKEN)) == ["deactivate", "activate"]
    assert lifecycle.conclude(started).state == Source.State.ACTIVE


def test_a_failing_activate_keeps_the_new_code_and_sets_inactive(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    new = hooked(ada, code="# new")
    started = lifecycle.update(source, Changes(new), ada.id)
    drive(started, activate=BROKEN)
    with pytest.raises(ApiError) as failed:
        lifecycle.conclude(started)
    assert failed.value.code == "hook_failed"
    source = now(source)
    assert (source.component_id, source.state) == (new.id, Source.State.INACTIVE)
    assert making.timer(source).next_fire_at is None
    assert making.kinds(source)[2:] == ["code_changed", "deactivated"]


def test_toggling_stops_the_timer_before_deactivate_and_starts_it_after_activate(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    generation = making.timer(source).generation
    off = lifecycle.update(source, Changes(active=False), ada.id)
    operation_id = making.claim(off.operation_id)
    hook = conduct.next_hook(operation_id)
    assert hook is not None
    assert hook.entry == "deactivate"
    assert now(source).state == Source.State.INACTIVE
    assert making.timer(source).next_fire_at is None
    conduct.record(operation_id, hook, None)
    assert conduct.next_hook(operation_id) is None

    on = lifecycle.update(now(source), Changes(active=True), ada.id)
    operation_id = making.claim(on.operation_id)
    hook = conduct.next_hook(operation_id)
    assert hook is not None
    assert hook.entry == "activate"
    # The endpoint answers already, the timer does not go yet.
    assert now(source).state == Source.State.ACTIVE
    assert making.timer(source).next_fire_at is None
    conduct.record(operation_id, hook, None)
    assert conduct.next_hook(operation_id) is None
    assert making.timer(source).next_fire_at is not None
    assert making.timer(source).generation > generation
    assert making.kinds(source)[2:] == ["deactivated", "activated"]


def test_update_and_deactivation_in_one_call(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    new = hooked(ada, code="# new")
    started = lifecycle.update(source, Changes(new, active=False), ada.id)
    assert [(hook.entry, hook.code.text) for hook in drive(started)] == [("deactivate", "# code")]
    after = lifecycle.conclude(started)
    assert (after.state, after.component_id) == (Source.State.INACTIVE, new.id)


def test_an_inactive_source_is_changed_without_hooks(ada: User) -> None:
    source = deployed(ada, hooked(ada), active=False)
    started = lifecycle.update(source, Changes(hooked(ada, code="# new")), ada.id)
    assert started.operation_id is None
    assert started.source.component.code == "# new"


def test_renaming_needs_no_hooks_and_no_runner(ada: User) -> None:
    source = deployed(ada, hooked(ada), name="One")
    hold(source)
    started = lifecycle.update(source, Changes(name="Two words"), ada.id)
    assert started.operation_id is None
    assert (started.source.name, started.source.name_slug) == ("Two words", "two-words")
    assert making.kinds(source)[2:] == ["renamed"]


def test_nothing_to_change_changes_nothing(ada: User) -> None:
    source = deployed(ada, hooked(ada), name="One")
    version = source.version
    same = Changes(source.component, {"timer": {"intervalSeconds": 3600}}, "One", True)
    for changes in (Changes(), same):
        started = lifecycle.update(source, changes, ada.id)
        assert (started.operation_id, started.source.version) == (None, version)


def test_one_change_of_a_source_at_a_time(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    lifecycle.update(source, Changes(active=False), ada.id)
    attempts: list[Callable[[], Started]] = [
        lambda: lifecycle.update(source, Changes(name="x"), ada.id),
        lambda: lifecycle.delete(source, ada.id),
    ]
    for attempt in attempts:
        with pytest.raises(ApiError) as busy:
            attempt()
        assert busy.value.status == 409


def hold(source: Source) -> None:
    """A runner has the lease: a run is going on."""
    Actor.objects.filter(source_id=source.id).update(token=7, fence=1)


def test_a_change_waits_for_the_run_that_is_going_on(ada: User) -> None:
    source = making.source(ada)
    hold(source)
    started = lifecycle.update(source, Changes(active=False), ada.id)
    assert started.operation_id is not None
    assert now(source).state == Source.State.ACTIVE
    # Nobody came in time: nothing is changed (F17).
    assert lifecycle.withdraw(started.operation_id)
    with pytest.raises(ApiError) as busy:
        lifecycle.conclude(started)
    assert busy.value.status == 409
    assert making.kinds(source) == ["deployed"]
    # The run ends; the same again is done by the runner.
    started = lifecycle.update(source, Changes(active=False), ada.id)
    assert drive(started) == []
    assert lifecycle.conclude(started).state == Source.State.INACTIVE


def test_giving_up_an_update_half_way_sets_inactive(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    started = lifecycle.update(source, Changes(hooked(ada, code="# new")), ada.id)
    operation_id = making.claim(started.operation_id)
    hook = conduct.next_hook(operation_id)
    assert hook is not None
    conduct.record(operation_id, hook, None)
    conduct.give_up(operation_id, RunError("Worker Lost", "it died"))
    assert now(source).state == Source.State.INACTIVE


def test_giving_up_an_update_before_it_began_leaves_all_as_it_was(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    started = lifecycle.update(source, Changes(hooked(ada, code="# new")), ada.id)
    conduct.give_up(making.claim(started.operation_id), RunError("Worker Lost", "it died"))
    assert now(source).state == Source.State.ACTIVE
    assert now(source).component_id == source.component_id


# --- delete ----------------------------------------------------------------------------------


def queue_run(source: Source) -> None:
    mailbox.enqueue(source.id, "manual", "one", b"{}")


def test_delete_runs_deactivate_and_removes_all(ada: User) -> None:
    source = deployed(ada, hooked(ada, making.HTTP))
    queue_run(source)
    started = lifecycle.delete(source, ada.id)
    assert entries(drive(started, deactivate=BROKEN)) == ["deactivate"]
    gone = lifecycle.conclude(started)
    assert (gone.state, gone.endpoint_key) == (Source.State.DELETED, None)
    assert gone.deleted_at is not None
    assert not MailboxRow.objects.filter(source_id=source.id).exists()
    assert not ComponentState.objects.filter(source_id=source.id).exists()
    assert making.kinds(source)[2:] == ["deleted"]
    with pytest.raises(ApiError) as unknown:
        lifecycle.delete(source, ada.id)
    assert unknown.value.status == 404


def test_a_deletion_can_mind_the_hook(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    started = lifecycle.delete(source, ada.id, ignore_hook_errors=False)
    drive(started, deactivate=BROKEN)
    with pytest.raises(ApiError) as failed:
        lifecycle.conclude(started)
    assert failed.value.code == "hook_failed"
    assert now(source).state == Source.State.ACTIVE
    assert making.timer(source).next_fire_at is not None


def test_an_inactive_source_is_deleted_at_once_and_its_runs_are_dropped(ada: User) -> None:
    source = deployed(ada, hooked(ada))
    queue_run(source)
    drive(lifecycle.update(source, Changes(active=False), ada.id))
    assert MailboxRow.objects.filter(source_id=source.id).count() == 1, "paused runs wait"
    assert lifecycle.delete(now(source), ada.id).operation_id is None
    assert not MailboxRow.objects.filter(source_id=source.id).exists()


# --- run now ---------------------------------------------------------------------------------


def test_run_now_queues_the_event(ada: User) -> None:
    source = making.source(ada)
    lifecycle.run_now(source, b'{"a":1}', ada.id)
    lifecycle.run_now(source, b"{}", ada.id)
    lifecycle.run_now(source, b"{}", ada.id, "request-1")
    lifecycle.run_now(source, b"{}", ada.id, "request-1")
    rows = list(MailboxRow.objects.filter(source_id=source.id).order_by("id"))
    assert [(row.cause, bytes(row.payload or b"")) for row in rows] == [
        ("manual", b'{"a":1}'), ("manual", b"{}"), ("manual", b"{}"),
    ]  # fmt: skip
    # The same request twice is one run, and one activity.
    activity = Activity.objects.filter(kind="run_now", subject_id=source.id, actor=ada.id)
    waiting = {mailbox.run_id(source.id, row.cause, row.key) for row in rows}
    assert len(activity) == 3
    assert {activity.run_id for activity in activity} == waiting


def test_run_now_of_an_inactive_source(ada: User) -> None:
    source = making.source(ada, active=False)
    with pytest.raises(ApiError) as refused:
        lifecycle.run_now(source, b"{}", ada.id)
    assert refused.value.status == 400


def test_secrets_do_not_lie_in_operations(ada: User) -> None:
    secret = {"name": "s", "type": "string", "secret": True}
    source = deployed(ada, hooked(ada, secret), configured_props={"s": "hunter22"})
    lifecycle.update(source, Changes(configured_props={"s": "correct horse"}), ada.id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT convert_from(args, 'UTF8') FROM operation")
        stored = str(cursor.fetchall())
    assert "hunter22" not in stored
    assert "correct horse" not in stored
    assert Operation.objects.count() == 2
