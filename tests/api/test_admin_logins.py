"""Logging in to the admin over real HTTP, in two web processes."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest
from django.core.management import call_command

from apps.accounts import services
from tests.api.conftest import EdgeProcess

PASSWORD = "correct horse battery staple"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def _root(transactional_db: None) -> None:
    services.create_user("root", admin=True, password=PASSWORD)


def browse(url: str, password: str, **headers: str) -> httpx.Response:
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        page = client.get(LOGIN)
        [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text))
        data = {"username": "root", "password": password, "csrfmiddlewaretoken": token}
        return client.post(LOGIN, data=data)


def test_web_processes_count_together(start_edge: Callable[..., EdgeProcess]) -> None:
    one, two = start_edge(), start_edge()
    statuses = [browse(edge.url, "wrong").status_code for edge in (one, two, one, two, one)]
    assert statuses == [200] * 4 + [429]
    assert [browse(edge.url, PASSWORD).status_code for edge in (one, two)] == [429, 429]
    call_command("axes_reset")
    answer = browse(two.url, PASSWORD)
    assert answer.status_code == 302
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Max-Age=43200" in cookie
    assert "Secure" not in cookie


def test_cookies_are_for_https_alone_where_the_platform_is(
    start_edge: Callable[..., EdgeProcess],
) -> None:
    edge = start_edge(PUBLIC_URL="https://headwater.example", SESSION_SECONDS="60")
    page = httpx.get(f"{edge.url}{LOGIN}", timeout=30)
    cookie = page.headers["set-cookie"]
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
