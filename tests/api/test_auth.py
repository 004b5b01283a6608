"""Bearer authentication: REST specification T2, T3."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts import keys, services
from apps.accounts.models import ApiKey
from tests.api.conftest import Api, assert_error


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_t3_scheme_is_compared_without_case(alice: Api, scheme: str) -> None:
    assert alice.get("/users/me", authorization=f"{scheme} {alice.key}").status_code == 200


@pytest.mark.parametrize(
    "header",
    ["Basic YWxpY2U6eA==", "Bearer", "Bearer ", "Bearer garbage", "Token {key}", "{key}", "ÿþ"],
)
def test_t3_anything_but_a_bearer_key_is_401(alice: Api, header: str) -> None:
    response = alice.get("/users/me", authorization=header.format(key=alice.key))
    assert_error(response, 401, code="unauthorized")
    assert response["WWW-Authenticate"] == "Bearer"


def test_t3_missing_header_is_401(nobody: Api) -> None:
    response = nobody.get("/users/me")
    assert_error(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"


def test_t3_unknown_key_of_the_right_form_is_401(alice: Api) -> None:
    assert_error(alice.get("/users/me", authorization=f"Bearer {keys.generate()}"), 401)


def test_t3_revoked_key_is_401_at_once(alice: Api) -> None:
    assert alice.get("/users/me").status_code == 200
    assert services.revoke_key(ApiKey.objects.get(user=alice.user))
    assert_error(alice.get("/users/me"), 401)


def test_t4_keys_are_revoked_one_by_one(alice: Api) -> None:
    other = Api(alice.user, services.create_key(alice.user, "second")[1])
    services.revoke_key(ApiKey.objects.get(user=alice.user, name="second"))
    assert_error(other.get("/users/me"), 401)
    assert alice.get("/users/me").status_code == 200


def test_key_of_a_disabled_user_is_401(alice: Api) -> None:
    alice.user.is_active = False
    alice.user.save()
    assert_error(alice.get("/users/me"), 401)


def test_bad_checksum_is_401_without_a_look_at_the_database(alice: Api) -> None:
    assert alice.key is not None
    last = "0" if alice.key[-1] != "0" else "1"
    with CaptureQueriesContext(connection) as queries:
        assert_error(alice.get("/users/me", authorization=f"Bearer {alice.key[:-1]}{last}"), 401)
    assert len(queries) == 0


def test_key_in_the_query_is_401_with_a_hint_and_without_an_echo(nobody: Api, alice: Api) -> None:
    body = assert_error(nobody.get(f"/users/me?api_key={alice.key}"), 401)
    assert "header" in body["error"]
    assert str(alice.key) not in body["error"]


def test_t3_401_comes_before_the_look_at_an_id(nobody: Api, source: Any) -> None:
    known = nobody.get(f"/sources/{source.id}")
    unknown = nobody.get("/sources/dc_000000")
    assert known.status_code == unknown.status_code == 401
    assert known.content == unknown.content


def test_t3_401_comes_before_405_and_before_the_body_is_read(nobody: Api) -> None:
    assert_error(nobody.call("DELETE", "/users/me"), 401)
    assert_error(nobody.call("POST", "/sources", b"{broken"), 401)


def test_last_used_is_written_at_most_once_a_minute(alice: Api) -> None:
    alice.get("/users/me")
    first = ApiKey.objects.get(user=alice.user).last_used_at
    assert first is not None
    with CaptureQueriesContext(connection) as queries:
        alice.get("/users/me")
    assert not any(query["sql"].startswith("UPDATE") for query in queries)
    assert ApiKey.objects.get(user=alice.user).last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    alice.get("/users/me")
    again = ApiKey.objects.get(user=alice.user).last_used_at
    assert again is not None
    assert again >= first
