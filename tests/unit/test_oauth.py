"""OAuth 2.0 as a client: requests as the standard wants them, and what answers mean."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from apps.accounts import oauth
from apps.accounts.oauth import Provider, Refused
from apps.accounts.renewing import fresh_for

URI = "https://headwater.example/connect/callback"
SECRET = "s/e+c r%t"


def provider(**changes: Any) -> Provider:
    given = {
        "app_slug": "github",
        "authorize_url": "https://login.example/authorize?tenant=a%20b",
        "token_url": "https://login.example/token",
        "client_id": "me",
        "client_secret": SECRET,
    }
    return Provider(**{**given, **changes})


def body_of(request: oauth.Request) -> dict[str, str]:
    return {name: one for name, [one] in parse_qs(request.body.decode()).items()}


def test_the_authorization_request() -> None:
    url = oauth.authorization_url(
        provider(scopes="a b", parameters={"prompt": "consent"}), URI, "st", "v" * 64
    )
    assert url.startswith("https://login.example/authorize?")
    query = parse_qs(urlsplit(url).query)
    challenge = query.pop("code_challenge")[0]
    assert len(challenge) == 43
    assert query == {
        "tenant": ["a b"], "response_type": ["code"], "client_id": ["me"], "scope": ["a b"],
        "redirect_uri": [URI], "state": ["st"], "prompt": ["consent"],
        "code_challenge_method": ["S256"],
    }  # fmt: skip
    assert "v" * 64 not in url
    assert "code_challenge" not in oauth.authorization_url(provider(), URI, "st", None)


def test_verifiers_are_random_and_of_a_length_that_the_standard_allows() -> None:
    first, second = oauth.new_verifier(), oauth.new_verifier()
    assert first != second
    assert 43 <= len(first) <= 128


def test_the_secret_is_in_the_header_or_in_the_body_never_in_both() -> None:
    for request in (
        oauth.code_request(provider(), "c", URI, "v"), oauth.refresh_request(provider(), "r")
    ):  # fmt: skip
        kind, _, pair = request.headers["Authorization"].partition(" ")
        assert kind == "Basic"
        # RFC 6749, 2.3.1: both parts are form-encoded first.
        assert base64.b64decode(pair) == b"me:s%2Fe%2Bc+r%25t"
        assert "client_secret" not in body_of(request)
    posting = provider(token_auth="post")
    for request in (
        oauth.code_request(posting, "c", URI, "v"), oauth.refresh_request(posting, "r")
    ):  # fmt: skip
        assert "Authorization" not in request.headers
        assert body_of(request)["client_secret"] == SECRET
        assert body_of(request)["client_id"] == "me"
    public = provider(client_secret="")
    for request in (
        oauth.code_request(public, "c", URI, "v"), oauth.refresh_request(public, "r")
    ):  # fmt: skip
        assert "Authorization" not in request.headers
        assert body_of(request)["client_id"] == "me"
        assert "client_secret" not in body_of(request)


def test_the_token_requests() -> None:
    assert body_of(oauth.code_request(provider(), "c", URI, "v")) == {
        "grant_type": "authorization_code", "code": "c", "redirect_uri": URI, "code_verifier": "v",
    }  # fmt: skip
    assert "code_verifier" not in body_of(oauth.code_request(provider(), "c", URI, None))
    request = oauth.refresh_request(provider(), "r")
    assert body_of(request) == {"grant_type": "refresh_token", "refresh_token": "r"}
    assert request.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    ("body", "credentials", "seconds"),
    [
        (b'{"access_token":"a","token_type":"bearer"}', {"oauth_access_token": "a"}, None),
        (b'{"access_token":"a","expires_in":60,"refresh_token":"r","scope":"x"}',
         {"oauth_access_token": "a", "oauth_refresh_token": "r"}, 60),
        (b'{"access_token":"a","expires_in":"60"}', {"oauth_access_token": "a"}, 60),
        (b"access_token=a&expires_in=60&scope=&token_type=bearer", {"oauth_access_token": "a"}, 60),
        (b'{"access_token":"a","expires_in":0}', {"oauth_access_token": "a"}, None),
        (b'{"access_token":"a","expires_in":99999999999999}', {"oauth_access_token": "a"},
         315_360_000),
        (b'{"access_token":"a","user":{"id":7,"x":{}},"region":"eu"}',
         {"oauth_access_token": "a", "oauth_uid": 7, "region": "eu"}, None),
    ],
)  # fmt: skip
def test_tokens(body: bytes, credentials: dict[str, Any], seconds: int | None) -> None:
    wanted = {"oauth_uid": "user.id", "region": "region", "none": "user.x", "no": "user.id.x"}
    token = oauth.read_token(provider(fields=wanted), 200, body)
    assert token.credentials == credentials
    assert token.seconds == seconds


@pytest.mark.parametrize(
    ("status", "body", "told", "final"),
    [
        (400, b'{"error":"invalid_grant","error_description":"gone"}', "invalid_grant: gone", True),
        (200, b'{"error":"bad_refresh_token"}', "bad_refresh_token", True),
        (401, b'{"error":"invalid_client"}', "invalid_client", False),
        (400, b'{"error":"x\\n y","error_description":"s/e+c r%t"}', "x y: ***", False),
        (400, b'{"error":"x","error_description":"%s"}' % (b"y" * 9000), "x: yyy", False),
        (503, b"", "answered 503", False),
        (500, b'{"access_token":"a"}', "answered 500", False),
        (404, b"<html>", "answered 404 without a token", False),
        (302, b'{"access_token":"a"}', "answered 302 without a token", False),
        (200, b"", "without a token", False),
        (200, b"{}", "without a token", False),
        (200, b"[]", "what is no token", False),
        (200, b'"a"', "what is no token", False),
        (200, b"\xff\xfe", "without a token", False),
        (200, b'{"access_token":5}', "without a token", False),
        (200, b'{"access_token":"a","expires_in":"soon"}', "what is no token", False),
    ],
)
def test_refusals(status: int, body: bytes, told: str, final: bool) -> None:
    with pytest.raises(Refused) as refused:
        oauth.read_token(provider(), status, body)
    assert told in str(refused.value)
    assert refused.value.final is final
    assert len(str(refused.value)) <= 200


@pytest.mark.parametrize("body", [b"", b"[]", b"no", b"null"])
def test_a_profile_that_is_none(body: bytes) -> None:
    with pytest.raises(Refused, match="without an object"):
        oauth.read_profile(provider(), 200, body)


@pytest.mark.parametrize(
    ("life", "fresh"), [(3600, 3240), (86_400, 86_040), (60, 45), (1, 1), (1440, 1080)]
)
def test_when_a_token_is_renewed(life: int, fresh: int) -> None:
    assert fresh_for(life) == fresh


def test_nothing_shows_a_secret_by_being_printed() -> None:
    token = oauth.Token({"oauth_access_token": "hunter22"}, 60)
    assert "hunter22" not in f"{token!r} {token}"
    assert SECRET not in f"{provider()!r} {provider()}"
