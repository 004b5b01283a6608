"""What operators do to sources: by POST, with a token, by permission, and in the ledger."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.accounts.models import User
from apps.runs.models import MailboxRow, Operation
from apps.sources.models import Source
from apps.subscriptions.models import Subscription, Webhook
from tests.admin.operating import address, buttons, client_of, messages, operator, text
from tests.admin.test_source_page import emit
from tests.services import making

pytestmark = pytest.mark.django_db

POSTED = ("run-now", "pause", "resume")
FORMS = ("props", "replay", "version", "remove")
VIEW = ("sources.view_source",)
CHANGE = (*VIEW, "sources.change_source")
SECRET = {"name": "token", "type": "string", "secret": True}
PROPS: list[dict[str, Any]] = [
    making.TIMER, SECRET, {"name": "city", "type": "string"},
    {"name": "days", "type": "integer", "optional": True, "min": 1, "max": 7},
    {"name": "tags", "type": "string[]", "optional": True},
    {"name": "github", "type": "app", "app": "github", "optional": True},
]  # fmt: skip
CONFIGURED = {"token": "hunter22", "city": "Ulm"}


@pytest.fixture
def ada() -> User:
    return making.user("ada")


@pytest.fixture
def source(ada: User) -> Source:
    made_of = making.component(ada, *PROPS, key="weather", version="0.0.1")
    return making.source(ada, made_of, name="Weather", configured_props=CONFIGURED)


@pytest.fixture
def olga(source: Source) -> User:
    return operator(*CHANGE, "sources.delete_source", "sources.view_sourcechange")


@pytest.fixture
def client(olga: User) -> Client:
    return client_of(olga)


def said(client: Client, source: Source) -> str:
    return messages(text(client.get(address(source))))


def row(source: Source) -> Source:
    return Source.objects.select_related("component").get(id=source.id)


def last_change(source: Source) -> Any:
    return source.changes.order_by("-version").first()


# --- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [*POSTED, *FORMS])
def test_without_the_permission_nothing_can_be_done(source: Source, action: str) -> None:
    viewer = client_of(operator(*VIEW, name="vera"))
    assert buttons(text(viewer.get(address(source)))) == []
    for answer in (viewer.post(address(source, action)), viewer.get(address(source, action))):
        assert answer.status_code in ((403, 405) if action in POSTED else (403,))
    assert viewer.post(address(source, action)).status_code == 403
    assert row(source).version == source.version
    assert not MailboxRow.objects.exists()


@pytest.mark.parametrize("action", [*POSTED, *FORMS])
def test_strangers_are_sent_to_the_login(source: Source, action: str) -> None:
    for client in (Client(), client_of(source.owner)):
        answer = client.post(address(source, action))
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]


@pytest.mark.parametrize("action", [*POSTED, *FORMS])
def test_forms_need_their_token(source: Source, olga: User, action: str) -> None:
    strict = client_of(olga, enforce_csrf_checks=True)
    assert strict.post(address(source, action)).status_code == 403
    assert row(source).version == source.version


@pytest.mark.parametrize("action", POSTED)
def test_looking_changes_nothing(client: Client, source: Source, action: str) -> None:
    assert client.get(address(source, action)).status_code == 405
    assert row(source).version == source.version


def test_the_buttons_are_those_of_its_state(client: Client, source: Source) -> None:
    always = ["Change props", "Replay events", "Move to another version", "Delete"]
    assert buttons(text(client.get(address(source)))) == ["Run now", "Pause", *always]
    client.post(address(source, "pause"))
    assert buttons(text(client.get(address(source)))) == ["Resume", *always]


def test_an_unknown_source_is_404(client: Client, source: Source) -> None:
    where = address(source, "pause").replace(source.id.replace("_", "_5F"), "dc_nobody")
    assert client.post(where).status_code == 404


# --- at once --------------------------------------------------------------------------------


def test_run_now_once_for_each_press(client: Client, source: Source) -> None:
    html = text(client.get(address(source)))
    once = re.findall(r'name="once" value="(\w+)"', html)[0]
    for _ in range(2):
        answer = client.post(address(source, "run-now"), {"once": once})
        assert answer.status_code == 302
    assert "A run is in the mailbox." in said(client, source)
    assert [run.cause for run in MailboxRow.objects.all()] == ["manual"]
    client.post(address(source, "run-now"), {"once": "another"})
    assert MailboxRow.objects.count() == 2


def test_pause_and_resume_stand_in_the_ledger(client: Client, source: Source, olga: User) -> None:
    client.post(address(source, "pause"))
    assert "The source is paused." in said(client, source)
    assert row(source).state == "inactive"
    assert (last_change(source).kind, last_change(source).actor) == ("deactivated", olga.id)
    client.post(address(source, "run-now"))
    assert "the source is inactive" in said(client, source)
    client.post(address(source, "resume"))
    assert row(source).state == "active"
    assert (last_change(source).kind, last_change(source).actor) == ("activated", olga.id)


def test_many_at_once(client: Client, source: Source, ada: User) -> None:
    others = [making.source(ada) for _ in range(2)]
    chosen = [source.id, *(other.id for other in others)]
    where = "/admin/sources/source/"
    client.post(where, {"action": "pause_chosen", "_selected_action": chosen})
    assert {row(one).state for one in (source, *others)} == {"inactive"}
    client.post(where, {"action": "resume_chosen", "_selected_action": chosen[:1]})
    assert row(source).state == "active"
    assert row(others[0]).state == "inactive"


def test_who_may_only_look_is_offered_no_action_of_the_list(source: Source) -> None:
    viewer = client_of(operator(*VIEW, name="vera"))
    assert "pause_chosen" not in text(viewer.get("/admin/sources/source/"))
    viewer.post(
        "/admin/sources/source/", {"action": "pause_chosen", "_selected_action": [source.id]}
    )
    assert row(source).state == "active"


# --- replay and deletion --------------------------------------------------------------------


def test_replay_to_who_listens(client: Client, source: Source, ada: User) -> None:
    hook = Webhook.objects.create(owner=ada, url="https://example.org/", secret=[])
    Subscription.objects.create(owner=ada, emitter_id=source.id, listener_id=hook.id)
    for n in range(3):
        emit(source, {"n": n}, n, hops=0)
    where = address(source, "replay")
    answer = client.post(where, {"start": "1589486981597-1", "end": "", "listener_id": hook.id})
    assert answer.status_code == 302
    assert "2 events go once more to 1 listeners." in said(client, source)
    with connection.cursor() as cursor:
        cursor.execute("SELECT n, listener_id FROM fanout_due ORDER BY n")
        assert cursor.fetchall() == [(1, hook.id), (2, hook.id)]


def test_a_bad_range_is_told_at_its_field(client: Client, source: Source) -> None:
    answer = client.post(address(source, "replay"), {"start": "yesterday"})
    assert "event id such as" in str(answer.context["form"].errors["start"])


def test_delete_after_a_question(client: Client, source: Source, olga: User) -> None:
    where = address(source, "remove")
    assert "Delete source" in text(client.get(where))
    assert row(source).state == "active"
    client.post(where, {"ignore_hook_errors": "on"})
    assert row(source).state == "deleted"
    assert (last_change(source).kind, last_change(source).actor) == ("deleted", olga.id)
    assert buttons(text(client.get(address(source)))) == []
    client.post(address(source, "resume"))
    assert "not found" in said(client, source)


def test_changing_does_not_mean_deleting(source: Source) -> None:
    changer = client_of(operator(*CHANGE, name="carl"))
    assert "Delete" not in buttons(text(changer.get(address(source))))
    assert changer.post(address(source, "remove"), {}).status_code == 403


# --- hooks ----------------------------------------------------------------------------------


def test_a_change_that_no_runner_takes_is_taken_back(
    client: Client, source: Source, ada: User, settings: Any
) -> None:
    settings.UPDATE_WAIT_SECONDS = 0.1
    hooking = making.component(ada, *PROPS, hooks=["activate", "deactivate"])
    Source.objects.filter(id=source.id).update(component=hooking)
    client.post(address(source, "pause"))
    assert "no worker was free to do it; nothing was changed" in said(client, source)
    assert row(source).state == "active"
    assert Operation.objects.get().state == "cancelled"
