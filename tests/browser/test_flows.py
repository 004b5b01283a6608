"""From a developer's file to what an operator does with its source, one after the other."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.developer import Developer
from tests.browser.house import House
from tests.browser.visiting import Visit
from tests.making import until
from tests.processes import Running

BEACON = """
from headwater import IntegerProp, Source, Store, Timer


class Beacon(Source):
    name = "Beacon"
    key = "beacon"
    version = "0.0.1"
    step = IntegerProp(label="Step", default=1)
    timer = Timer(interval_seconds=86400)
    db = Store()

    def run(self, event):
        count = self.db.get("count", 0) + self.step
        self.db.set("count", count)
        print("counted to", count)
        self.emit({"count": count, "step": self.step}, summary=f"count {count}")
"""


@pytest.fixture(scope="module")
def beacon(stack: Running, house: House, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a source that a developer deploys from a terminal. Another listens to it."""
    developer = Developer(stack.address, stack.key, tmp_path_factory.mktemp("home"))
    developer.writes("beacon.py", BEACON)
    made: str = developer.json("deploy", "beacon.py", "--prop", "step=2")["id"]
    parties = {"emitter_id": made, "listener_id": house.listener}
    assert house.api.post("/subscriptions", params=parties).status_code == 200
    until(lambda: events(house, made), 30, "the first tick, which is at once")
    return made


def ran(house: House, beacon: str) -> Any:
    """The event of a run that a developer asks for."""
    before = len(events(house, beacon))
    assert house.api.post(f"/sources/{beacon}/run", json={}).status_code == 202
    until(lambda: len(events(house, beacon)) > before, 30, "an event")
    return events(house, beacon)[-1]


def events(house: House, source: str) -> list[Any]:
    """The newest hundred, oldest first."""
    found = house.api.get(
        f"/sources/{source}/event_summaries", params={"limit": 100, "expand": "event"}
    )
    listed: list[Any] = found.json()["data"]
    return listed[::-1]


def opened(operator: Visit, source: str) -> Page:
    return operator.open(f"/admin/sources/source/{source.replace('_', '_5F')}/change/").page


def actions(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Actions")


def test_what_a_developer_deploys_is_watched(operator: Visit, beacon: str, house: House) -> None:
    page = operator.open("/admin/sources/source/").page
    expect(page.get_by_role("cell", name="Beacon", exact=True)).to_be_visible()
    page.get_by_role("link", name=beacon).click()
    expect(page.get_by_text("every 86400 s")).to_be_visible()
    page.get_by_role("link", name="Live tail").click()
    expect(page.get_by_role("status")).to_have_text("Live.")
    lines = page.get_by_role("log")
    for count in (4, 6):
        ran(house, beacon)
        expect(lines.locator("[data-kind=event]", has_text=f"count {count}")).to_be_visible()
        expect(lines.locator("[data-kind=log]", has_text=f"counted to {count}")).to_be_visible()
    operator.check("flow-tail")


def test_run_now(operator: Visit, beacon: str, house: House) -> None:
    page = opened(operator, beacon)
    before = len(events(house, beacon))
    actions(page).get_by_role("button", name="Run now").click()
    expect(page.get_by_text("A run is in the mailbox.")).to_be_visible()
    until(lambda: len(events(house, beacon)) == before + 1, 30, "its event")
    page.reload()
    expect(page.get_by_role("cell", name=events(house, beacon)[-1]["id"])).to_be_visible()


def test_pause_and_resume(operator: Visit, beacon: str, house: House) -> None:
    page = opened(operator, beacon)
    actions(page).get_by_role("button", name="Pause").click()
    expect(page.get_by_text("The source is paused.")).to_be_visible()
    expect(actions(page).get_by_role("button", name="Run now")).to_have_count(0)
    expect(page.locator(".hw-state", has_text="inactive")).to_be_visible()
    assert house.api.get(f"/sources/{beacon}").json()["data"]["active"] is False
    operator.check("flow-paused")
    before = len(events(house, beacon))
    actions(page).get_by_role("button", name="Resume").click()
    expect(page.get_by_text("The source is active.")).to_be_visible()
    assert house.api.get(f"/sources/{beacon}").json()["data"]["active"] is True
    until(lambda: len(events(house, beacon)) == before + 1, 30, "a tick, which is at once")


def test_props_are_changed(operator: Visit, beacon: str, house: House) -> None:
    """What is wrong is said beside the field, in the form that was sent."""
    page = opened(operator, beacon)
    actions(page).get_by_role("link", name="Change props").click()
    form = page.get_by_role("form", name="Change props")
    form.get_by_label("step").fill('"many"')
    form.get_by_role("button", name="Change props").click()
    expect(form.get_by_label("step")).to_have_value('"many"')
    operator.check("flow-props-refused")
    form.get_by_label("step").fill("100")
    form.get_by_role("button", name="Change props").click()
    expect(page.get_by_text("The props are changed.")).to_be_visible()
    assert ran(house, beacon)["event"]["step"] == 100


def test_another_version(operator: Visit, beacon: str, house: House) -> None:
    code = BEACON.replace("0.0.1", "0.0.2").replace("count {count}", "beacon {count}")
    saved = house.api.post("/components", json={"component_code": code, "language": "python"})
    assert saved.status_code == 200, saved.text
    page = opened(operator, beacon)
    actions(page).get_by_role("link", name="Move to another version").click()
    page.get_by_role("combobox", name="Version").select_option(saved.json()["data"]["id"])
    operator.check("flow-version", ("light", "dark"))
    page.get_by_role("form").get_by_role("button", name="Move to another version").click()
    expect(page.get_by_text("The source has another component.")).to_be_visible()
    assert ran(house, beacon)["metadata"]["summary"].startswith("beacon")


def test_replay(operator: Visit, beacon: str, house: House) -> None:
    """To the one that is chosen."""
    # The first tick may have been before anybody listened.
    chosen = ran(house, beacon)
    page = opened(operator, beacon)
    actions(page).get_by_role("link", name="Replay events").click()
    page.get_by_label("From event").fill(chosen["id"])
    page.get_by_label("To event").fill(chosen["id"])
    page.get_by_label("Listener").select_option(house.listener)
    operator.check("flow-replay")

    def times() -> int:
        """How often the listener has heard it, of all that it hears."""
        listed = [one["event"]["heard"] for one in events(house, house.listener)]
        told = chosen["event"].items()
        return sum(told <= heard.items() for heard in listed)

    until(lambda: times() == 1, 30, "the event, for the first time")
    page.get_by_role("form").get_by_role("button", name="Replay events").click()
    expect(page.get_by_text("1 events go once more to 1 listeners.")).to_be_visible()
    until(lambda: times() == 2, 30, "the event, once more")


def test_the_graph_has_it(operator: Visit, beacon: str) -> None:
    page = opened(operator, beacon)
    page.get_by_role("link", name="Graph of what is near").first.click()
    expect(page.locator(".hw-graph a[aria-label*='Beacon']")).to_be_visible()
    operator.check("flow-graph")


# It is the last.
def test_it_is_deleted_by_keyboard(operator: Visit, beacon: str, house: House) -> None:
    page = opened(operator, beacon)
    operator.tab_to("nav[aria-label=Actions] .hw-danger")
    page.keyboard.press("Enter")
    page.wait_for_url("**/remove/")
    operator.check("flow-delete", ("light", "dark"))
    operator.tab_to("form.hw-form button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The source is deleted.")).to_be_visible()
    assert house.api.get(f"/sources/{beacon}").status_code == 404
