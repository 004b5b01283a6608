"""Creating a source with hooks: order, failure, crashes."""

from __future__ import annotations

import pytest

from apps.accounts.models import User
from apps.core.errors import ApiError
from apps.runs import conduct, lifecycle, mailbox
from apps.runs.contract import RunError
from apps.runs.models import ComponentState
from apps.sources.models import Source
from tests.services import making
from tests.services.living import BROKEN, create, deployed, drive, entries, hooked, now

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return making.user()


# --- create ----------------------------------------------------------------------------------


def test_create_runs_deploy_then_activate_then_starts_the_timer(ada: User) -> None:
    """C6."""
    started = create(ada, hooked(ada, making.HTTP))
    made = started.source
    assert made.state == Source.State.CREATING
    assert making.timer(made).next_fire_at is None
    with pytest.raises(ApiError) as hidden:
        lifecycle.visible(ada, made.id)
    assert hidden.value.status == 404
    ran = drive(started)
    assert entries(ran) == ["deploy", "activate"]
    assert [hook.serve_http for hook in ran] == [False, True]
    assert ran[0].run_id == mailbox.run_id(made.id, "deploy", ran[0].key)
    made = lifecycle.conclude(started)
    assert made.state == Source.State.ACTIVE
    assert making.timer(made).next_fire_at is not None
    assert making.kinds(made) == ["deployed", "activated"]


def test_create_inactive_runs_deploy_alone(ada: User) -> None:
    started = create(ada, hooked(ada), active=False)
    assert entries(drive(started)) == ["deploy"]
    made = lifecycle.conclude(started)
    assert made.state == Source.State.INACTIVE
    assert making.timer(made).next_fire_at is None
    assert create(ada, hooked(ada, hooks=["activate"]), active=False).operation_id is None


def test_emits_of_deploy_can_be_discarded(ada: User) -> None:
    ran = drive(create(ada, hooked(ada), emit_on_deploy=False))
    assert [hook.discard_emits for hook in ran] == [True, False]


def test_a_failing_deploy_keeps_nothing(ada: User) -> None:
    started = create(ada, hooked(ada, making.HTTP), name="Mine")
    assert entries(drive(started, deploy=BROKEN)) == ["deploy"]
    with pytest.raises(ApiError) as failed:
        lifecycle.conclude(started)
    assert (failed.value.status, failed.value.code) == (400, "hook_failed")
    assert failed.value.message == "no such hook here"
    assert failed.value.details["hook"] == "deploy"
    gone = now(started.source)
    assert (gone.state, gone.endpoint_key) == (Source.State.FAILED, None)
    assert not hasattr(gone, "timer")
    assert not ComponentState.objects.filter(source_id=gone.id).exists()
    assert making.kinds(gone) == ["deployed", "failed"]
    # The slug is free again.
    assert deployed(ada, hooked(ada), name="Mine").name_slug == "mine"


def test_after_a_failing_activate_deactivate_is_tried(ada: User) -> None:
    started = create(ada, hooked(ada))
    ran = drive(started, activate=BROKEN, deactivate=RunError("Error", "and this one too"))
    assert entries(ran) == ["deploy", "activate", "deactivate"]
    with pytest.raises(ApiError, match="no such hook here"):
        lifecycle.conclude(started)
    assert now(started.source).state == Source.State.FAILED


def test_a_runner_that_takes_over_goes_on_where_the_other_stopped(ada: User) -> None:
    started = create(ada, hooked(ada))
    operation_id = making.claim(started.operation_id)
    deploy = conduct.next_hook(operation_id)
    assert deploy is not None
    # Dies before it could note the hook: the same call comes again, under the same name.
    again = conduct.next_hook(operation_id)
    assert again == deploy
    assert conduct.record(operation_id, deploy, None)
    assert not conduct.record(operation_id, again, None)
    activate = conduct.next_hook(operation_id)
    assert activate is not None
    assert activate.entry == "activate"
    assert conduct.record(operation_id, activate, None)
    assert conduct.next_hook(operation_id) is None
    assert conduct.next_hook(operation_id) is None
    assert making.kinds(started.source) == ["deployed", "activated"]


def test_a_broken_hook_stays_broken_for_whoever_takes_over(ada: User) -> None:
    started = create(ada, hooked(ada))
    operation_id = making.claim(started.operation_id)
    for error in (None, BROKEN):
        hook = conduct.next_hook(operation_id)
        assert hook is not None
        conduct.record(operation_id, hook, error)
    hook = conduct.next_hook(operation_id)
    assert hook is not None
    assert hook.entry == "deactivate"
    assert conduct.next_hook(operation_id) == hook


def test_giving_up_a_creation_removes_it(ada: User) -> None:
    started = create(ada, hooked(ada))
    conduct.give_up(making.claim(started.operation_id), RunError("Worker Lost", "it died"))
    assert now(started.source).state == Source.State.FAILED
    with pytest.raises(ApiError, match="it died"):
        lifecycle.conclude(started)


def test_withdrawing_a_creation_removes_it(ada: User) -> None:
    started = create(ada, hooked(ada))
    assert started.operation_id is not None
    assert lifecycle.withdraw(started.operation_id)
    assert not lifecycle.withdraw(started.operation_id)
    assert now(started.source).state == Source.State.FAILED
    assert conduct.next_hook(started.operation_id) is None


def test_what_has_begun_cannot_be_withdrawn(ada: User) -> None:
    started = create(ada, hooked(ada))
    assert not lifecycle.withdraw(making.claim(started.operation_id))
    with pytest.raises(ApiError) as going_on:
        lifecycle.conclude(started)
    assert going_on.value.status == 503
