"""What is open without a key (design section 7), and that nothing else is: a new route fails here
until it asks for a key, or is written down as open. T2, T3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver

from apps.api.edge import Edge
from tests.api.conftest import assert_error
from tests.api.walking import METHODS, Route, panel_routes, routes

# Pattern → methods that answer something other than 405 or 404.
OPEN = {
    r"^\Z": {"GET", "HEAD"},
    r"^v1/openapi\.json/?\Z": {"GET", "HEAD"},
    r"^v1/docs/?\Z": {"GET", "HEAD"},
    # Behind one-time tickets; a browser has no key.
    r"^connect/callback/?\Z": {"GET", "HEAD"},
    r"^connect/(?P<ticket>[\w-]{43})/?\Z": {"GET", "HEAD", "POST"},
    # Nothing is there.
    r"^v1(?:/|\Z)": set(),
}
# Answered by the edge itself; besides them `/h/…`, the endpoints of sources.
OPEN_AT_THE_EDGE = {"/healthz", "/readyz"}
ALL = routes()
CLOSED = [route for route in ALL if route.pattern not in OPEN]


def test_the_open_ones_are_there_and_the_others_are_many() -> None:
    assert {route.pattern for route in ALL} >= set(OPEN)
    assert len(CLOSED) >= 40
    assert set(Edge(lambda _environ, _start: [])._direct) == OPEN_AT_THE_EDGE


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: route.pattern)
@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer garbage"])
def test_every_other_route_is_401_in_every_method(
    db: None, route: Route, authorization: str
) -> None:
    for method in METHODS:
        headers = {"authorization": authorization} if authorization else {}
        client = Client(raise_request_exception=False)
        with CaptureQueriesContext(connection) as queries:
            response: Any = client.generic(method, route.address, b"{broken", headers=headers)
        assert response.status_code == 401, (method, route.address)
        assert response["WWW-Authenticate"] == "Bearer"
        assert len(queries) == 0
        if method != "HEAD":
            assert_error(response, 401, code="unauthorized")


@pytest.mark.parametrize("pattern", OPEN)
def test_the_open_ones_have_the_methods_they_say(db: None, pattern: str) -> None:
    [route] = [route for route in ALL if route.pattern == pattern]
    assert route.view is None
    for method in METHODS:
        response: Any = Client().generic(method, route.address)
        has = response.status_code != 405 and pattern != r"^v1(?:/|\Z)"
        assert has is (method in OPEN[pattern]), (method, response.status_code)


def _admin_addresses() -> Iterator[str]:
    def walk(patterns: Any, before: str) -> Iterator[str]:
        for one in patterns:
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, before + str(one.pattern))
            elif isinstance(one, URLPattern):
                yield before + str(one.pattern)

    for address in walk(admin.site.get_urls(), "/admin/"):
        if "(?P<" not in address:
            yield address.replace("<path:object_id>", "1").replace("<id>", "1")


# The form to log in; the way out, and the words of its scripts, which tell nothing.
ADMIN_OPEN = {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}


def test_every_page_of_the_admin_asks_for_a_login(db: None) -> None:
    addresses = {address for address in _admin_addresses() if "<" not in address}
    assert len(addresses) > 60
    addresses |= {route.address for route in panel_routes()}
    assert addresses > ADMIN_OPEN | {"/admin/graph/"}
    for address in sorted(addresses - ADMIN_OPEN):
        for method in ("GET", "POST"):
            response: Any = Client().generic(method, address)
            assert response.status_code == 302, address
            assert response["Location"].startswith("/admin/login/"), address
