"""What operators do: they follow a source while it speaks, look who changed what, run again what
failed."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.house import HOSTILE, House
from tests.browser.visiting import Visit
from tests.making import until


def follow(operator: Visit, house: House) -> Page:
    """The tail of the ticker, which has begun."""
    operator.open(f"/admin/sources/source/{house.ticker.replace('_', '_5F')}/change/")
    operator.page.get_by_role("link", name="Live tail").click()
    expect(operator.page.get_by_role("status")).to_have_text("Live.")
    return operator.page


def test_events_and_log_lines_appear(operator: Visit, house: House) -> None:
    page = follow(operator, house)
    lines = page.get_by_role("log")
    house.run(note="while somebody looks")
    # As text, whatever it holds.
    expect(lines).to_contain_text(f"count {len(house.ended())} {HOSTILE}")
    expect(lines.locator("[data-kind=log]", has_text="info: run")).to_have_count(1)
    assert lines.locator("script, img").count() == 0
    operator.check("tail")
    page.get_by_role("checkbox", name="Log lines").uncheck()
    expect(lines.locator("[data-kind=log]").first).to_be_hidden()
    expect(lines.locator("[data-kind=event]").first).to_be_visible()


def test_what_came_in_a_pause_is_read_after_it(operator: Visit, house: House) -> None:
    """From the last event on that was shown, and by the keyboard."""
    page = follow(operator, house)
    lines, status = page.get_by_role("log"), page.get_by_role("status")
    house.run(note="before")
    events = lines.locator("[data-kind=event]")
    expect(events).to_have_count(1)
    pause = page.get_by_role("button", name="Pause")
    pause.focus()
    page.keyboard.press("Enter")
    expect(status).to_have_text("Paused.")
    house.run(note="meanwhile")
    expect(events).to_have_count(1)
    page.keyboard.press("Enter")
    expect(events).to_have_count(2)
    expect(status).to_have_text("Live.")
    page.get_by_role("button", name="Clear").click()
    expect(lines.locator("[data-id]")).to_have_count(0)


def test_the_ledger_is_filtered(operator: Visit, house: House) -> None:
    page = operator.open("/admin/sources/sourcechange/").page
    filters = page.get_by_role("button", name="Filters", exact=True)
    filters.focus()
    page.keyboard.press("Enter")
    expect(filters).to_have_attribute("aria-expanded", "true")
    operator.check("ledger-filters", ("light", "dark"))
    page.get_by_label("By source (dc_…)").fill(house.ticker)
    page.get_by_label("By time, from (UTC)").fill("2020-01-01T00:00")
    page.get_by_role("button", name="Apply Filters").click()
    page.wait_for_url("**/?*source__id__exact=*")
    shown = page.locator("#result_list tbody")
    expect(shown).to_contain_text(house.ticker)
    expect(shown).not_to_contain_text(house.listener)


def test_a_run_that_failed_is_run_again(operator: Visit, house: House) -> None:
    [failed] = [run for run in house.ended() if run["state"] == "failed"][:1]
    page = operator.open(f"/admin/runs/run/{failed['id']}/change/").page
    for heading in ("Error", "Event it was given", "Events it emitted", "Log lines"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    operator.check("run-failed")
    before = len(house.ended())
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("It is in the mailbox once more")).to_be_visible()
    until(lambda: len(house.ended()) > before, 30, "the run")


# Nobody is logged in after it: it is the last.
def test_the_end_of_the_session_is_said(operator: Visit, house: House) -> None:
    page = follow(operator, house)
    page.context.clear_cookies()
    status = page.get_by_role("status")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Pause").click()
    expect(status).to_have_text("You are logged out.")
