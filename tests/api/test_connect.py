"""/v1/connect/{app} and its pages, with a real provider and a worker: REST index row 34."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.conf import settings

from apps.accounts import connected, connecting
from apps.accounts.models import Account, Connecting, OAuthClient
from apps.accounts.oauth import ACCESS, REFRESH
from apps.core import secrets
from apps.core.clock import app_now
from apps.runs import connecting as exchange
from apps.runs.models import Operation
from tests.api.browsing import Browser, ask
from tests.api.conftest import Api, EdgeProcess, assert_error, make_caller
from tests.api.worker import Worker
from tests.oauth_provider import Provider, providing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with providing(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture
def provider(running: Provider, transactional_db: None) -> Iterator[Provider]:
    running.reset()
    setting = running.settings(
        profile_url=f"{running.base}/profile",
        fields={"oauth_uid": "user.id", "region": "region", "absent": "user.no.such"},
        parameters={"access_type": "offline"},
    )
    setting["client_secret"] = secrets.encrypt(setting["client_secret"])
    OAuthClient.objects.create(**setting)
    yield running
    running.reset()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, running: Provider) -> Iterator[Worker]:
    worker = Worker(tmp_path_factory.mktemp("worker"))
    worker.provider_client = running.client
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def worker(started: Worker, provider: Provider) -> Iterator[Worker]:
    with started:
        yield started


@pytest.fixture
def browser(provider: Provider) -> Browser:
    return Browser(provider)


def test_34_the_whole_way(worker: Worker, alice: Api, browser: Browser, provider: Provider) -> None:
    way = ask(alice, name="work")
    assert way["url"].startswith(f"{settings.PUBLIC_URL}/connect/")
    assert 500 < way["expires_at"] - app_now().timestamp() <= 600
    page = browser.connect(way["url"])
    assert page.status_code == 200, page.content
    [account] = Account.objects.all()
    assert account.id in page.content.decode()
    assert (account.owner_id, account.app_slug, account.name) == (alice.user.id, "github", "work")
    kept: Any = secrets.decrypt(account.credentials)
    assert set(kept) == {ACCESS, REFRESH, "oauth_uid", "region"}
    assert (kept["oauth_uid"], kept["region"]) == (4711, "eu")
    for secret in (kept[ACCESS], kept[REFRESH]):
        assert secret not in page.content.decode()
    [shown] = alice.json("/accounts?app=github")["data"]
    assert shown["id"] == account.id
    assert 3500 < shown["expires_at"] - app_now().timestamp() <= 3600
    assert shown["error"] is None
    facts = provider.facts
    assert facts["methods"] == ["S256"]
    assert facts["queries"][0]["access_type"] == "offline"
    assert facts["auth"] == ["basic"]


def test_34_pages_keep_to_themselves(alice: Api, browser: Browser) -> None:
    page: Any = browser.client.get(ask(alice)["url"].removeprefix(settings.PUBLIC_URL))
    text = page.content.decode()
    assert "<b>alice</b>" in text
    assert "login.provider.example" in text
    assert page["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
    sent = browser.begin(ask(alice)["url"])
    cookie = sent.cookies["headwater_connect"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert sent["Referrer-Policy"] == "same-origin"


def test_34_an_address_works_once(alice: Api, browser: Browser) -> None:
    url = ask(alice)["url"]
    assert browser.begin(url).status_code == 303
    assert browser.begin(url).status_code == 404


def test_34_what_is_too_old_or_unknown_is_404(alice: Api, browser: Browser) -> None:
    url = ask(alice)["url"]
    Connecting.objects.update(expires_at=app_now() - timedelta(seconds=1))
    assert browser.begin(url).status_code == 404
    assert browser.begin(f"{settings.PUBLIC_URL}/connect/{'x' * 43}").status_code == 404
    assert browser.begin(f"{settings.PUBLIC_URL}/connect/{'x' * 42}").status_code == 404


def test_34_a_form_of_another_page_starts_nothing(alice: Api, browser: Browser) -> None:
    path = ask(alice)["url"].removeprefix(settings.PUBLIC_URL)
    response: Any = browser.client.post(path)
    assert response.status_code == 403
    assert Connecting.objects.get().stage == "offered"


def test_34_a_state_works_once(
    worker: Worker, alice: Api, browser: Browser, provider: Provider
) -> None:
    back = browser.consent(ask(alice)["url"])
    assert browser.client.get(back).status_code == 200
    assert browser.client.get(back).status_code == 400
    assert provider.facts["codes"] == 1
    assert Account.objects.count() == 1


def test_34_another_browser_cannot_end_the_way(
    worker: Worker, alice: Api, browser: Browser, provider: Provider
) -> None:
    """Nor one that is on a way of its own."""
    back = browser.consent(ask(alice)["url"])
    other = Browser(provider)
    assert other.client.get(back).status_code == 400
    other.consent(ask(make_caller("bob"))["url"])
    assert other.client.get(back).status_code == 400
    assert not Account.objects.exists()
    assert browser.client.get(back).status_code == 200
    assert Account.objects.get().owner_id == alice.user.id


@pytest.mark.parametrize("harm", ["too old", "wrong state", "no state"])
def test_34_a_way_that_cannot_be_ended(
    alice: Api, browser: Browser, provider: Provider, harm: str
) -> None:
    back = browser.consent(ask(alice)["url"])
    if harm == "too old":
        Connecting.objects.update(expires_at=app_now() - timedelta(seconds=1))
    elif harm == "wrong state":
        back += "x"
    else:
        back = back.partition("?")[0] + "?code=abc"
    assert browser.client.get(back).status_code == 400
    assert provider.facts["codes"] == 0
    assert not Operation.objects.exists()


def test_34_who_looks_ahead_uses_nothing_up(worker: Worker, alice: Api, browser: Browser) -> None:
    url = ask(alice)["url"]
    assert browser.client.head(url.removeprefix(settings.PUBLIC_URL)).status_code == 200
    back = browser.consent(url)
    assert browser.client.head(back).status_code == 200
    assert browser.client.get(back).status_code == 200


def test_34_who_does_not_agree_connects_nothing(
    alice: Api, browser: Browser, provider: Provider
) -> None:
    provider.control(agrees=False)
    page = browser.connect(ask(alice)["url"])
    assert page.status_code == 400
    assert "github did not agree" in page.content.decode()
    assert not Operation.objects.exists()


def test_34_what_the_provider_says_is_shown_as_text(alice: Api, browser: Browser) -> None:
    back = browser.consent(ask(alice)["url"])
    state = parse_qs(urlsplit(back).query)["state"][0]
    page: Any = browser.client.get(
        "/connect/callback", {"state": state, "error": "<script>alert(1)</script>"}
    )
    assert page.status_code == 400
    assert "&lt;script&gt;" in page.content.decode()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": 400, "error": '{"error": "invalid_grant"}'}, "invalid_grant"),
        ({"status": 200, "error": '{"error": "bad_verification_code"}'}, "bad_verification_code"),
        ({"status": 500, "error": "<html>"}, "answered 500"),
        ({"status": 200, "error": "<html>"}, "without a token"),
        ({"status": 200, "error": "[1]"}, "what is no token"),
        ({"status": 200, "error": "x" * 300_000}, "too_large"),
    ],
)
def test_34_a_provider_that_refuses_the_code(
    worker: Worker, alice: Api, browser: Browser, provider: Provider, answer: Any, told: str
) -> None:
    provider.control(**answer)
    page = browser.connect(ask(alice)["url"])
    assert page.status_code == 400
    assert told in page.content.decode()
    assert not Account.objects.exists()


def test_34_an_account_is_connected_again_under_its_id(
    worker: Worker, alice: Api, browser: Browser, provider: Provider
) -> None:
    browser.connect(ask(alice, name="work")["url"])
    [first] = Account.objects.all()
    Account.objects.update(error="invalid_grant", expires_at=app_now(), refresh_at=app_now())
    assert alice.json(f"/accounts/{first.id}")["data"]["error"] == "invalid_grant"
    browser.connect(ask(alice, account_id=first.id)["url"])
    [again] = Account.objects.all()
    assert (again.id, again.name, again.error) == (first.id, "work", "")
    assert again.version == first.version + 1
    assert secrets.decrypt(again.credentials) != secrets.decrypt(first.credentials)


def test_34_an_account_deleted_meanwhile_is_not_revived(
    worker: Worker, alice: Api, browser: Browser
) -> None:
    account = connected.create(alice.user, "github", "work", {"a": "b"})
    back = browser.consent(ask(alice, account_id=account.id)["url"])
    connected.delete(account)
    page: Any = browser.client.get(back)
    assert page.status_code == 409
    assert Account.objects.get().credentials == ""


def test_34_put_makes_an_account_the_owners(worker: Worker, alice: Api, browser: Browser) -> None:
    browser.connect(ask(alice)["url"])
    [account] = Account.objects.all()
    alice.call("PUT", f"/accounts/{account.id}", {"credentials": {"api_key": "k"}})
    account.refresh_from_db()
    assert account.refresh_at is None
    assert alice.json(f"/accounts/{account.id}")["data"]["expires_at"] is None


def test_34_bad_input_is_named(alice: Api, provider: Provider) -> None:
    slack = connected.create(alice.user, "slack", "work", {"a": "b"})
    unknown = alice.call("POST", "/connect/slack", {})
    assert_error(unknown, 404, code="no_oauth_client")
    other = alice.call("POST", "/connect/github", {"account_id": slack.id})
    assert_error(other, 400, parameter="account_id")
    assert_error(alice.call("POST", "/connect/github", {"account_id": "apn_000000"}), 404)
    assert_error(alice.call("POST", "/connect/github", {"name": " "}), 400, parameter="name")
    assert not Connecting.objects.exists()


def test_34_nothing_of_the_way_is_stored_in_clear(
    alice: Api, browser: Browser, provider: Provider
) -> None:
    url = ask(alice)["url"]
    back = parse_qs(urlsplit(browser.consent(url)).query)
    cookie = browser.client.cookies["headwater_connect"].value
    row = connecting.come_back(back["state"][0], cookie)
    assert row is not None
    operation = exchange.start(row, back["code"][0])
    verifier = str(secrets.decrypt(row.verifier))
    texts = [str(vars(row)), str(operation.args)]
    for secret in (url[-43:], back["state"][0], back["code"][0], cookie, verifier):
        assert [text for text in texts if secret in text] == []
    given = exchange.given(operation.args)
    assert (given.code, given.verifier) == (back["code"][0], verifier)


def test_34_old_ways_are_forgotten(alice: Api, provider: Provider) -> None:
    ask(alice)
    ask(alice)
    last = Connecting.objects.order_by("-id").first()
    assert last is not None
    Connecting.objects.filter(id=last.id).update(expires_at=app_now() - timedelta(days=2))
    connecting.forget_old()
    assert Connecting.objects.count() == 1


def test_34_through_the_web_process(
    edge: EdgeProcess, started: Worker, provider: Provider, caller: Api
) -> None:
    """The last page is a late answer: the edge waits for the worker, holding no thread."""
    path = ask(caller)["url"].removeprefix(settings.PUBLIC_URL)
    with started, httpx.Client(base_url=edge.url, timeout=60) as browser:
        page = browser.get(path)
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        sent = browser.post(path, data={"csrfmiddlewaretoken": token})
        assert sent.status_code == 303, sent.text
        back = provider.browse(sent.headers["location"]).headers["location"]
        last = browser.get(back.removeprefix(settings.PUBLIC_URL))
    assert last.status_code == 200, last.text
    assert last.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in last.headers["content-security-policy"]
    assert last.headers["cache-control"] == "no-store"
    assert Account.objects.get().id in last.text
