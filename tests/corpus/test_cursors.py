"""Components that poll page by page and keep a cursor in the store."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.corpus.providers import Reply, Request, pages
from tests.corpus.stage import NOW, Event, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


def ago(**given: float) -> datetime:
    """A moment in the past, to the second."""
    return (datetime.now(UTC) - timedelta(**given)).replace(microsecond=0)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


async def test_formstack_new_form(stage: Stage) -> None:
    """Pages of a hundred; the largest id is the cursor; options that hand a context on."""
    forms = [{"id": n, "name": f"Form {n}"} for n in range(1, 131)]

    def answer(request: Request) -> Any:
        assert request.query["per_page"] == "100"
        return {"forms": pages(forms, 100)[int(request.query["page"]) - 1]}

    stage.providers.get("https://www.formstack.com/api/v2/form.json", answer, "fs1")
    source = await stage.deploy(
        "formstack/sources/new-form/new-form.js", {"oauth_access_token": "fs1"}
    )
    expected = [Event(form, form["id"], str(form["name"]), NOW) for form in forms]
    assert await source.tick() == expected
    assert source.store == {"largestPreviousFormId": 130}
    assert await source.tick() == []
    forms.append({"id": 131, "name": "Form 131"})
    assert await source.tick() == [Event(forms[-1], 131, "Form 131", NOW)]


async def test_ghost_new_author(stage: Stage) -> None:
    """Every page at every run: what is not new is suppressed by its id."""
    authors = [{"id": f"a{n}", "name": f"Author {n}"} for n in range(20)]

    def answer(request: Request) -> Any:
        assert request.query["key"] == "gk1"
        found = pages(authors, int(request.query["limit"]))
        page = int(request.query["page"])
        return {"authors": found[page - 1], "meta": {"pagination": {"pages": len(found)}}}

    stage.providers.get("https://blog.example.org/ghost/api/v3/content/authors", answer)
    auth = {"admin_domain": "https://blog.example.org", "content_api_key": "gk1"}
    source = await stage.deploy("ghost/sources/new-author/new-author.js", auth)

    def expected(author: dict[str, Any]) -> Event:
        return Event(author, author["id"], author["name"], NOW)

    assert await source.tick() == [expected(author) for author in authors]
    authors.insert(0, {"id": "new", "name": "Newcomer"})
    assert await source.tick() == [expected(authors[0])]
    assert len(source.suppressed) == 20


async def test_calendly_new_event(stage: Stage) -> None:
    """Nothing older than a month, then nothing older than the run before."""

    def calendly(name: str, created: datetime) -> dict[str, Any]:
        start = iso(created + timedelta(days=2))
        return {"id": name, "attributes": {"created_at": iso(created), "start_time": start}}

    moments = {"old": ago(days=60), "one": ago(hours=5), "two": ago(hours=3)}
    served = [calendly(name, moment) for name, moment in moments.items()]

    def answer(request: Request) -> Any:
        return {"data": served} if request.headers["x-token"] == "cl1" else Reply("", 401)

    stage.providers.get("https://calendly.com/api/v1/users/me/events", answer)
    source = await stage.deploy("calendly/sources/new-event/new-event.js", {"api_key": "cl1"})

    def expected(event: dict[str, Any]) -> Event:
        created = moments[event["id"]]
        start = created + timedelta(days=2)
        hour = start.strftime("%I").lstrip("0")
        text = f"{start.month}/{start.day}/{start.year}, {hour}:{start:%M:%S %p}"
        return Event(event, event["id"], f"New Event at {text}", ms(created))

    assert await source.tick() == [expected(served[1]), expected(served[2])]
    assert await source.tick() == []
    moments["three"] = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    served.append(calendly("three", moments["three"]))
    assert await source.tick() == [expected(served[3])]


async def test_intercom_new_company(stage: Stage) -> None:
    """Pages by a token; the walk ends at what was seen before."""
    start = int(time.time()) - 1000
    companies = [
        {"id": f"c{n}", "name": f"Company {n}", "created_at": start + n} for n in range(7, 0, -1)
    ]

    def answer(request: Request) -> Any:
        at = int(request.query.get("starting_after", 0))
        more = {"starting_after": str(at + 3)} if at + 3 < len(companies) else None
        return {"data": companies[at : at + 3], "pages": {"next": more}}

    stage.providers.get("https://api.intercom.io/companies", answer, "ic1")
    source = await stage.deploy(
        "intercom/sources/new-company/new-company.js", {"oauth_access_token": "ic1"}
    )

    def expected(company: dict[str, Any]) -> Event:
        return Event(company, company["id"], company["name"], company["created_at"])

    assert await source.tick() == [expected(company) for company in reversed(companies)]
    assert source.store == {"lastCompanyCreatedAt": start + 7}
    assert len(stage.providers.asked) == 3
    companies.insert(0, {"id": "c8", "name": "Company 8", "created_at": start + 8})
    assert await source.tick() == [expected(companies[0])]
    assert len(stage.providers.asked) == 4


async def test_intercom_new_conversation(stage: Stage) -> None:
    """A search whose terms hold the cursor."""
    start = int(time.time()) - 1000
    served = [
        {"id": str(n), "created_at": start + n, "source": {"body": f"<p>Question {n}</p>"}}
        for n in (1, 2, 3)
    ]

    def answer(request: Request) -> Any:
        query = request.json["query"]
        assert (query["field"], query["operator"]) == ("created_at", ">")
        found = [one for one in served if one["created_at"] > query["value"]]
        return {"conversations": found, "pages": {"next": None}}

    stage.providers.post("https://api.intercom.io/conversations/search", answer, "ic1")
    source = await stage.deploy(
        "intercom/sources/new-conversation/new-conversation.js", {"oauth_access_token": "ic1"}
    )

    def expected(n: int) -> Event:
        return Event(served[n - 1], str(n), f"<p>Question {n}</p>", start + n)

    assert await source.tick() == [expected(1), expected(2), expected(3)]
    assert await source.tick() == []
    served.append({"id": "4", "created_at": start + 9, "source": {"body": "<p>Question 4</p>"}})
    assert await source.tick() == [Event(served[3], "4", "<p>Question 4</p>", start + 9)]


async def test_shopify_new_page(stage: Stage) -> None:
    """Pages by the Link header of the answer before."""
    served: list[dict[str, Any]] = [{"id": n, "title": f"Page {n}"} for n in range(1, 6)]
    url = "https://acme.myshopify.com/admin/api/2020-10/pages.json"

    def answer(request: Request) -> Any:
        assert request.headers["x-shopify-access-token"] == "sh1"
        since = int(request.query.get("since_id", 0))
        assert since or "created_at_min" in request.query or "page_info" in request.query
        found = pages([page for page in served if page["id"] > since], 3)
        at = int(request.query.get("page_info", 0))
        headers = {}
        if at + 1 < len(found):
            headers["Link"] = f'<{url}?page_info={at + 1}>; rel="next"'
        return Reply({"pages": found[at]}, headers=headers)

    stage.providers.get(url, answer)
    source = await stage.deploy(
        "shopify/sources/new-page/new-page.js", {"shop_id": "acme", "oauth_access_token": "sh1"}
    )

    def expected(page: dict[str, Any]) -> Event:
        return Event(page, page["id"], page["title"], NOW)

    assert await source.tick() == [expected(page) for page in served]
    assert source.store == {"since_id": 5}
    assert await source.tick() == []
    served.append({"id": 6, "title": "Page 6"})
    assert await source.tick() == [expected(served[5])]


async def test_spotify_new_saved_track(stage: Stage) -> None:
    """A date in the store; a `ts` that is text, which is none."""
    moments = {f"t{n}": ago(hours=n) for n in range(1, 24)} | {"old": ago(days=90)}
    served = [
        {"added_at": iso(moment), "track": {"id": name, "name": f"Song {name}"}}
        for name, moment in moments.items()
    ]

    def answer(request: Request) -> Any:
        at, size = int(request.query["offset"]), int(request.query["limit"])
        return {"total": len(served), "items": served[at : at + size]}

    stage.providers.get("https://api.spotify.com/v1/me/tracks", answer, "sp1")
    source = await stage.deploy(
        "spotify/sources/new-saved-track/new-saved-tracks.js", {"oauth_access_token": "sp1"}
    )

    def expected(track: dict[str, Any]) -> Event:
        return Event(track, track["track"]["id"], track["track"]["name"])

    assert await source.tick() == [expected(track) for track in served[:-1]]
    assert source.store["lastEvent"].endswith("Z")
    assert await source.tick() == []
    soon = iso(datetime.now(UTC) + timedelta(seconds=2))
    served.insert(0, {"added_at": soon, "track": {"id": "new", "name": "Song new"}})
    assert await source.tick() == [expected(served[0])]


async def test_stack_exchange_new_question(stage: Stage) -> None:
    """A generator over pages, and options that search by what the user typed."""
    questions: list[dict[str, Any]] = []
    base = "https://api.stackexchange.com/2.2"

    def search(request: Request) -> Any:
        since, page = int(request.query["fromDate"]), int(request.query["page"])
        assert (request.query["q"], request.query["site"]) == ("deno,npm", "stackoverflow")
        found = pages([q for q in questions if q["creation_date"] >= since], 2)
        return {"items": found[page - 1], "has_more": page < len(found)}

    stage.providers.get(f"{base}/search/advanced", search, "se1")
    source = await stage.deploy(
        "stack_exchange/sources/new-question-for-keywords/new-question-for-keywords.js",
        {"oauth_access_token": "se1"},
        siteId="stackoverflow",
        keywords=["deno", "npm"],
    )
    assert source.store["fromDate"] <= time.time()
    assert await source.tick() == []
    for n in range(3):
        created = int(time.time())
        questions.append({"question_id": n, "creation_date": created, "title": f"Question {n}"})
    assert await source.tick() == [
        Event(q, q["question_id"], f"New question: {q['title']}", q["creation_date"])
        for q in questions
    ]
    assert await source.tick() == []


async def test_youtube_new_videos(stage: Stage) -> None:
    """Pages by a token that comes with the answer before."""
    videos = [{"id": {"videoId": f"v{n}"}, "snippet": {"title": f"Video {n}"}} for n in range(12)]

    def answer(request: Request) -> Any:
        assert (request.query["type"], request.query["forMine"]) == ("video", "true")
        at = int(request.query.get("pageToken") or 0)
        token = {"nextPageToken": str(at + 5)} if at + 5 < len(videos) else {}
        info = {"totalResults": len(videos)}
        return {"pageInfo": info, "items": videos[at : at + 5], **token}

    stage.providers.get("https://www.googleapis.com/youtube/v3/search", answer, "yt1")
    source = await stage.deploy(
        "youtube/sources/new-videos/new-videos.js", {"oauth_access_token": "yt1"}
    )

    def expected(video: dict[str, Any]) -> Event:
        return Event(video, video["id"]["videoId"], video["snippet"]["title"], NOW)

    assert await source.tick() == [expected(video) for video in videos]
    videos.insert(0, {"id": {"videoId": "new"}, "snippet": {"title": "Video new"}})
    assert await source.tick() == [expected(videos[0])]


async def test_hubspot_new_contact(stage: Stage) -> None:
    """A search by pages, newest first, which stops at what is too old."""
    moments = [ago(hours=n) for n in range(1, 5)] + [ago(days=50), ago(days=60)]
    served = [
        {
            "id": str(n),
            "createdAt": iso(moment),
            "properties": {"firstname": f"First{n}", "lastname": f"Last{n}"},
        }
        for n, moment in enumerate(moments)
    ]

    def answer(request: Request) -> Any:
        assert request.json["sorts"] == [{"propertyName": "createdate", "direction": "DESCENDING"}]
        at = int(request.json.get("after", 0))
        paging = {"paging": {"next": {"after": str(at + 2)}}}
        more = paging if at + 2 < len(served) else {}
        return {"total": len(served), "results": served[at : at + 2], **more}

    stage.providers.post("https://api.hubapi.com/crm/v3/objects/contacts/search", answer, "hs1")
    source = await stage.deploy(
        "hubspot/sources/new-contact/new-contact.js", {"oauth_access_token": "hs1"}
    )
    assert await source.tick() == [
        Event(served[n], str(n), f"First{n} Last{n}", ms(moments[n])) for n in (3, 2, 1, 0)
    ]
    assert source.store["createdAfter"] == NOW
    assert await source.tick() == []
