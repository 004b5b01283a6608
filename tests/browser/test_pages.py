"""Every page of the panel, as the administrator finds it, with hostile text in its rows."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import expect

from apps.panel.theme import NAVIGATION
from tests.browser.house import House
from tests.browser.visiting import LOOKS, Visit

MODELS = sorted(model._meta.label_lower for model in admin.site._registry)
# Tables that nothing in the house fills.
EMPTY = {
    *("accounts.account", "accounts.connecting", "accounts.usagedelta"),
    *("axes.accessattempt", "subscriptions.heldback"),
}
MENU = [item for group in NAVIGATION for item in group["items"]]


def address(label: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_changelist")


@pytest.mark.parametrize("label", MODELS)
def test_a_list_and_a_row(operator: Visit, label: str) -> None:
    """Those of the menu in each look."""
    in_menu = address(label) in [str(item["link"]) for item in MENU]
    operator.open(address(label))
    operator.check(f"list-{label}", LOOKS if in_menu else ("light",))
    rows = operator.page.locator(f"#result_list a[href*='{address(label)}'][href*='/change/']")
    assert rows.count() or label in EMPTY
    if rows.count():
        rows.first.click()
        operator.page.wait_for_url(re.compile("/change/"))
        operator.check(f"row-{label}", LOOKS if in_menu else ("light",))


def test_the_dashboard(operator: Visit) -> None:
    operator.open("/admin/")
    # What the figures show is drawn, in the theme's own way.
    expect(operator.page.locator("canvas")).to_have_count(2)
    operator.page.wait_for_function(
        "() => [...document.querySelectorAll('canvas')].every((one) => Chart.getChart(one))"
    )
    operator.page.locator("summary", has_text="Figures").first.click()
    expect(operator.page.locator("caption").first).to_be_visible()
    operator.check("dashboard", menu=True)


def test_the_graph(operator: Visit, house: House) -> None:
    operator.open("/admin/graph/")
    operator.check("graph")
    operator.page.fill("[name=source]", house.ticker)
    operator.page.get_by_role("button", name="Show").click()
    operator.page.wait_for_url(re.compile(f"source={house.ticker}"))
    operator.check("graph-source")
    # What is drawn leads to its page.
    operator.page.locator(".hw-graph a[aria-label*='listener']").click()
    operator.page.wait_for_url(re.compile("/sources/source/.*/change/"))
