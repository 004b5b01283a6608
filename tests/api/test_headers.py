"""What answers tell a browser: docs/decisions/0072-headers.md. Admin pages, with rows in them:
tests/admin/test_admin.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.test import Client

from apps.accounts import services
from apps.api import headers, pages
from tests.api.conftest import Api, EdgeProcess, make_source
from tests.api.walking import Route, panel_routes, routes

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def guarded(response: Any, policy: str, referrer: str = "same-origin") -> None:
    found = response.headers
    assert {name: found[name] for name in COMMON} == COMMON
    assert found["Content-Security-Policy"] == policy
    assert found["Referrer-Policy"] == referrer
    assert "no-store" in found["Cache-Control"]
    assert "Strict-Transport-Security" not in found


@pytest.mark.parametrize("route", routes(), ids=lambda route: route.pattern)
def test_every_route_with_a_key_and_without_one(alice: Api, route: Route) -> None:
    for given in ({"authorization": f"Bearer {alice.key}"}, {}):
        for method in ("GET", "DELETE"):
            client = Client(raise_request_exception=False)
            response: Any = client.generic(method, route.address, headers=given)
            if not response["Content-Type" if response.content else "X-Request-ID"].startswith(
                "text/html"
            ):
                guarded(response, headers.NOTHING)
            assert "unsafe" not in response["Content-Security-Policy"]


def test_pages_for_people(db: None) -> None:
    for path in ("/", "/v1/docs"):
        guarded(Client().get(path), pages.POLICY, "no-referrer")
    guarded(Client().get("/admin/login/"), headers.ADMIN)
    guarded(Client().get("/admin/accounts/user/"), headers.ADMIN)
    client = Client()
    client.force_login(services.create_user("root", admin=True))
    for path in ("/admin/", *(route.address for route in panel_routes())):
        guarded(client.get(path), headers.ADMIN)


@pytest.mark.parametrize("policy", [headers.ADMIN, pages.POLICY, headers.NOTHING])
def test_no_policy_lets_a_script_run_that_stands_in_a_page(policy: str) -> None:
    parts = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["frame-ancestors"] == "'none'"
    scripts = parts.get("script-src", "'none'").split()
    assert set(scripts) <= {"'none'", "'self'", "'unsafe-eval'"}


def test_hsts_only_where_the_platform_is_reached_by_tls(db: None, settings: Any) -> None:
    def told() -> list[str | None]:
        answers = [Client().get(path) for path in ("/v1/users/me", "/admin/login/")]
        return [answer.headers.get("Strict-Transport-Security") for answer in answers]

    settings.PUBLIC_URL = "http://headwater.example"
    assert told() == [None, None]
    settings.PUBLIC_URL = "https://headwater.example"
    assert told() == ["max-age=31536000"] * 2
    settings.HSTS_SECONDS = 0
    assert told() == [None, None]


# --- what the edge answers without Django --------------------------------------------------------


def test_the_edges_own_answers(edge: EdgeProcess, caller: Api) -> None:
    with httpx.Client(base_url=edge.url, timeout=30) as client:
        for path in ("/healthz", "/readyz", "/nothing", "/v1/users/me"):
            guarded(client.get(path), headers.NOTHING)
        guarded(client.post("/healthz"), headers.NOTHING)
        too_large = client.post("/v1/sources", content=b"x" * (1024 * 1024 + 1))
        assert too_large.status_code == 413
        guarded(too_large, headers.NOTHING)
        many = client.get("/v1/users/me", headers={"x-long": "x" * 50_000})
        assert many.status_code == 431
        guarded(many, headers.NOTHING)
        static = client.get("/static/api/home.css")
        assert static.status_code == 200
        assert static.headers["X-Content-Type-Options"] == "nosniff"


def test_an_event_stream(edge: EdgeProcess, caller: Api) -> None:
    source = make_source(caller.user)
    url = f"{edge.url}/v1/sources/{source.id}/sse"
    given = {"authorization": f"Bearer {caller.key}"}
    with httpx.stream("GET", url, headers=given, timeout=30) as response:
        assert response.status_code == 200
        guarded(response, headers.NOTHING)


def test_a_late_answer(start_edge: Callable[..., EdgeProcess], caller: Api) -> None:
    """No worker runs: the wait for one ends with 503, under the headers of the early answer."""
    edge = start_edge(LOAD_WAIT_SECONDS="0.5")
    given = {"authorization": f"Bearer {caller.key}"}
    code = {"component_code": "module.exports = {name: 'x', version: '1', run() {}}"}
    response = httpx.post(f"{edge.url}/v1/components", json=code, headers=given, timeout=60)
    assert response.status_code == 503
    guarded(response, headers.NOTHING)


def test_endpoints_of_sources_act_for_nobody(edge: EdgeProcess, caller: Api) -> None:
    source = make_source(caller.user, endpoint_key="0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d")
    for key, status in ((source.endpoint_key, 200), ("0" * 32, 404)):
        response = httpx.post(f"{edge.url}/h/{key}/", content=b"{}", timeout=30)
        assert response.status_code == status
        assert response.headers["Content-Security-Policy"] == "sandbox"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
