"""What anybody may open: `/`, the documentation of the API, the login, the way to an account."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.browser.house import House
from tests.browser.visiting import Visit
from tests.documents.terminal import Terminal
from tests.processes import Running, inherited

SECRETS = ("api_key", "admin_password", "secret_key")


def test_the_first_page_shows_no_secret(stranger: Visit, stack: Running, house: House) -> None:
    stranger.open("/").check("home")
    shown = stranger.page.content()
    for name in SECRETS:
        kept = stack.data / name
        assert kept.read_text().strip() not in shown
    assert house.ticker not in shown
    assert stranger.base in shown


def test_its_lines_work_when_pasted(
    stranger: Visit, stack: Running, tmp_path: Path, house: House
) -> None:
    """In a shell that stands where the platform was started."""
    blocks = stranger.open("/").page.locator("pre").all_inner_texts()
    (tmp_path / "var").symlink_to(stack.data)
    shell = Terminal(tmp_path, inherited(HOME=str(tmp_path)))
    try:
        ready, key, *calls = (shell.paste(block) for block in blocks)
    finally:
        shell.close()
    assert json.loads(ready)["status"] == "ready"
    assert key == ""
    me, component, sources = (json.loads(call)["data"] for call in calls)
    assert me["username"] == "admin"
    assert component["key"] == "schedule-tick"
    assert house.ticker in [source["id"] for source in sources]


def test_the_first_page_by_keyboard(stranger: Visit) -> None:
    stranger.open("/")
    for href in ("/admin/", "/v1/docs", "/v1/openapi.json", "/readyz"):
        stranger.tab_to(f"a[href='{href}']")
    stranger.tab_to("a[href='/v1/docs']")
    stranger.page.keyboard.press("Enter")
    stranger.page.wait_for_url(f"{stranger.base}/v1/docs")


def test_the_documentation_of_the_api(stranger: Visit) -> None:
    """Its calls unfold by keyboard, and the address says which."""
    stranger.open("/v1/docs").page.wait_for_selector(".opblock-post")
    stranger.check("docs", ("light", "phone"))
    stranger.tab_to(".opblock-get button.opblock-summary-control")
    stranger.page.keyboard.press("Enter")
    stranger.page.wait_for_selector(".opblock-get.is-open .opblock-body")
    stranger.page.wait_for_url(re.compile("/v1/docs#/users/."))
    # Enough of the page to have each kind of what is on it; all of it takes long.
    first = ".opblock-tag-section:has(#operations-tag-users)"
    stranger.check("docs-call", ("light", "dark"), within=first)


def test_a_wrong_password(stranger: Visit) -> None:
    stranger.open("/admin/")
    assert "/admin/login/" in stranger.page.url
    stranger.check("login")
    stranger.page.fill("[name=username]", "admin")
    stranger.page.fill("[name=password]", "no such password")
    stranger.page.press("[name=password]", "Enter")
    stranger.page.wait_for_selector("text=Please enter the correct username and password")
    stranger.check("login-refused")


def test_in_and_out_by_keyboard(stranger: Visit, stack: Running) -> None:
    stranger.open("/admin/login/").tab_to("[name=username]")
    stranger.page.keyboard.type("admin")
    stranger.page.keyboard.press("Tab")
    stranger.page.keyboard.type((stack.data / "admin_password").read_text().strip())
    stranger.page.keyboard.press("Enter")
    stranger.page.wait_for_url(f"{stranger.base}/admin/")
    stranger.tab_to("[role=button][x-on\\:click='openUserLinks = !openUserLinks']")
    stranger.page.keyboard.press("Enter")
    # It opens with the next picture that the browser draws.
    stranger.page.wait_for_selector("#logout-form button")
    stranger.tab_to("#logout-form button")
    stranger.page.keyboard.press("Enter")
    stranger.page.wait_for_url(re.compile("/admin/logout/"))
    stranger.check("logged-out")
    stranger.open("/admin/")
    assert "/admin/login/" in stranger.page.url


@pytest.mark.parametrize("path", ["x" * 43, "callback?state=x&code=y"])
def test_a_way_to_an_account_that_is_over(stranger: Visit, path: str) -> None:
    stranger.expected = [f"{re.escape(path)}$", "the server responded with a status of 40"]
    stranger.open(f"/connect/{path}").check(f"connect-{path[:8]}", ("light",))
    assert stranger.page.text_content("h1") == "Not connected"


def test_the_way_to_an_account(stranger: Visit, house: House) -> None:
    """It says who will be asked for whom, and leaves this host when the person goes on."""
    offered = house.api.post("/connect/github").json()["data"]["url"]
    stranger.page.goto(offered)
    assert "login.example" in stranger.page.inner_text("main")
    stranger.check("connect")
    stranger.expected = [r"(left the host|failed): https://login\.example/a\?"]
    stranger.tab_to("button")
    with stranger.page.expect_request(re.compile(r"https://login\.example/a\?")):
        stranger.page.keyboard.press("Enter")
