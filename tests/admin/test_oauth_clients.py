"""The operator's OAuth client settings, as the admin takes and shows them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts import connecting
from apps.accounts import services as accounts
from apps.accounts.models import OAuthClient
from apps.core import secrets

pytestmark = pytest.mark.django_db

LIST = "admin:accounts_oauthclient_changelist"
GIVEN = {
    "app_slug": "github",
    "authorize_url": "https://login.example/authorize",
    "token_url": "https://login.example/token",
    "client_id": "me",
    "secret": "hunter22",
    "token_auth": "basic",
    "scopes": "repo",
    "parameters": '{"access_type": "offline"}',
    "pkce": "on",
    "profile_url": "",
    "fields": '{"oauth_uid": "user.id"}',
}


@pytest.fixture
def page() -> Client:
    admin = accounts.create_user("root", admin=True, password="a password")
    client = Client()
    client.force_login(admin)
    return client


def add(page: Client, **changes: str) -> Any:
    return page.post(reverse("admin:accounts_oauthclient_add"), {**GIVEN, **changes})


def test_the_secret_is_stored_encrypted_and_shown_to_nobody(page: Client) -> None:
    assert add(page).status_code == 302
    [row] = OAuthClient.objects.all()
    assert secrets.decrypt(row.client_secret) == "hunter22"
    assert row.parameters == {"access_type": "offline"}
    assert row.pkce
    for response in (page.get(reverse(LIST)), page.get(_change(row))):
        assert b"hunter22" not in response.content
        assert row.client_secret.encode() not in response.content


def test_left_empty_the_secret_stays(page: Client) -> None:
    add(page)
    [row] = OAuthClient.objects.all()
    changed = {**GIVEN, "secret": "", "scopes": "repo user"}
    assert page.post(_change(row), changed).status_code == 302
    row.refresh_from_db()
    assert (row.scopes, secrets.decrypt(row.client_secret)) == ("repo user", "hunter22")


def test_the_page_says_which_redirect_uri_to_register(page: Client) -> None:
    shown = page.get(reverse("admin:accounts_oauthclient_add")).content.decode()
    assert connecting.redirect_uri() in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"authorize_url": "http://login.example/authorize"},
        {"token_url": "ftp://login.example/token"},
        {"profile_url": "login.example"},
        {"app_slug": "git hub"},
        {"client_id": ""},
        {"parameters": '{"state": "mine"}'},
        {"parameters": '{"prompt": 1}'},
        {"parameters": "[]"},
        {"fields": '{"oauth_uid": {}}'},
        {"fields": "no JSON"},
    ],
)
def test_what_cannot_work_is_refused(page: Client, changes: dict[str, str]) -> None:
    response = add(page, **changes)
    assert response.status_code == 200
    assert b"errorlist" in response.content or b"error" in response.content
    assert not OAuthClient.objects.exists()


def _change(row: OAuthClient) -> str:
    return reverse("admin:accounts_oauthclient_change", args=[row.pk])
