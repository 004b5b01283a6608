"""Scopes of keys: what `read` and `write` open, of every route there is (REST index row 35)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts import services
from apps.accounts.models import ApiKey
from apps.accounts.scopes import READ, WRITE
from apps.api.openapi import document
from apps.api.scopes import needed
from tests.api.conftest import Api, assert_error, body_of
from tests.api.walking import Route, api_routes

SERVED = [(route, method) for route in api_routes() for method in route.methods]
WALK = pytest.mark.parametrize(
    ("route", "method"), SERVED, ids=[f"{method} {route.address}" for route, method in SERVED]
)


def restricted(of: Api, *scopes: str) -> Api:
    return Api(of.user, services.create_key(of.user, "restricted", allowed=scopes)[1])


@WALK
def test_every_method_of_every_route_declares_a_scope(route: Route, method: str) -> None:
    assert needed(route.view, method) in (READ, WRITE)
    assert needed(route.view, method) == (READ if method in ("GET", "HEAD") else WRITE)


def _send(caller: Api, method: str, address: str) -> HttpResponse:
    headers = {"authorization": f"Bearer {caller.key}"}
    response: Any = Client(raise_request_exception=False).generic(method, address, headers=headers)
    return response  # type: ignore[no-any-return]


@WALK
def test_a_key_without_the_scope_is_403_and_one_with_it_is_not(
    alice: Api, route: Route, method: str
) -> None:
    scope = READ if method in ("GET", "HEAD") else WRITE
    with_it, without = (READ, WRITE) if scope == READ else (WRITE, READ)
    refused = _send(restricted(alice, without), method, route.address)
    assert refused.status_code == 403
    expected = f'Bearer error="insufficient_scope", scope="{scope}"'
    assert refused["WWW-Authenticate"] == expected
    if method != "HEAD":
        body = assert_error(refused, 403, code="insufficient_scope")
        assert body["details"] == {"scope": scope}
        assert scope in body["error"]
    assert _send(restricted(alice, with_it), method, route.address).status_code not in (401, 403)


def test_the_description_names_the_scope_of_each_call() -> None:
    shown = {
        (path, method): operation["security"]
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if operation["security"]
    }
    served = {(method, needed(route.view, method)) for route, method in SERVED if method != "HEAD"}
    assert {(method.upper(), one["key"][0]) for (_, method), [one] in shown.items()} == served
    for path, method in shown:
        assert "403" in document()["paths"][path][method]["responses"]


def test_a_method_that_a_route_has_not_is_405_with_any_key(alice: Api) -> None:
    for scope in (READ, WRITE):
        assert_error(restricted(alice, scope).call("DELETE", "/users/me"), 405)
        assert_error(restricted(alice, scope).call("PATCH", "/users/me"), 405)


def test_what_declares_no_scope_is_closed_to_restricted_keys(
    alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    [view] = {route.view for route in api_routes() if route.address == "/v1/users/me"}
    assert view is not None
    monkeypatch.delattr(view.get, "needed_scope")  # type: ignore[attr-defined]
    assert alice.get("/users/me").status_code == 200
    assert_error(restricted(alice, READ, WRITE).get("/users/me"), 403, code="insufficient_scope")


def test_403_comes_before_the_look_at_an_id_and_changes_nothing(alice: Api, source: Any) -> None:
    reader = restricted(alice, READ)
    known = reader.call("PUT", f"/sources/{source.id}", {"name": "other"})
    unknown = reader.call("PUT", "/sources/dc_000000", {"name": "other"})
    assert known.content == unknown.content
    assert_error(known, 403)
    assert reader.json(f"/sources/{source.id}")["data"]["name"] == source.name
    with CaptureQueriesContext(connection) as queries:
        assert_error(reader.call("DELETE", f"/sources/{source.id}"), 403)
    assert len(queries) == 1


# --- making keys -----------------------------------------------------------------------------


def make(caller: Api, **body: Any) -> dict[str, Any]:
    response = caller.call("POST", "/users/me/keys", body)
    assert response.status_code == 200, response.content
    data: dict[str, Any] = body_of(response)["data"]
    return data


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (["read"], ["read"]),
        (["write"], ["write"]),
        (["write", "read"], ["read", "write"]),
        (["read", "read"], ["read"]),
        (["*"], ["*"]),
        (["read", "*"], ["*"]),
        (None, ["*"]),
    ],
)
def test_35_scopes_are_chosen_and_shown(alice: Api, asked: Any, kept: list[str]) -> None:
    made = make(alice, scopes=asked)
    assert made["scopes"] == kept
    assert alice.json("/users/me/keys")["data"][0]["scopes"] == kept
    other = Api(alice.user, made["key"])
    assert (other.get("/users/me").status_code == 200) is ("write" not in kept or len(kept) > 1)


@pytest.mark.parametrize(
    "scopes", ["read", [], ["admin"], [1], [None], {"read": True}, ["READ"], [["read"]], [""], True]
)
def test_scopes_that_are_none_are_400(alice: Api, scopes: Any) -> None:
    response = alice.call("POST", "/users/me/keys", {"scopes": scopes})
    assert_error(response, 400, parameter="scopes")
    assert ApiKey.objects.count() == 1


def test_no_key_makes_one_that_may_do_more(alice: Api) -> None:
    writer = restricted(alice, WRITE)
    for scopes in (["read"], ["read", "write"], ["*"]):
        response = writer.call("POST", "/users/me/keys", {"scopes": scopes})
        assert_error(response, 403, code="insufficient_scope", parameter="scopes")
    both = restricted(alice, READ, WRITE)
    assert_error(both.call("POST", "/users/me/keys", {"scopes": ["*"]}), 403)
    assert make(writer)["scopes"] == ["write"]
    assert make(both)["scopes"] == ["read", "write"]
    assert make(both, scopes=["read"])["scopes"] == ["read"]
    assert_error(restricted(alice, READ).call("POST", "/users/me/keys", {"scopes": ["read"]}), 403)


def test_a_repeated_call_shows_a_key_of_less_rights_nothing(alice: Api) -> None:
    """The answer to the first call holds a key that may do everything."""
    headers = {"idempotency-key": "the-same"}
    first = alice.call("POST", "/users/me/keys", {}, **headers)
    assert first.status_code == 200
    again = restricted(alice, WRITE).call("POST", "/users/me/keys", {}, **headers)
    assert_error(again, 422, code="idempotency_key_reused")
    assert alice.call("POST", "/users/me/keys", {}, **headers).content == first.content
