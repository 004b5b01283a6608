"""The seed's own flow against a stack started as a user starts it: deploy, wait, read.

The feeds are real ones (tests/fixtures/feeds); everything goes over HTTP, as with curl.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.components.server import Answer, Headers, Site, serving
from tests.making import until
from tests.processes import ROOT, Running

FEEDS = ROOT / "tests/fixtures/feeds"
COMPONENTS = ROOT / "tests/fixtures/components"
EVENT_ID = re.compile(r"[0-9]{13}-[0-9]+")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Serves the feeds by name, and a JSON list."""

    def answer(path: str, _headers: Headers) -> Answer:
        if path == "/list.json":
            items = [{"id": n, "title": f"Item {n}"} for n in (1, 2, 3)]
            return Answer(json.dumps(items).encode(), headers={"Content-Type": "application/json"})
        return Answer((FEEDS / path[1:]).read_bytes())

    with serving() as served:
        served.answer = answer
        yield served


@pytest.fixture(scope="module")
def api(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    data = tmp_path_factory.mktemp("stack")
    environment = {"EGRESS_ALLOW": f"127.0.0.0/8:{site.address.rsplit(':', 1)[1]}"}
    with Running(data, root=ROOT, environment=environment) as running:
        with running.ready().client() as client:
            yield client


def registered(api: httpx.Client, key: str) -> str:
    answer = api.get(f"/components/registry/{key}")
    assert answer.status_code == 200, answer.text
    component_id: str = answer.json()["data"]["id"]
    return component_id


def deploy(api: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = api.post("/sources", json=body)
    assert answer.status_code == 200, answer.text
    source: dict[str, Any] = answer.json()["data"]
    return source


def runs(api: httpx.Client, source_id: str) -> list[dict[str, Any]]:
    """The ended runs of a source, newest first."""
    listed = api.get(f"/sources/{source_id}/runs", params={"limit": 100}).json()["data"]
    return [run for run in listed if run["state"] not in ("queued", "running")]


def slots(api: httpx.Client, source_id: str) -> list[int]:
    """Of the two newest runs, both of a timer, the times at which they were due; in ms. They are in
    the page's cursors, and late by nothing that a busy machine does."""
    listed = api.get(f"/sources/{source_id}/runs", params={"limit": 2}).json()["page_info"]
    cursors = (listed["start_cursor"], listed["end_cursor"])
    return [int(urlsafe_b64decode(f"{one}==").decode().rpartition(":")[2]) for one in cursors]


def run_again(api: httpx.Client, source_id: str) -> dict[str, Any]:
    """One manual run, waited for: a poll of the feed without waiting for its timer."""
    before = len(runs(api, source_id))
    assert api.post(f"/sources/{source_id}/run").status_code == 202
    until(lambda: len(runs(api, source_id)) > before, 30, "the manual run")
    return runs(api, source_id)[0]


def events(api: httpx.Client, source_id: str, **params: Any) -> dict[str, Any]:
    answer = api.get(f"/sources/{source_id}/event_summaries", params={"limit": 100, **params})
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def test_the_seeds_flow_lists_the_newest_first_within_twenty_seconds(
    api: httpx.Client, site: Site
) -> None:
    source = deploy(
        api,
        component_id=registered(api, "rss-new-item-in-feed"),
        name="your-name-here",
        configured_props={
            "url": f"{site.address}/guardian.rss",
            "timer": {"intervalSeconds": 15},
        },
    )
    assert source["configured_props"]["timer"] == {"cron": None, "interval_seconds": 15}
    assert source["name_slug"] == "your-name-here"
    until(lambda: events(api, source["id"])["data"], 20, "the feed's items")
    page = events(api, source["id"], expand="event")
    assert page["page_info"]["total_count"] == 55
    ids = [tuple(map(int, item["id"].split("-"))) for item in page["data"]]
    assert all(EVENT_ID.fullmatch(item["id"]) for item in page["data"])
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 55
    times = [item["metadata"]["ts"] for item in page["data"]]
    assert times == sorted(times, reverse=True)
    assert all(item["event"]["title"] for item in page["data"])
    until(lambda: len(runs(api, source["id"])) >= 2, 20, "the second tick")
    assert runs(api, source["id"])[0]["emitted"] == 0
    assert events(api, source["id"])["page_info"]["total_count"] == 55
    newest, before = slots(api, source["id"])
    assert newest - before == 15_000


@pytest.mark.parametrize(
    ("feed", "count"),
    [
        ("craigslist.rss", 25),
        ("heise.atom", 15),
        ("reddit.rss", 24),
        ("uolNoticias.rss", 15),
        ("giantbomb-podcast.rss", 730),
    ],
)
def test_a_feed_is_emitted_once(api: httpx.Client, site: Site, feed: str, count: int) -> None:
    source = deploy(
        api,
        component_id=registered(api, "rss-new-item-in-feed"),
        configured_props={"url": f"{site.address}/{feed}", "timer": {"intervalSeconds": 3600}},
    )
    until(lambda: runs(api, source["id"]), 30, "the first poll")
    assert runs(api, source["id"])[0]["emitted"] == count
    assert events(api, source["id"])["page_info"]["total_count"] == min(count, 100)
    second = run_again(api, source["id"])
    assert (second["state"], second["emitted"]) == ("succeeded", 0)


def test_a_document_that_is_no_feed_is_an_error_and_the_source_goes_on(
    api: httpx.Client, site: Site
) -> None:
    source = deploy(
        api,
        component_id=registered(api, "rss-new-item-in-feed"),
        configured_props={"url": f"{site.address}/unrecognized.rss"},
    )
    until(lambda: runs(api, source["id"]), 30, "the first poll")
    assert runs(api, source["id"])[0]["state"] == "failed"
    listed = api.get(f"/sources/{source['id']}/$errors/event_summaries?expand=event").json()
    assert [item["event"]["error"]["name"] for item in listed["data"]] == ["NotAFeed"]
    assert run_again(api, source["id"])["cause"] == "manual"
    assert api.get(f"/sources/{source['id']}").json()["data"]["active"] is True
    answer = api.put(
        f"/sources/{source['id']}", json={"configured_props": {"url": f"{site.address}/heise.atom"}}
    )
    assert answer.status_code == 200, answer.text
    assert run_again(api, source["id"])["emitted"] == 15


@pytest.mark.parametrize("file", ["fetch_counter_commonjs.js", "fetch_counter_module.mjs"])
def test_a_javascript_component_fetches_keeps_state_and_emits_each_once(
    api: httpx.Client, site: Site, file: str
) -> None:
    """C4, Q7."""
    source = deploy(
        api,
        component_code=(COMPONENTS / file).read_text(),
        configured_props={"url": f"{site.address}/list.json"},
    )
    until(lambda: runs(api, source["id"]), 30, "the first tick")
    assert [item["event"] for item in events(api, source["id"])["data"]] == [
        {"id": n, "title": f"Item {n}", "fetches": 1} for n in (3, 2, 1)
    ]
    second = run_again(api, source["id"])
    assert (second["state"], second["emitted"], second["suppressed"]) == ("succeeded", 0, 3)
    logs = api.get(f"/sources/{source['id']}/$logs/event_summaries?expand=event&limit=100").json()
    lines = [item["event"]["msg"] for item in logs["data"] if item["event"]["kind"] == "log"]
    assert lines == ["fetch 2: 3 items", "fetch 1: 3 items"]


def test_quotas_are_metered(api: httpx.Client) -> None:
    user = api.get("/users/me").json()["data"]
    assert user["daily_invocations_used"] > 0
    assert user["daily_compute_time_used"] > 0


def test_a_component_that_loops_hurts_only_itself(api: httpx.Client) -> None:
    """G8: It runs into its time limit; others run meanwhile (the named error: tests/runtime)."""
    looping = (
        "from headwater import Source, Timer\n"
        "class Loop(Source):\n"
        "    name = 'loop'\n"
        "    timer = Timer(interval_seconds=3600)\n"
        "    def run(self, event):\n"
        "        while True: pass\n"
    )
    stuck = deploy(api, component_code=looping)
    other = deploy(api, component_id=registered(api, "schedule-tick"))
    until(lambda: runs(api, other["id"]), 20, "the other source's tick")
    assert runs(api, stuck["id"]) == []
