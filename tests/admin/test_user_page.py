"""The pages of users and their keys: what one may use, has used and owns; revoking keys."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts import services
from apps.accounts.models import ApiKey, UsageDay, User
from apps.core.clock import app_now
from apps.panel import users
from tests.admin.operating import (
    address,
    buttons,
    client_of,
    messages,
    operator,
    section,
    text,
)
from tests.services import making

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\u202e\x07"
VIEW = ("accounts.view_user", "accounts.view_apikey")
REVOKE = (*VIEW, "accounts.change_apikey")
SEEING = (*REVOKE, "accounts.view_usageday", "sources.view_source", "subscriptions.view_webhook")
LIST = "/admin/accounts/apikey/"


@pytest.fixture
def ada() -> User:
    return making.user("ada")


@pytest.fixture
def key(ada: User) -> ApiKey:
    return services.create_key(ada, "deploying", allowed=["read"])[0]


@pytest.fixture
def olga(ada: User) -> User:
    return operator(*SEEING)


@pytest.fixture
def client(olga: User) -> Client:
    return client_of(olga)


def page(client: Client, row: Any) -> str:
    answer = client.get(address(row))
    assert answer.status_code == 200
    return text(answer)


def is_live(key: ApiKey) -> bool:
    return ApiKey.objects.get(id=key.id).revoked_at is None


def done_by(user: User, row: Any) -> list[str]:
    entries = LogEntry.objects.filter(object_id=str(row.pk), user_id=user.pk).order_by("id")
    return [entry.get_change_message() for entry in entries]


# --- what is seen ---------------------------------------------------------------------------


def test_what_was_used_of_the_quotas(client: Client, ada: User) -> None:
    today = app_now().date()
    UsageDay.objects.create(user_id=ada.id, day=today, compute_ms=1500, invocations=3)
    services.note_usage(ada.id, 500)
    for days, invocations in ((1, 111), (7, 777), (8, 888)):
        UsageDay.objects.create(
            user_id=ada.id, day=today - timedelta(days=days), invocations=invocations
        )
    User.objects.filter(id=ada.id).update(daily_invocations_quota=1000)
    html = page(client, ada)
    assert "2,000 ms, unlimited" in section(html, "today")
    assert "4, of 1,000" in section(html, "today")
    before = section(html, "days-before")
    assert ["111" in before, "777" in before, "888" in before] == [True, True, False]


def test_the_keys_without_what_opens_anything(client: Client, ada: User, key: ApiKey) -> None:
    row, secret = services.create_key(ada, "old", app_now() - timedelta(days=1))
    services.revoke_key(services.create_key(ada, "gone")[0])
    ApiKey.objects.filter(id=key.id).update(last_used_at=app_now())
    html = page(client, ada)
    gone, old, deploying = section(html, "keys").split("<tr>")[2:]
    assert "revoked" in gone
    assert "expired" in old
    for shown in ("deploying", "read", "active", key.prefix, f"/accounts/apikey/{key.id}/"):
        assert shown in deploying
    assert deploying.count("never") == 1
    for shown in (html, page(client, row), text(client.get(LIST))):
        assert secret not in shown
        assert secret[-32:] not in shown
    assert "sha256" not in page(client, row).lower()


def test_what_belongs_to_it(client: Client, ada: User) -> None:
    own, other = making.source(ada, name="Weather"), making.source(making.user("bob"))
    html = page(client, ada)
    assert own.id in section(html, "sources")
    assert other.id not in html
    assert f"/subscriptions/webhook/?q={ada.id}" in section(html, "belongs-to-it")
    assert "/components/component/?q=" not in section(html, "belongs-to-it")


def test_an_operator_sees_what_their_permissions_say(ada: User, key: ApiKey) -> None:
    making.source(ada, name="Weather")
    html = page(client_of(operator("accounts.view_user")), ada)
    for hidden in ("hw-today", "hw-days-before", 'id="hw-keys"', 'id="hw-sources"', key.prefix):
        assert hidden not in html
    assert buttons(html) == []
    stranger = client_of(operator("accounts.view_apikey", name="otto"))
    assert stranger.get(address(ada)).status_code == 403
    assert "hw-keys" not in text(client_of(operator("accounts.add_user", name="al")).get(
        "/admin/accounts/user/add/"
    ))  # fmt: skip


def test_what_its_user_named_is_only_read(client: Client, ada: User, key: ApiKey) -> None:
    ApiKey.objects.filter(id=key.id).update(name=HOSTILE)
    for html in (page(client, ada), text(client.get(address(ada, "revoke-keys")))):
        assert "<script>alert" not in html
        assert re.findall("[\u202e\x07]", html) == []


def test_each_query_is_bounded(client: Client, ada: User, key: ApiKey) -> None:
    page(client, ada)
    with CaptureQueriesContext(connection) as before:
        page(client, ada)
    for _ in range(60):
        services.create_key(ada)
    for _ in range(25):
        making.source(ada)
    with CaptureQueriesContext(connection) as after:
        html = page(client, ada)
    assert len(after) == len(before)
    assert section(html, "keys").count("<tr>") == 51
    assert section(html, "sources").count("<tr>") == 21


# --- who may --------------------------------------------------------------------------------


def test_who_may_change_users_becomes_no_administrator(ada: User) -> None:
    """Neither by the marks of a user nor by the password of one who is."""
    olaf = operator("accounts.view_user", "accounts.change_user", name="olaf")
    client, root = client_of(olaf), services.create_user("root", admin=True)
    for user in (olaf, ada):
        form = client.get(address(user)).context["adminform"].form
        data = {name: form[name].value() or "" for name in form.fields}
        data |= {"email": "new@example.org", "is_superuser": "on", "is_staff": "on"}
        assert client.post(address(user), data).status_code == 302
        changed = User.objects.get(id=user.id)
        assert (changed.email, changed.is_superuser) == ("new@example.org", False)
        assert changed.is_staff == user.is_staff
    password = reverse("admin:auth_user_password_change", args=[root.id])
    given = {"password1": "correct horse", "password2": "correct horse", "usable_password": "true"}
    assert client.post(password, given).status_code == 403
    assert client.post(address(root), {"is_active": ""}).status_code == 403
    assert User.objects.get(id=root.id).password == root.password


@pytest.mark.parametrize("held", [VIEW, VIEW[:1]], ids=["looking", "users"])
def test_without_the_permissions_no_key_is_revoked(
    ada: User, key: ApiKey, held: tuple[str, ...]
) -> None:
    viewer = client_of(operator(*held, name="vera"))
    assert buttons(page(viewer, ada)) == []
    chosen = {"chosen": [key.id]}
    assert viewer.get(address(ada, "revoke-keys")).status_code == 403
    assert viewer.post(address(ada, "revoke-keys"), chosen).status_code == 403
    assert viewer.post(address(key, "revoke")).status_code == 403
    assert viewer.get(address(key)).status_code == (200 if held == VIEW else 403)
    viewer.post(LIST, {"action": "revoke_chosen", "_selected_action": [key.id]})
    assert is_live(key)


def test_a_list_revokes_a_bounded_number(
    client: Client, ada: User, key: ApiKey, monkeypatch: Any
) -> None:
    other = services.create_key(ada)[0]
    data = {"action": "revoke_chosen", "_selected_action": [key.id, other.id]}
    monkeypatch.setattr(users, "AT_ONCE", 1)
    assert "At most 1 keys at once" in text(client.post(LIST, data, follow=True))
    assert is_live(key)
    monkeypatch.setattr(users, "AT_ONCE", 2)
    assert "2 keys revoked" in text(client.post(LIST, data, follow=True))
    assert not is_live(key)


def test_who_may_only_look_is_offered_nothing(ada: User, key: ApiKey) -> None:
    viewer = client_of(operator(*VIEW, name="vera"))
    assert buttons(page(viewer, key)) == []
    assert "revoke_chosen" not in text(viewer.get(LIST))


def test_strangers_and_forms_without_a_token_do_nothing(olga: User, ada: User, key: ApiKey) -> None:
    wanted: tuple[tuple[str, Any], ...] = (
        (address(ada, "revoke-keys"), {"chosen": [key.id]}),
        (address(key, "revoke"), {}),
    )
    strict = client_of(olga, enforce_csrf_checks=True)
    for where, data in wanted:
        for stranger in (Client(), client_of(ada)):
            assert "/login/" in stranger.post(where, data)["Location"]
        assert strict.post(where, data).status_code == 403
    assert is_live(key)


def test_looking_changes_nothing(client: Client, ada: User, key: ApiKey) -> None:
    assert client.get(address(ada, "revoke-keys")).status_code == 200
    assert client.get(address(key, "revoke")).status_code == 405
    assert is_live(key)


# --- what is done ---------------------------------------------------------------------------


def test_chosen_keys_are_revoked(client: Client, ada: User, key: ApiKey, olga: User) -> None:
    other = services.create_key(ada, "other")[0]
    assert buttons(page(client, ada)) == ["Revoke keys"]
    client.post(address(ada, "revoke-keys"), {"chosen": [key.id]})
    assert (is_live(key), is_live(other)) == (False, True)
    said = f"Keys that are revoked: {key.prefix}."
    assert said in messages(page(client, ada))
    assert done_by(olga, ada) == [said]
    assert said in text(client.get(address(ada, "history")))
    assert address(ada, "history") in section(page(client, ada), "belongs-to-it")
    html = text(client.get(address(ada, "revoke-keys")))
    assert other.prefix in html
    assert key.prefix not in html


def test_keys_of_others_are_no_choice(client: Client, ada: User) -> None:
    strangers = services.create_key(making.user("bob"))[0]
    for chosen in ([strangers.id], ["x"], []):
        answer = client.post(address(ada, "revoke-keys"), {"chosen": chosen})
        assert answer.context["form"].errors["chosen"]
    assert is_live(strangers)


def test_one_is_revoked_from_its_own_page(client: Client, key: ApiKey, olga: User) -> None:
    assert buttons(page(client, key)) == ["Revoke"]
    client.post(address(key, "revoke"))
    assert not is_live(key)
    assert buttons(page(client, key)) == []
    client.post(address(key, "revoke"))
    assert "was revoked before" in messages(page(client, key))
    assert done_by(olga, key) == ["The key is revoked."]


def test_changing_a_user_still_works_below(ada: User) -> None:
    """The page's own form, with its sections above it."""
    carl = client_of(operator(*SEEING, "accounts.change_user", name="carl"))
    html = page(carl, ada)
    assert "hw-keys" in html
    data = {
        "username": "ada", "email": "ada@example.org", "is_active": "on",
        "daily_compute_time_quota": 60_000, "daily_invocations_quota": 10,
    }  # fmt: skip
    assert carl.post(address(ada), data).status_code == 302
    changed = User.objects.get(id=ada.id)
    assert (changed.email, changed.daily_invocations_quota) == ("ada@example.org", 10)
