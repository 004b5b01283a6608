"""Components that register webhooks through clients, parts and packages of several kinds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus.providers import Request
from tests.corpus.stage import Event, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_webflow_new_form_submission(stage: Stage) -> None:
    """A client on `fetch`; parts that the component spreads into its own."""
    base = "https://api.webflow.com"
    stage.providers.get(f"{base}/sites", [{"_id": "s1", "name": "Site"}], "wf1")
    stage.providers.post(f"{base}/sites/s1/webhooks", {"_id": "wh1"}, "wf1")
    stage.providers.delete(f"{base}/sites/s1/webhooks/wh1", {"deleted": 1}, "wf1")
    source = await stage.deploy(
        "webflow/sources/new-form-submission/new-form-submission.js",
        {"oauth_access_token": "wf1"},
        siteId="s1",
    )
    [call] = stage.providers.asked
    assert (call.json["url"], call.json["triggerType"]) == (source.endpoint, "form_submission")
    body = {"_id": "f1", "d": "2021-03-01T10:00:00.000Z", "data": {"Email": "a@example.org"}}
    expected = [Event(body, "f1", "New form submission", 1_614_592_800_000)]
    assert await source.request(body) == expected
    assert await source.request(body) == []
    assert [p async for p in source.choices("siteId")] == [[("Site", "s1")]]
    await source.hook("deactivate")
    assert len(stage.providers.calls("DELETE", f"{base}/sites/s1/webhooks/wh1")) == 1


async def test_supersaas_changed_appointments(stage: Stage) -> None:
    """A method handed on without its object; files outside the folder of the sources."""
    base = "https://supersaas.com/api/hooks"
    hooks: dict[int, dict[str, str]] = {}

    def create(request: Request) -> Any:
        assert (request.query["account"], request.query["api_key"]) == ("acme", "ss1")
        made = {"id": len(hooks) + 1, "parent_id": int(request.query["parent_id"])}
        hooks[made["id"]] = request.query
        return made

    stage.providers.post(base, create)
    stage.providers.delete(base, lambda r: hooks.pop(int(r.query["id"])))
    stage.providers.get("https://supersaas.com/api/schedules.json", [{"id": 5, "name": "Room"}])
    source = await stage.deploy(
        "supersaas/sources/changed-appointments.js",
        {"account": "acme", "api_key": "ss1"},
        schedules=["5", "6"],
    )
    assert {hook["parent_id"] for hook in hooks.values()} == {"5", "6"}
    assert {hook["target_url"] for hook in hooks.values()} == {source.endpoint}
    body = {"event": "create", "created_on": "2021-03-01T10:00Z", "start": "2021-03-04T12:30"}
    meta = {"summary": "Created an appointment for 2021-03-04 at 12:30", "ts": 1_614_592_800_000}
    expected = Event({"meta": meta, "body": body}, None, str(meta["summary"]), meta["ts"])
    for _ in range(2):
        assert await source.request(body) == [expected]
    assert (await source.options("schedules")).items == [{"label": "Room", "value": 5}]
    await source.hook("deactivate")
    assert (hooks, source.store) == ({}, {"activeHooks": []})


async def test_yotpo_new_reviews(stage: Stage) -> None:
    """A package that the published package does not declare: the newest is used."""
    base = "https://developers.yotpo.com/v2/ak1/webhooks"
    hooks: dict[str, str] = {}

    def create(request: Request) -> Any:
        hooks[request.json["event_name"]] = request.json["url"]
        return {"ok": True}

    def listed(request: Request) -> Any:
        found = [
            {"id": n, "webhook_event_name": name, "url": url}
            for n, (name, url) in enumerate(hooks.items(), 1)
        ]
        return {"webhooks": {"webhooks": found}}

    stage.providers.post(base, create)
    stage.providers.get(base, listed)
    stage.providers.delete(f"{base}/1", lambda r: hooks.pop(next(iter(hooks))))
    auth = {"oauth_access_token": "yo1", "app_key": "ak1"}
    source = await stage.deploy("yotpo/sources/new-reviews/new-reviews.js", auth)
    assert hooks == {"review_create": source.endpoint, "review_updated": source.endpoint}
    data = {
        "id": 3, "updated_at": "2021-03-01T10:00:00.000Z", "new": True, "score": 5,
        "title": "Good &amp; cheap",
    }  # fmt: skip
    expected = Event(
        {"data": data}, f"3-{data['updated_at']}", "5 stars: Good & cheap", 1_614_592_800_000
    )
    assert await source.request({"data": data}) == [expected]
    assert await source.request({"data": data}) == []
    later = {**data, "updated_at": "2021-03-01T10:00:01.000Z", "new": False}
    [event] = await source.request({"data": later})
    assert event.summary == "5 stars: [UPDATED] Good & cheap"
    await source.hook("deactivate")
    assert hooks == {}
