"""Routes, methods, slashes, HEAD: REST specification T8 to T10, and `include` / `exclude`."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.api.urls import ROUTES
from tests.api.conftest import Api, assert_error, body_of

UNKNOWN = [
    "/v1",
    "/v1/",
    "/v1/nope",
    "/v1/users",
    "/v1/users/you",
    "/v1/users/me//",
    "/v2/users/me",
    "/nope",
    "/v1/workspaces/o_1/sources",
    "/v1/workflows",
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", UNKNOWN)
def test_t9_unknown_route_or_version_is_404_json(path: str, method: str, db: None) -> None:
    response: Any = Client(enforce_csrf_checks=True).generic(method, path)
    assert_error(response, 404, code="not_found")


@pytest.mark.parametrize(
    "path",
    ["/sources/~", "/sources/*", "/sources/%2e%2e%2f", "/sources/..%2fusers%2fme",
     "/sources/%00", "/sources/dc_%00", "/sources/%ff", "/components/~", "/components/%00",
     "/components/registry/%00", "/runs/%00", "/runs/nonsense", "/sources/dc_x%0a",
     "/components/sc_%0a"],
)  # fmt: skip
def test_strange_paths_are_404(alice: Api, path: str) -> None:
    assert_error(alice.get(path), 404, code="not_found")


def _paths() -> list[str]:
    return ["/" + route.replace("{source_id}", "dc_000000") for route, _ in ROUTES]


@pytest.mark.parametrize("path", _paths())
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_t8_both_slash_forms_answer_alike_for_every_route_and_method(
    alice: Api, path: str, method: str
) -> None:
    path = path.replace("{key_or_id}", "nope").replace("{key}", "nope").replace("{run_id}", "nope")
    plain, slashed = alice.call(method, path), alice.call(method, path + "/")
    assert plain.status_code == slashed.status_code
    assert plain.status_code not in (301, 302, 307, 308, 500)
    if (method, path) == ("POST", "/users/me/keys"):  # a new key each time
        assert body_of(plain)["data"].keys() == body_of(slashed)["data"].keys()
    else:
        assert plain.content == slashed.content


@pytest.mark.parametrize("path", _paths())
@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_t9_wrong_method_is_405_with_allow(alice: Api, path: str, method: str) -> None:
    response = alice.call(method, path)
    assert_error(response, 405, code="method_not_allowed")
    assert response["Allow"]
    assert method not in response["Allow"]


def test_t9_allow_names_the_methods(alice: Api) -> None:
    assert alice.call("DELETE", "/users/me")["Allow"] == "GET, HEAD"
    assert alice.call("PATCH", "/sources/dc_000000")["Allow"] == "GET, HEAD, PUT, DELETE"
    assert alice.call("PATCH", "/sources")["Allow"] == "POST"


def test_t9_head_answers_where_get_does(alice: Api) -> None:
    response = alice.call("HEAD", "/users/me")
    assert response.status_code == 200
    assert response.content == b""
    assert response["Content-Type"] == "application/json; charset=utf-8"


def test_t10_content_type(alice: Api) -> None:
    assert alice.get("/users/me")["Content-Type"] == "application/json; charset=utf-8"


def test_accept_header_does_not_matter(alice: Api) -> None:
    assert alice.get("/users/me", accept="text/html").status_code == 200


def test_every_answer_has_a_request_id_of_its_own(alice: Api) -> None:
    first, second = alice.get("/users/me"), alice.get("/users/me")
    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert alice.get("/users/me", **{"x-request-id": "forged"})["X-Request-ID"] != "forged"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("include=id", ["id"]),
        ("include=id,username", ["id", "username"]),
        ("include=%20username%20,%20id", ["id", "username"]),
        ("include=id&exclude=id", []),
        ("include=id,nonsense", ["id"]),
        ("include=nonsense", []),
        ("include=data.id", []),
        ("include=id,email&exclude=email", ["id"]),
    ],
)
def test_3_include_and_exclude(alice: Api, query: str, names: list[str]) -> None:
    assert list(alice.json(f"/users/me?{query}")["data"]) == names


@pytest.mark.parametrize("query", ["", "include=", "exclude=", "include=,&exclude=%20"])
def test_3_empty_selection_is_absent(alice: Api, query: str) -> None:
    assert len(alice.json(f"/users/me?{query}")["data"]) == 9


def test_3_exclude(alice: Api) -> None:
    data = alice.json("/users/me?exclude=api_key,admin")["data"]
    assert "api_key" not in data
    assert "admin" not in data
    assert "id" in data


def test_3_errors_and_page_info_are_not_selected(alice: Api, source: Any) -> None:
    body = alice.json("/users/me/sources?include=name")
    assert set(body) == {"page_info", "data"}
    assert body["page_info"]["total_count"] == 1
    assert body["data"] == [{"name": source.name}]
    assert body_of(alice.get("/sources/nope?include=id"))["error"] == "not found"
