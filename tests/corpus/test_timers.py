"""Components that poll on a timer, with each kind of dedupe."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.corpus.providers import Reply, Request
from tests.corpus.stage import NOW, Event, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_airtable_new_records(stage: Stage) -> None:
    """A cursor in the store, and an application-specific type of prop."""

    def record(n: int, minute: int) -> dict[str, Any]:
        created = f"2021-03-0{n}T10:{minute:02}:00.000Z"
        return {"id": f"rec{n}", "fields": {"Name": f"Row {n}"}, "createdTime": created}

    table = [record(2, 30), record(1, 10)]

    def answer(request: Request) -> Any:
        formula = request.query.get("filterByFormula", "")
        after = formula.removeprefix('CREATED_TIME() > "').removesuffix('"')
        return {"records": [row for row in table if row["createdTime"] > after]}

    stage.providers.get("https://api.airtable.com/v0/app1/tbl 1", answer, bearer="key1")
    source = await stage.deploy(
        "airtable/sources/new-records/new-records.js",
        {"api_key": "key1"},
        baseId="app1",
        tableId="tbl 1",
    )

    def expected(row: dict[str, Any], ts: int) -> Event:
        # Undefined parts of the metadata (there is no view) are left out, as JSON does.
        payload = {**row, "metadata": {"baseId": "app1", "tableId": "tbl 1"}}
        summary = json.dumps(row["fields"], separators=(",", ":"))
        return Event(payload, row["id"], summary, ts)

    day = 86_400_000
    first, second = 1_614_593_400_000, 1_614_593_400_000 + day + 20 * 60_000
    assert await source.tick() == [expected(table[1], first), expected(table[0], second)]
    assert source.store["lastMaxTimestamp"] == table[0]["createdTime"]
    assert await source.tick() == []
    table.append(record(3, 10))
    assert await source.tick() == [expected(table[2], first + 2 * day)]


async def test_gorgias_new_events(stage: Stage) -> None:
    """`greatest`: what is above the largest id of the batch before, in the order of time."""

    def gorgias(n: int) -> dict[str, Any]:
        return {"id": n, "type": f"ticket-{n}", "created_datetime": f"2021-02-03T04:05:{n:02}Z"}

    served = [gorgias(n) for n in (12, 11, 10)]
    basic = "Basic " + base64.b64encode(b"me@acme.example:key2").decode()
    stage.providers.get(
        "https://acme.gorgias.com/api/events/",
        lambda r: {"data": served} if r.headers["authorization"] == basic else Reply("", 401),
    )
    source = await stage.deploy(
        "gorgias/sources/new-events/new-events.js",
        {"domain": "acme", "email": "me@acme.example", "api_key": "key2"},
    )

    def expected(n: int) -> Event:
        return Event(gorgias(n), n, f"ticket-{n}", 1_612_325_100_000 + n * 1000)

    assert await source.tick() == [expected(10), expected(11), expected(12)]
    assert await source.tick() == []
    served[:0] = [gorgias(14), gorgias(9), gorgias(13)]
    assert await source.tick() == [expected(13), expected(14)]
    assert (9, "not_greater") in source.suppressed
    assert stage.providers.asked[0].query == {"per_page": "100"}


async def test_dev_to_fresh_stories_by_tag(stage: Stage) -> None:
    """`greatest`, and a default that is empty text."""
    served = [
        {"id": 7, "title": "Seven", "published_timestamp": "2021-01-07T00:00:00Z"},
        {"id": 5, "title": "Five", "published_timestamp": "2021-01-05T00:00:00Z"},
    ]
    asked: list[str] = []

    def answer(request: Request) -> Any:
        asked.append(request.query["tag"])
        return served if request.headers["api-key"] == "key3" else Reply("", 401)

    stage.providers.get("https://dev.to/api/articles", answer)
    path = "dev_to/sources/fresh-stories-by-tag/fresh-stories-by-tag.js"
    source = await stage.deploy(path, {"api_key": "key3"})
    day = 86_400_000
    five = Event(served[1], 5, "Five", 1_609_804_800_000)
    seven = Event(served[0], 7, "Seven", 1_609_804_800_000 + 2 * day)
    assert await source.tick() == [five, seven]
    assert await source.tick() == []
    tagged = await stage.deploy(path, {"api_key": "key3"}, tag="c++ & co")
    assert await tagged.tick() == [five, seven]
    assert asked == ["", "", "c++ & co"]


async def test_github_new_repository(stage: Stage) -> None:
    """`last`: what comes after the newest of the batch before."""

    def repository(n: int) -> dict[str, Any]:
        return {"id": n, "full_name": f"me/r{n}", "created_at": f"2021-03-{n:02}T00:00:00Z"}

    served = [repository(n) for n in (1, 2, 3)]

    def answer(request: Request) -> Any:
        good = request.headers["authorization"] == "token gh1"
        return served if good else Reply({"message": "Bad credentials"}, 401)

    stage.providers.get("https://api.github.com/user/repos", answer)
    source = await stage.deploy(
        "github/sources/new-repository/new-repository.js", {"oauth_access_token": "gh1"}
    )

    def expected(n: int) -> Event:
        ts = 1_614_556_800_000 + (n - 1) * 86_400_000
        return Event(repository(n), n, f"me/r{n}", ts)

    assert await source.tick() == [expected(1), expected(2), expected(3)]
    assert await source.tick() == []
    served.append(repository(4))
    assert await source.tick() == [expected(4)]


async def test_github_new_mention(stage: Stage) -> None:
    """A hook that only remembers who the user is; `greatest` over moments."""
    token = {"oauth_access_token": "gh1"}
    stage.providers.get("https://api.github.com/user", {"login": "ada"})
    comments = {
        n: {"id": n, "body": text, "updated_at": f"2021-04-0{n}T00:00:00Z"}
        for n, text in {1: "hello @ada", 2: "hello @bob", 3: "@ada again"}.items()
    }
    notes = [
        {
            "reason": "mention" if n != 9 else "author",
            "updated_at": comment["updated_at"],
            "subject": {"latest_comment_url": f"https://api.github.com/comments/{n}"},
        }
        for n, comment in comments.items()
    ]
    stage.providers.get(
        "https://api.github.com/notifications",
        lambda r: [note for note in notes if str(note["updated_at"]) > r.query.get("since", "")],
    )
    stage.providers.get(
        "https://api.github.com/comments/*", lambda r: comments[int(r.path.split("/")[-1])]
    )
    source = await stage.deploy("github/sources/new-mention/new-mention.js", token)
    assert source.store["login"] == "ada"

    def expected(n: int) -> Event:
        ts = 1_617_235_200_000 + (n - 1) * 86_400_000
        return Event(comments[n], ts, str(comments[n]["body"]), ts)

    assert await source.tick() == [expected(1), expected(3)]
    assert await source.tick() == []
    assert source.store["since"] == comments[3]["updated_at"]


async def test_npm_download_counts(stage: Stage) -> None:
    """No dedupe: the same answer again is an event again. A default with a slash in it."""
    served = {"downloads": 4711, "package": "@pipedreamhq/platform"}
    url = "https://api.npmjs.org/downloads/point/last-day/@pipedreamhq/platform"
    stage.providers.get(url, served)
    source = await stage.deploy("npm/sources/download-counts/download-counts.js")
    expected = [Event(served, summary="4711")]
    assert await source.tick() == expected
    assert await source.tick() == expected


async def test_here_weather_for_zip(stage: Stage) -> None:
    """The helper package that the platform publishes, required inside a method."""
    served = {"feedCreation": "2021-05-05T10:00:00Z", "observations": {"location": [1]}}

    def answer(request: Request) -> Any:
        wanted = {"apiKey": "key4", "product": "observation", "zipcode": "94103"}
        return served if request.query == wanted else Reply("", 403)

    stage.providers.get("https://weather.ls.hereapi.com/weather/1.0/report.json", answer)
    source = await stage.deploy(
        "here/sources/weather-for-zip/weather-for-zip.js", {"apikey": "key4"}, zipCode="94103"
    )
    summary = "Weather report for 94103 at 2021-05-05T10:00:00Z"
    for _ in range(2):
        assert await source.tick() == [Event(served, summary=summary, ts=NOW)]


async def test_pagerduty_new_oncall_rotation(stage: Stage) -> None:
    """What changed is found by what the store remembers of each policy."""
    on_call = {"P1": ["U1"], "P2": ["U2", "U3"]}
    policies = {name: {"id": name, "name": f"Policy {name}", "summary": name} for name in on_call}

    def user(name: str) -> dict[str, Any]:
        return {"id": name, "summary": f"User {name}"}

    def rotation(request: Request) -> Any:
        policy = request.query["escalation_policy_ids[]"]
        return {"oncalls": [{"user": user(name)} for name in on_call[policy]]}

    base, token = "https://api.pagerduty.com", "pd1"
    stage.providers.get(
        f"{base}/escalation_policies", {"escalation_policies": [*policies.values()]}, token
    )
    stage.providers.get(
        f"{base}/escalation_policies/*",
        lambda r: {"escalation_policy": policies[r.path.split("/")[-1]]},
        token,
    )
    stage.providers.get(f"{base}/oncalls", rotation, token)
    source = await stage.deploy(
        "pagerduty/sources/new-oncall-rotation/new-oncall-rotation.js",
        {"oauth_access_token": token},
    )

    def expected(name: str, policy: str) -> Event:
        payload = {"user": user(name), "escalationPolicy": policies[policy]}
        summary = f"User {name} is now on-call for escalation policy Policy {policy}"
        return Event(payload, summary=summary)

    assert await source.tick() == [
        expected("U1", "P1"),
        expected("U2", "P2"),
        expected("U3", "P2"),
    ]
    assert await source.tick() == []
    on_call["P1"] = ["U3", "U1"]
    assert await source.tick() == [expected("U3", "P1")]
    page = await source.options("escalationPolicies")
    assert [item["value"] for item in page.items] == ["P1", "P2"]
