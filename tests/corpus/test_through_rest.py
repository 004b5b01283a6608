"""Published components deployed over REST on a whole stack: fetched by their address, with an
account, real ticks, a real endpoint and real calls of the providers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import httpx

from apps.components.models import Component
from apps.sources.keyless import keyless_of
from tests.corpus import published
from tests.corpus.platform import Platform
from tests.corpus.providers import Reply, Request
from tests.corpus.stage import NOW, Event
from tests.making import until

DAY = 86_400_000


def test_airtable_new_records(platform: Platform) -> None:
    """The timer ticks twice; the cursor goes to the provider with the second tick."""
    url = "https://api.airtable.com/v0/app1/tbl1"
    row = {"id": "rec1", "fields": {"Name": "Row"}, "createdTime": "2021-03-01T10:00:00.000Z"}
    platform.providers.get(
        url, lambda r: {"records": [] if "filterByFormula" in r.query else [row]}, "key1"
    )
    source = platform.deploy(
        "airtable/sources/new-records/new-records.js",
        ("airtable", "airtable", {"api_key": "key1"}),
        baseId="app1",
        tableId="tbl1",
        timer={"intervalSeconds": 15},
    )
    payload = {**row, "metadata": {"baseId": "app1", "tableId": "tbl1"}}
    expected = [Event(payload, "rec1", '{"Name":"Row"}', 1_614_592_800_000)]
    platform.eventually(source, expected)
    calls = platform.providers.calls
    until(lambda: len(calls("GET", url)) > 1, 100, "a second tick")
    formula = 'CREATED_TIME() > "2021-03-01T10:00:00.000Z"'
    assert calls("GET", url)[1].query == {"filterByFormula": formula}
    assert platform.events(source) == expected
    platform.call("DELETE", f"/sources/{source['id']}")


def test_github_new_repository(platform: Platform) -> None:
    """`last` is kept from run to run."""
    served = [
        {"id": n, "full_name": f"me/r{n}", "created_at": f"2021-03-0{n}T00:00:00Z"} for n in (1, 2)
    ]
    platform.providers.get("https://api.github.com/user/repos", lambda r: served)
    source = platform.deploy(
        "github/sources/new-repository/new-repository.js",
        ("github", "github", {"oauth_access_token": "gh1"}),
    )

    def expected(n: int) -> Event:
        return Event(served[n - 1], n, f"me/r{n}", 1_614_556_800_000 + (n - 1) * DAY)

    platform.eventually(source, [expected(1), expected(2)])
    served.append({"id": 3, "full_name": "me/r3", "created_at": "2021-03-03T00:00:00Z"})
    platform.run(source)
    platform.eventually(source, [expected(1), expected(2), expected(3)])
    assert platform.providers.asked[-1].headers["authorization"] == "token gh1"


def test_gorgias_new_events(platform: Platform) -> None:
    """`greatest`: an id below what was seen is suppressed, and it is said why."""
    served = [{"id": 9, "type": "created", "created_datetime": "2021-03-02T00:00:00Z"}]
    platform.providers.get("https://acme.gorgias.com/api/events/", lambda r: {"data": served})
    source = platform.deploy(
        "gorgias/sources/new-events/new-events.js",
        ("gorgias", "gorgias", {"domain": "acme", "email": "me", "api_key": "k"}),
    )
    first = Event(served[0], 9, "created", 1_614_556_800_000 + DAY)
    platform.eventually(source, [first])
    served.append({"id": 8, "type": "late", "created_datetime": "2021-03-03T00:00:00Z"})
    platform.run(source)
    assert platform.events(source) == [first]
    suppressed = platform.call("GET", f"/sources/{source['id']}/suppressed")
    assert {str(one["emit_id"] if "emit_id" in one else one["id"]) for one in suppressed} >= {"8"}


def test_asana_new_project(platform: Platform) -> None:
    """The provider shakes hands at the endpoint while the source is being created."""
    base = "https://app.asana.com/api/1.0"
    shaken: list[str] = []

    def create(request: Request) -> Any:
        data = request.json.get("body", request.json)["data"]
        answer = httpx.post(data["target"], headers={"X-Hook-Secret": "shake"}, timeout=60)
        shaken.append(answer.headers.get("x-hook-secret", ""))
        return Reply({"data": {"gid": "h1"}}, 201 if shaken[-1] == "shake" else 400)

    platform.providers.post(f"{base}/webhooks", create)
    platform.providers.delete(f"{base}/webhooks/h1", {"data": {}}, "as1")
    platform.providers.get(f"{base}/projects/p1", {"data": {"gid": "p1", "name": "Moon"}}, "as1")
    platform.providers.get(f"{base}/workspaces", {"data": [{"gid": "ws", "name": "Work"}]}, "as1")
    source = platform.deploy(
        "asana/sources/new-project/new-project.js",
        ("asana", "asana", {"oauth_access_token": "as1", "oauth_refresh_token": "as2"}),
        workspaceId="ws",
    )
    assert set(shaken) == {"shake"}
    body = {"events": [{"resource": {"gid": "p1"}}]}
    for _ in range(2):
        answer = httpx.post(platform.endpoint(source), json=body)
        assert answer.status_code == 200
    expected = [Event({"gid": "p1", "name": "Moon"}, "p1", "Moon", NOW)]
    until(lambda: platform.ended(source) >= 3, 60, "both requests")
    platform.eventually(source, expected)
    platform.call("DELETE", f"/sources/{source['id']}")
    assert len(platform.providers.calls("DELETE", f"{base}/webhooks/h1")) == 1


def test_bitbucket_new_issue(platform: Platform) -> None:
    """Its own answer reaches the provider; pausing takes the webhook away, and resuming makes a
    new one; options over REST hand their context on."""
    base, hooks = "https://api.bitbucket.org/2.0/repositories/ws", {}

    def create(request: Request) -> Any:
        name = f"u-{len(platform.providers.calls('POST', f'{base}/repo/hooks'))}"
        hooks[name] = request.json["url"]
        return {"uuid": f"{{{name}}}"}

    def delete(request: Request) -> Any:
        return Reply("", 204 if hooks.pop(request.path.split("/")[-1].strip("{}")) else 404)

    def repositories(request: Request) -> Any:
        if "page" in request.query:
            return {"values": [{"slug": "two"}]}
        return {"values": [{"slug": "one"}], "next": f"{request.url}?page=2"}

    platform.providers.post(f"{base}/repo/hooks", create, "bb1")
    platform.providers.delete(f"{base}/repo/hooks/*", delete, "bb1")
    platform.providers.get(base, repositories, "bb1")
    source = platform.deploy(
        "bitbucket/sources/new-issue/new-issue.js",
        ("bitbucket", "bitbucket", {"oauth_access_token": "bb1"}),
        workspaceId="ws",
        repositoryId="repo",
    )
    endpoint = platform.endpoint(source)
    assert hooks == {"u-1": endpoint}
    body = {"issue": {"id": 5, "title": "It leaks"}}
    headers = {"X-Hook-UUID": "u-1", "X-Event-Time": "Mon, 01 Mar 2021 10:00:00 GMT"}
    assert httpx.post(endpoint, json=body, headers=headers).status_code == 200
    assert httpx.post(endpoint, json=body, headers={"X-Hook-UUID": "x"}).status_code == 404
    expected = [Event(body, 5, "New Issue: #5 It leaks", 1_614_592_800_000)]
    platform.eventually(source, expected)
    platform.call("PUT", f"/sources/{source['id']}", json={"active": False})
    assert hooks == {}
    platform.call("PUT", f"/sources/{source['id']}", json={"active": True})
    assert hooks == {"u-2": endpoint}
    where = f"/components/{source['component_id']}/props/repositoryId/options"
    asked: dict[str, Any] = {"configured_props": {**source["configured_props"]}}
    asked["configured_props"].pop("http")
    first = platform.call("POST", where, json=asked)
    assert [option["value"] for option in first["options"]] == ["one"]
    asked |= {"page": 1, "prev_context": first["context"]}
    second = platform.call("POST", where, json=asked)
    assert [option["value"] for option in second["options"]] == ["two"]


def test_sentry_issue_event(platform: Platform) -> None:
    """A signature over the bytes as they came in."""
    base = "https://sentry.io/api/0/sentry-apps"
    platform.providers.post(f"{base}/", {"slug": "pd"}, "st1")
    platform.providers.get(f"{base}/pd/", {"clientSecret": "cs1"}, "st1")
    source = platform.deploy(
        "sentry/sources/issue-event/issue-event.js",
        ("sentry", "sentry", {"auth_token": "st1"}),
        organizationSlug="acme",
    )
    raw = '{ "action":"created",\n "data": {"issue": {"id": 7, "t": "\u00e9 \\u00e9"}} }'.encode()
    for secret in (b"cs1", b"other"):
        headers = {
            "Content-Type": "application/json",
            "Request-Id": "r1",
            "Sentry-Hook-Resource": "issue",
            "Sentry-Hook-Timestamp": "1614592800000",
            "Sentry-Hook-Signature": hmac.new(secret, raw, hashlib.sha256).hexdigest(),
        }
        assert httpx.post(platform.endpoint(source), content=raw, headers=headers).is_success
    until(lambda: platform.ended(source) >= 2, 60, "both requests")
    expected = [Event(json.loads(raw), "r1", "issue #7 created", 1_614_592_800_000)]
    assert platform.events(source) == expected


def test_formstack_new_form_submission(platform: Platform) -> None:
    """No answer of its own: the caller gets the platform's at once. A form without JSON."""
    base = "https://www.formstack.com/api/v2"
    platform.providers.post(f"{base}/form/9/webhook.json", {"id": "w1"}, "fs1")
    platform.providers.get(f"{base}/form.json", {"forms": [{"id": "9", "name": "Form"}]}, "fs1")
    source = platform.deploy(
        "formstack/sources/new-form-submission/new-form-submission.js",
        ("formstack", "formstack", {"oauth_access_token": "fs1", "oauth_refresh_token": "hs"}),
        formId="9",
    )
    fields = {"UniqueID": "s1", "Name": "Ada"}
    for _ in range(2):
        sent = httpx.post(platform.endpoint(source), data={**fields, "HandshakeKey": "hs"})
        assert sent.status_code == 200
    until(lambda: platform.ended(source) >= 2, 60, "both requests")
    assert platform.events(source) == [Event(fields, "s1", "New Form Submission s1", NOW)]


def test_twilio_new_incoming_sms(platform: Platform) -> None:
    """A secret prop and an answer in XML; the signed address is the endpoint as the caller has
    it, with a slash."""
    account, number = "AC" + "0" * 32, "PN" + "1" * 32
    url = f"https://api.twilio.com/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{number}.json"
    platform.providers.post(url, {"sid": number})
    source = platform.deploy(
        "twilio/sources/new-incoming-sms/new-incoming-sms.js",
        ("twilio", "twilio", {"Sid": f"SK{'2' * 32}", "Secret": "s", "AccountSid": account}),
        incomingPhoneNumber=number,
        authToken="signing",
        responseMessage="Thanks",
    )
    assert source["configured_props"]["authToken"] == "********"
    endpoint = f"{platform.endpoint(source)}/"
    assert platform.providers.calls("POST", url)[0].form["SmsUrl"] == endpoint[:-1]
    fields = {"Body": "Hello", "From": "+15551234567"}
    text = endpoint + "".join(f"{k}{v}" for k, v in sorted(fields.items()))
    digest = hmac.new(b"signing", text.encode(), hashlib.sha1).digest()
    headers = {
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
        "I-Twilio-Idempotency-Token": "once",
    }
    for _ in range(2):
        answer = httpx.post(endpoint, data=fields, headers=headers)
        assert answer.headers["content-type"] == "text/xml"
        assert "<Message>Thanks</Message>" in answer.text
    until(lambda: platform.ended(source) >= 2, 60, "both requests")
    assert platform.events(source) == [Event(fields, "once", "Hello")]


def test_http_new_requests(platform: Platform) -> None:
    """The whole request as an event; the status is text."""
    source = platform.deploy(
        "http/sources/new-requests/new-requests.js",
        None,
        resStatusCode="201",
        resContentType="text/plain",
        resBody="thanks",
    )
    answer = httpx.put(f"{platform.endpoint(source)}/a/b?c=d", json={"e": 1})
    assert (answer.status_code, answer.text) == (201, "thanks")
    assert answer.headers["content-type"] == "text/plain"
    until(lambda: platform.events(source), 60, "the event")
    [event] = platform.events(source)
    assert event.summary == "PUT /a/b"
    shown = {key: event.payload[key] for key in ("method", "path", "query", "body", "bodyRaw")}
    assert shown == {
        "method": "PUT",
        "path": "/a/b",
        "query": {"c": "d"},
        "body": {"e": 1},
        "bodyRaw": '{"e":1}',
    }


def test_zoom_meeting_created(platform: Platform) -> None:
    """An event that the operator posts for the app reaches who asks for it, by name."""
    auth = ("zoom", "zoom", {"oauth_access_token": "zm1"})
    source = platform.deploy("zoom/sources/meeting-created/meeting-created.js", auth)
    custom = platform.deploy(
        "zoom/sources/custom-event/custom-event.js", auth, eventNameOptions=["meeting.started"]
    )
    meeting = {"uuid": "u1", "topic": "Plans", "start_time": "2021-03-01T10:00:00Z"}
    payload = {"account_id": "a", "object": meeting}
    created = {"event": "meeting.created", "payload": payload}
    for _ in range(2):
        told = platform.call("POST", "/apphooks/zoom/meeting.created.by_me", json=created)
        assert told == {"sources": [source["id"]]}
    started = {"event": "meeting.started", "payload": payload}
    told = platform.call("POST", "/apphooks/zoom/meeting.started", json=started)
    assert told == {"sources": [custom["id"]]}
    until(lambda: platform.ended(source) >= 2, 60, "both events")
    expected = [Event(created, "u1", "Meeting Plans created", 1_614_592_800_000)]
    assert platform.events(source) == expected
    platform.eventually(custom, [Event(started, summary="meeting.started")])


def test_npm_download_counts_needs_no_account(platform: Platform) -> None:
    """An app whose code reads no credentials: `$auth` is empty (component specification 3.5)."""
    counts = {"downloads": 7, "package": "@pipedreamhq/platform"}
    url = "https://api.npmjs.org/downloads/point/last-day/@pipedreamhq/platform"
    platform.providers.get(url, counts)
    source = platform.deploy("npm/sources/download-counts/download-counts.js", None)
    assert source["configured_props"].get("npm") is None
    platform.eventually(source, [Event(counts, summary="7")])


def test_which_published_components_need_no_account() -> None:
    found = set()
    for file in (published.root() / "components").glob("*/*.app.js"):
        slug = re.findall(r"""\bapp:\s*["'](\w+)["']""", file.read_text())[0]
        for path in file.parent.glob("sources/**/*.js"):
            code = published.code(str(path.relative_to(published.root() / "components")))
            hooked = "$.interface.apphook" in f"{code.text}{code.files}"
            props = [{"type": "$.interface.apphook"}] if hooked else []
            asked = Component(code=code.text, files=code.files, props=props)
            if keyless_of(asked)({"name": "app", "type": "app", "app": slug}):
                found.add(slug)
    assert found == {"hacker_news", "http", "npm", "rss"}
