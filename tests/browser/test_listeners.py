"""What operators do to webhooks and keys: their forms in each look, pressed by keyboard."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.house import HOSTILE, House
from tests.browser.visiting import Visit
from tests.making import until


def opened(operator: Visit, house: House) -> Page:
    operator.open(f"/admin/subscriptions/webhook/{house.webhook.replace('_', '_5F')}/change/")
    return operator.page


def deliveries(house: House, state: str) -> int:
    wanted: dict[str, str | int] = {"state": state, "limit": 100}
    found = house.api.get(f"/webhooks/{house.webhook}/deliveries", params=wanted)
    return len(found.json()["data"])


def test_a_chosen_delivery_goes_once_more(operator: Visit, house: House) -> None:
    until(lambda: deliveries(house, "delivered") > 0, 30, "a delivery")
    page = opened(operator, house)
    operator.tab_to("nav[aria-label=Actions] a.hw-button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/replay/")
    operator.check("webhook-replay")
    before = deliveries(house, "delivered")
    operator.tab_to("input[name=chosen]")
    page.keyboard.press("Space")
    operator.tab_to("form.hw-form button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 deliveries are on their way once more.")).to_be_visible()
    until(lambda: deliveries(house, "delivered") > before, 30, "the delivery")


def test_nothing_chosen_is_said(operator: Visit, house: House) -> None:
    page = opened(operator, house)
    page.get_by_role("link", name="Replay deliveries").click()
    page.get_by_role("button", name="Replay deliveries").click()
    expect(page.get_by_role("alert")).to_have_text("Choose deliveries, or all that are dead")
    operator.check("webhook-replay-nothing", ("light", "dark"))


def test_deactivate_and_activate(operator: Visit, house: House) -> None:
    page = opened(operator, house)
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("The webhook is inactive.")).to_be_visible()
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("The webhook is active.")).to_be_visible()
    page.get_by_role("link", name="History", exact=True).click()
    expect(page.get_by_text("The webhook is inactive.")).to_be_visible()
    operator.check("webhook-history")


def test_keys_are_revoked(operator: Visit, house: House) -> None:
    made = house.api.post("/users/me/keys", json={"name": HOSTILE}).json()["data"]
    me = house.api.get("/users/me").json()["data"]["id"]
    page = operator.open(f"/admin/accounts/user/{me.replace('_', '_5F')}/change/").page
    operator.tab_to("nav[aria-label=Actions] a.hw-danger")
    page.keyboard.press("Enter")
    page.wait_for_url("**/revoke-keys/")
    operator.check("user-revoke-keys")
    choice = page.get_by_role("checkbox", name=made["key"][:11])
    choice.focus()
    page.keyboard.press("Space")
    operator.tab_to("form.hw-form button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Keys that are revoked:")).to_be_visible()
    stranger = {"Authorization": f"Bearer {made['key']}"}
    assert house.api.get("/users/me", headers=stranger).status_code == 401
    assert house.api.get("/users/me").status_code == 200
