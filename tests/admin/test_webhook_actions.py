"""What an operator does to webhooks and their deliveries: by POST, with a token, by permission, and
in the admin's log."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from apps.accounts.models import User
from apps.subscriptions import webhooks
from apps.subscriptions.models import Delivery, Webhook
from tests.admin.operating import address, buttons, client_of, messages, operator, text
from tests.admin.test_webhook_page import CHANGE, LIST, VIEW, deliver, page
from tests.services import making

pytestmark = pytest.mark.django_db

POSTED = ("activate", "deactivate")
ACTIONS = (*POSTED, "replay")


@pytest.fixture
def ada() -> User:
    return making.user("ada")


@pytest.fixture
def hook(ada: User) -> Webhook:
    return webhooks.create(ada, "https://example.org/hook", "Orders", None)[0]


@pytest.fixture
def olga(hook: Webhook) -> User:
    return operator(*CHANGE)


@pytest.fixture
def client(olga: User) -> Client:
    return client_of(olga)


def said(client: Client, row: Any) -> str:
    return messages(page(client, row))


def pending(hook: Webhook) -> list[tuple[int, str]]:
    """Events that are on their way, and the replay that asked for them."""
    rows = Delivery.objects.filter(webhook_id=hook.id, state="pending").order_by("n")
    return [(row.n, row.replay[:3]) for row in rows]


def done_by(user: User, row: Any) -> list[str]:
    """What the admin's log tells of a row."""
    entries = LogEntry.objects.filter(object_id=row.pk, user_id=user.pk).order_by("id")
    return [entry.get_change_message() for entry in entries]


# --- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_without_the_permission_nothing_can_be_done(hook: Webhook, action: str) -> None:
    row = deliver(hook)
    viewer = client_of(operator(*VIEW, name="vera"))
    assert buttons(page(viewer, hook)) == []
    assert buttons(page(viewer, row)) == []
    assert viewer.post(address(hook, action), {"every_dead": "on"}).status_code == 403
    assert viewer.post(address(row, "replay")).status_code == 403
    assert "replay_chosen" not in text(viewer.get(LIST))
    viewer.post(LIST, {"action": "replay_chosen", "_selected_action": [row.id]})
    assert pending(hook) == []
    assert Webhook.objects.get(id=hook.id).updated_at == hook.updated_at


@pytest.mark.parametrize("action", ACTIONS)
def test_strangers_and_forms_without_a_token_do_nothing(
    hook: Webhook, olga: User, action: str
) -> None:
    row = deliver(hook)
    for client in (Client(), client_of(hook.owner)):
        for where in (address(hook, action), address(row, "replay")):
            assert "/login/" in client.post(where)["Location"]
    strict = client_of(olga, enforce_csrf_checks=True)
    assert strict.post(address(hook, action), {"every_dead": "on"}).status_code == 403
    assert strict.post(address(row, "replay")).status_code == 403
    assert pending(hook) == []


def test_looking_changes_nothing(client: Client, hook: Webhook) -> None:
    row = deliver(hook)
    for where in (*(address(hook, action) for action in POSTED), address(row, "replay")):
        assert client.get(where).status_code == 405
    assert client.get(address(hook, "replay")).status_code == 200
    assert pending(hook) == []


def test_who_may_not_see_deliveries_replays_none(hook: Webhook) -> None:
    deliver(hook)
    changer = client_of(
        operator("subscriptions.view_webhook", "subscriptions.change_webhook", name="carl")
    )
    assert buttons(page(changer, hook)) == ["Deactivate"]
    assert changer.post(address(hook, "replay"), {"every_dead": "on"}).status_code == 403
    assert pending(hook) == []


# --- what is done ---------------------------------------------------------------------------


def test_deactivate_and_activate(client: Client, hook: Webhook, olga: User) -> None:
    assert buttons(page(client, hook)) == ["Deactivate", "Replay deliveries"]
    client.post(address(hook, "deactivate"))
    assert "The webhook is inactive." in said(client, hook)
    assert not Webhook.objects.get(id=hook.id).active
    assert buttons(page(client, hook)) == ["Activate", "Replay deliveries"]
    client.post(address(hook, "activate"))
    assert Webhook.objects.get(id=hook.id).active
    assert done_by(olga, hook) == ["The webhook is inactive.", "The webhook is active."]
    history = text(client.get(address(hook, "history")))
    assert "The webhook is inactive." in history


def test_chosen_deliveries_go_once_more(client: Client, hook: Webhook, olga: User) -> None:
    rows = [deliver(hook, n, state="delivered" if n == 1 else "dead") for n in range(3)]
    where = address(hook, "replay")
    assert f'value="{rows[1].id}"' in text(client.get(where))
    client.post(where, {"chosen": [rows[0].id, rows[1].id]})
    assert "2 deliveries are on their way once more." in said(client, hook)
    assert pending(hook) == [(0, "rd_"), (1, "rd_")]
    assert done_by(olga, hook) == ["2 deliveries are on their way once more."]


def test_all_dead_ones_go_once_more(client: Client, hook: Webhook) -> None:
    for n in range(3):
        deliver(hook, n, state="delivered" if n == 1 else "dead")
    client.post(address(hook, "replay"), {"every_dead": "on"})
    assert pending(hook) == [(0, "rd_"), (2, "rd_")]


@pytest.mark.parametrize(
    "chosen",
    [{}, {"every_dead": "on", "chosen": ["own"]}, {"chosen": ["x"]}, {"chosen": ["another's"]},
     {"chosen": ["waiting"]}, {"chosen": ["9" * 40]}],
    ids=["nothing", "both", "no id", "another's", "pending", "too large"],
)  # fmt: skip
def test_a_wrong_choice_is_said_in_the_form(
    client: Client, hook: Webhook, ada: User, chosen: dict[str, Any]
) -> None:
    other = webhooks.create(ada, "https://example.org/other", None, None)[0]
    rows = {
        "own": deliver(hook),
        "another's": deliver(other, 7),
        "waiting": deliver(hook, 8, state="pending", ended_at=None),
    }
    wanted = [rows[one].id if one in rows else one for one in chosen.get("chosen", [])]
    answer = client.post(address(hook, "replay"), chosen | {"chosen": wanted})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert pending(hook) == [(8, "")]


def test_one_is_replayed_from_its_own_page(client: Client, hook: Webhook, olga: User) -> None:
    row = deliver(hook)
    assert buttons(page(client, row)) == ["Replay"]
    client.post(address(row, "replay"))
    assert "as a new delivery" in said(client, row)
    assert pending(hook) == [(0, "rd_")]
    assert done_by(olga, hook) == [f"Delivery {row.id} is replayed."]
    new = Delivery.objects.get(webhook_id=hook.id, state="pending")
    assert buttons(page(client, new)) == []
    client.post(address(new, "replay"))
    assert "still pending" in said(client, new)


def test_what_is_gone_is_not_sent(client: Client, hook: Webhook, olga: User) -> None:
    row = deliver(hook, stored=False)
    client.post(address(row, "replay"))
    assert "not stored any more" in said(client, row)
    assert pending(hook) == []
    webhooks.delete(hook)
    assert buttons(page(client, hook)) == []
    for where in (address(row, "replay"), address(hook, "activate")):
        assert client.post(where).status_code == 302
    answer = client.post(address(hook, "replay"), {"every_dead": "on"})
    assert "the webhook is deleted" in text(answer)
    assert not Webhook.objects.get(id=hook.id).active
    assert done_by(olga, hook) == []


def test_many_at_once_webhook_by_webhook(client: Client, hook: Webhook, ada: User) -> None:
    other = webhooks.create(ada, "https://example.org/other", None, None)[0]
    rows = [deliver(hook), deliver(other, 1), deliver(hook, 2, state="pending", ended_at=None)]
    chosen = {"action": "replay_chosen", "_selected_action": [row.id for row in rows]}
    answer = client.post(LIST, chosen, follow=True)
    assert "2 of 3 deliveries are on their way once more" in messages(text(answer))
    assert pending(hook) == [(0, "rd_"), (2, "")]
    assert pending(other) == [(1, "rd_")]
